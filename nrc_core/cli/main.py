"""The command line `nrc`: read the arguments and run a command; errors that a user can correct take one line."""

# PYTHON_ARGCOMPLETE_OK
import argparse
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from nrc_core.cli.parser import make_parser
from nrc_core.errors import ConfigError, NrcError, extra_of, lacking

INTERRUPTED = (
    "interrupted: give the same command again to go on (finished runs are in the store; the run under way goes on from "
    "its last checkpoint, which is written once a minute)"
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status; an error that a user can correct takes one line."""
    parser = make_parser()
    if "_ARGCOMPLETE" in os.environ:  # the shell asks which words may follow
        import argcomplete

        argcomplete.autocomplete(parser, default_completer=import_module("nrc_core.cli.completion").Completer())
    given, unknown = parser.parse_known_args(arguments, argparse.Namespace(quiet=False, verbose=False))
    if unknown:
        hint = ""
        if "parameters" in given:
            late = not any(word.startswith("-") for word in unknown)
            written = "come before the options" if late else "are written name=value"
            hint = f": parameters of notebooks and experiments {written}"
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    try:
        with _logging(given):
            import_module(f"nrc_core.cli.{given.command}").execute(given)
        sys.stdout.flush()
    except NrcError as error:
        if given.verbose:
            traceback.print_exception(error)
        print(f"nrc: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except BrokenPipeError:  # the program that read the output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        print(f"nrc: cannot read or write ({error.strerror or error}){where}: free or choose a place", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if extra_of(package) is None:
            raise
        print(f"nrc: {lacking(package)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nnrc: {INTERRUPTED}", file=sys.stderr)
        return 130
    return 0


class _Lines(logging.StreamHandler):
    """Write log lines to stderr, above a progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        if "tqdm" not in sys.modules:
            super().emit(record)
            return
        from tqdm import tqdm

        tqdm.write(self.format(record), file=self.stream)


@contextmanager
def _logging(given: argparse.Namespace) -> Iterator[None]:
    """Set the log levels that the user asks for, and restore the previous levels at the end of the block."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[_Lines(sys.stderr)])
    ours = [logging.getLogger(name) for name in ("nrc_core", "data_scripts")]
    before = [logger.level for logger in ours]
    for logger in ours:
        logger.setLevel(logging.DEBUG if given.verbose else logging.WARNING if given.quiet else logging.INFO)
    try:
        yield
    finally:
        for logger, level in zip(ours, before, strict=True):
            logger.setLevel(level)
