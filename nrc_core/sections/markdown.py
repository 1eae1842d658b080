"""Tables in Markdown for pages and notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[object]], *, right: int = 0) -> str:
    """A table with a head and rows; the last `right` columns are aligned to the right.

    Example:
        >>> print(markdown_table(["site", "noise"], [[1, 0.5]], right=1))
        | site | noise |
        |---|---:|
        | 1 | 0.5 |
    """
    aligned = "".join("|---" if place < len(head) - right else "|---:" for place in range(len(head)))
    lines = [f"| {' | '.join(map(str, cells))} |" for cells in (head, *rows)]
    return "\n".join([lines[0], f"{aligned}|", *lines[1:]])
