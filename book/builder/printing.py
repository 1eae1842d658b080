"""Print the book, built as one page, to PDF with Chromium.

python -m book.builder.printing SINGLE.html BOOK.pdf
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pikepdf

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 600


def print_book(page: Path, output: Path) -> int:
    """Write the PDF and return its number of pages; the file appears whole or not at all.

    Raises:
        FileNotFoundError: no browser.
        RuntimeError: the browser made nothing.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise FileNotFoundError(f"the PDF is printed by one of {', '.join(BROWSERS)}: install it, or leave PDF=yes out")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        printed = Path(folder) / "printed.pdf"
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
            f"--user-data-dir={folder}", "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=60000",
            f"--print-to-pdf={printed}", page.resolve().as_uri(),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        if not printed.is_file():
            raise RuntimeError(f"{browser} printed nothing: {done.stderr.strip().splitlines()[-1:]}")
        partial = output.with_suffix(".partial")
        with pikepdf.open(printed) as document:
            for leaf in document.pages:
                _drop_local_links(leaf)
            # This halves the file: what screen readers need is thousands of small objects, here compressed together.
            document.save(partial, object_stream_mode=pikepdf.ObjectStreamMode.generate)
            pages = len(document.pages)
    partial.replace(output)
    return pages


def _drop_local_links(leaf: pikepdf.Page) -> None:
    """Remove links to files beside the pages: these files do not come with the PDF."""
    links = [(one, str(one.get("/A", pikepdf.Dictionary()).get("/URI", ""))) for one in leaf.get("/Annots", [])]
    kept = [one for one, address in links if not address.startswith("file:")]
    if "/Annots" in leaf:
        leaf.Annots = pikepdf.Array(kept)


def main(arguments: list[str]) -> int:
    """Print one book; an error is one line."""
    page, output = map(Path, arguments)
    try:
        print(f"{print_book(page, output)} pages: {output}")
    except (OSError, RuntimeError, subprocess.TimeoutExpired, pikepdf.PdfError) as error:
        print(f"{output}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
