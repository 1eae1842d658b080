"""Words that carry colour and shape: verdicts on the published runs, and outcomes of the re-check on this machine."""

AGREES, DIFFERS, NOT_COMPARED = OUTCOMES = ("agrees", "differs", "not compared")
NOT_HERE = "not here"  # the outcome of a claim if none of its pages was compared
# Each word has a shape of its own; the colour comes from the style sheet.
SHAPES = {
    "reproduced": "●",
    "partly": "▲",
    "not reproduced": "✕",
    "at reduced size": "◐",
    "inconclusive": "?",
    "says nothing": "□",
    "not testable": "◇",
    "not yet run": "○",
    AGREES: "=",
    DIFFERS: "≠",
    NOT_COMPARED: "·",
    NOT_HERE: "·",
}


def badge(word: str, more: str = "") -> str:
    """A verdict or an outcome by colour, shape and word.

    Args:
        more: the verdict of smaller networks, which follows the word "at reduced size".

    Example:
        >>> badge("not compared")
        '<span class="verdict not-compared">· not compared</span>'
    """
    text = f"{word}: {more}" if more else word
    return f'<span class="verdict {word.replace(" ", "-")}">{SHAPES[word]} {text}</span>'
