"""Run a parameterised notebook: it is checked before it starts, and its output appears only when it is complete."""

from __future__ import annotations

import inspect
import logging
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nrc_core.config.base import Configuration
from nrc_core.errors import ConfigError, NotebookFailed, check_installed, shown
from nrc_core.results.estimates import announcement, has_gpu
from nrc_core.results.runs import check_obtainable
from nrc_core.results.store import Store
from nrc_core.sections.experiments import EXPERIMENTS
from nrc_core.sections.parameters import convert
from nrc_core.training.progress import Relay, heartbeat
from nrc_core.workflow.parameter_cells import Declared, read_parameters

if TYPE_CHECKING:
    from nbformat import NotebookNode

logger = logging.getLogger(__name__)
PARTIAL = ".partial.ipynb"  # ending of the file with the output of a failed run
STARTS_WITHIN = 600  # seconds within which a kernel must answer; papermill's 60 are too few on a busy machine


def parameters_of(notebook: Path) -> Declared:
    """Name -> {type, default, help} of the cell tagged `parameters`, see `read_parameters`.

    Raises:
        ConfigError: there is no such file, it is not a notebook, it has no parameters cell, or a line in this cell
            declares no parameter.
    """
    check_installed("nbformat")
    import nbformat

    if not notebook.is_file():
        raise ConfigError(f"no notebook at {notebook}: check the path")
    try:
        cells = nbformat.read(notebook, as_version=4).cells
        tagged = [str(cell.source) for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", [])]
    except Exception as error:  # files that are not notebooks raise many kinds of exceptions
        raise ConfigError(f"{notebook} is not a notebook ({type(error).__name__})") from None
    if not tagged:
        raise ConfigError(f"{notebook} has no cell tagged 'parameters': it takes none")
    return read_parameters(tagged[0], str(notebook))


def check_parameters(notebook: Path, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Configuration]]:
    """Check parameters as far as possible without a kernel.

    If the notebook has the name of an experiment, the configurations of the experiment are built. Their data are looked
    for unless the store has the results. So a value out of range or a missing data set is found here.

    Returns:
        The parameters with their declared types, and the runs of the notebook's experiment that the store lacks.

    Raises:
        ConfigError: an unknown name, a wrong type, or a value out of range.
        DataUnavailable, DataDamaged: the data cannot be loaded.
    """
    kinds = {name: declared["type"] for name, declared in parameters_of(notebook).items()}
    values = convert(given, kinds, notebook.name)
    experiment = EXPERIMENTS.get(notebook.stem)
    if experiment is None:
        return values, []
    known = inspect.signature(experiment).parameters
    configs = experiment(**{name: value for name, value in values.items() if name in known})
    return values, check_obtainable(configs, store=Store())


def check_output(notebook: Path, output: Path) -> None:
    """Raise ConfigError unless `output` is a possible path of a notebook and does not overwrite the notebook itself."""
    if output.is_dir():
        raise ConfigError(f"the output must be a file, and {output} is a folder: give {output / notebook.name}")
    if output.suffix != ".ipynb":
        raise ConfigError(f"the output is a notebook and must end in .ipynb: got {shown(str(output))}")
    for written in (output, output.with_suffix(PARTIAL)):
        if written.exists() and notebook.exists() and written.samefile(notebook):
            raise ConfigError(f"the output would replace the notebook itself, {notebook}: give another --output")


