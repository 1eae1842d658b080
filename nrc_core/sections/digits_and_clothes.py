"""What sections need to know of the data set `digits_and_clothes`, and which of its rows a seed takes."""

NAME = "digits_and_clothes"
CLASSES, ROWS = 39, 500  # classes of the data set, and training rows of each


def rows_skipped(seed: int, rows: int) -> int:
    """The number of training rows of each class that a seed leaves out before the rows that it takes.

    As far as there are enough rows, no two seeds take the same.

    Example:
        >>> rows_skipped(0, 100), rows_skipped(1, 100), rows_skipped(4, 100), rows_skipped(5, 100)
        (0, 100, 400, 99)
    """
    return seed * rows % (ROWS - rows + 1)
