"""What every figure must be: vector graphics with its message in words, the same each time it is drawn."""

import xml.etree.ElementTree
from collections.abc import Callable

from nrc_core.sections.canvas import Picture


def check_picture(draw: Callable[[], Picture]) -> None:
    picture = draw()
    assert xml.etree.ElementTree.fromstring(picture.svg).tag.endswith("svg")
    assert len(picture.alt) > 60
    assert ". ." not in picture.alt
    assert "nan" not in picture.alt
    assert draw().svg == picture.svg