def run_notebook(notebook: Path, output: Path, given: Mapping[str, Any], *, timeout: int | None = None) -> NotebookNode:
    """Execute a notebook with parameters; `output` appears only when every cell has run.

    A failed run leaves `<output>.partial.ipynb` for reading. If several runs have the same output at the same time,
    each writes its own file, and the output is the file of the run that ends last. The kernel listens on a unix socket,
    so that notebooks that run at the same time cannot take each other's ports.

    Args:
        timeout: the longest time a cell may take, in seconds; None for no limit.

    Returns:
        The executed notebook, as it was written.

    Raises:
        ConfigError: as `check_parameters` and `check_output`, for a timeout below a second, or for a package that
            is not installed.
        DataUnavailable, DataDamaged: as `check_parameters`.
        NotebookFailed: a cell failed or timed out, the notebook ended early, or the kernel died.
        OSError: the output cannot be written.
    """
    check_output(notebook, output)
    if timeout is not None and timeout < 1:
        raise ConfigError(f"the timeout must be at least one second, or left out for none: got {timeout}")
    check_installed("papermill", "ipykernel", *(["seaborn"] if notebook.stem in EXPERIMENTS else []))
    values, lacking = check_parameters(notebook, given)
    logger.debug("%s with %s", notebook, values or "its defaults")
    output.parent.mkdir(parents=True, exist_ok=True)
    with _unfinished(output) as partial:
        partial.write_text("")  # an unwritable folder or a full disk raises an error now, not after the training
        if lacking:
            (store := Store()).check_writable()
            logger.info("%s", announcement(lacking, store.folder, gpu=has_gpu()))
        try:
            executed = _execute(notebook, partial, values, timeout)
        except NotebookFailed as error:
            raise NotebookFailed(f"{error} (see {output.with_suffix(PARTIAL)})") from None
        partial.replace(output)
    return executed


@contextmanager
def _unfinished(output: Path) -> Iterator[Path]:
    """A file that only this process writes, even if other processes make the same output; kept if the run fails."""
    own, kept = output.with_name(f".{output.stem}.{uuid4().hex[:8]}.ipynb"), output.with_suffix(PARTIAL)
    try:
        yield own
        kept.unlink(missing_ok=True)
    finally:
        if own.is_file():
            own.replace(kept)


def _execute(notebook: Path, output: Path, values: Mapping[str, Any], timeout: int | None) -> NotebookNode:
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from traitlets.config import Config

    # Papermill logs the start and end of every cell, and warns about parameters, which are checked already.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        with (
            heartbeat(notebook.name),
            closing(Relay()) as said,
            tempfile.TemporaryDirectory(prefix="nrc-", ignore_cleanup_errors=True) as sockets,
        ):
            executed = papermill.execute_notebook(
                str(notebook),
                str(output),
                parameters=dict(values),
                kernel_name="python3",
                progress_bar=False,
                stderr_file=said,
                autosave_cell_every=30,
                execution_timeout=timeout,
                start_timeout=STARTS_WITHIN,
                kernel_manager_class=_quiet_kernel_manager(),
                config=Config(KernelManager={"transport": "ipc", "ip": str(Path(sockets) / "k")}),
                shutdown_kernel="immediate",  # all cells have ended; a graceful exit takes half a second
            )
    except papermill.PapermillExecutionError as error:
        value = str(error.evalue).splitlines()[0] if error.evalue else ""
        raise NotebookFailed(f"{notebook} failed in cell {error.exec_count}: {error.ename}: {value}") from None
    except CellTimeoutError:
        raise NotebookFailed(f"{notebook}: a cell took longer than {timeout} s") from None
    except DeadKernelError:
        raise NotebookFailed(f"{notebook}: the kernel died, out of memory perhaps") from None
    except KeyboardInterrupt:
        # The kernel has been stopped: asyncio would print an error about the task that waited for its cell.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        raise
    unfinished = [
        number
        for number, cell in enumerate(executed.cells)
        if cell.cell_type == "code" and cell.metadata.get("papermill", {}).get("status") != "completed"
    ]
    if unfinished:
        raise NotebookFailed(f"{notebook} ended early: cells {unfinished} did not run")
    for name in ("input_path", "output_path"):  # absolute paths of this machine
        executed.metadata["papermill"].pop(name, None)
    nbformat.write(executed, output)
    return executed


def _quiet_kernel_manager() -> type:
    from jupyter_client.manager import AsyncKernelManager

    class QuietKernelManager(AsyncKernelManager):
        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
            # The output of cells comes as messages. Besides it, a kernel prints only its own traceback at Ctrl-C.
            await super().start_kernel(**options, stderr=subprocess.DEVNULL)

    return QuietKernelManager
