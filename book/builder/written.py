"""The pages written by hand, copied to where the book is built; they link only to pages that the book has."""

import re
import shutil
from collections.abc import Collection
from pathlib import Path

SOURCES = ("*.md", "_config.yml", "references.bib", "_static/*", "_ext/*.py")
LINK = re.compile(r"\[([^\[\]]+)\]\(pages/(\w+)\.ipynb\)")


def copy(book: Path, output: Path, there: Collection[str]) -> None:
    """Copy the sources of the book; a link to a page that is not among `there` is left as its words."""
    for pattern in SOURCES:
        for source in book.glob(pattern):
            target = output / source.relative_to(book)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.suffix == ".md":
                target.write_text(only_links_to(source.read_text(), there))
            else:
                shutil.copyfile(source, target)


def only_links_to(text: str, there: Collection[str]) -> str:
    """Markdown in which links to other pages than these are plain words.

    Example:
        >>> only_links_to("see [Hopper](pages/hopper.ipynb) and [MNIST](pages/mnist.ipynb)", ["hopper"])
        'see [Hopper](pages/hopper.ipynb) and MNIST'
    """
    return LINK.sub(lambda link: link[0] if link[2] in there else link[1], text)
