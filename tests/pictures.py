"""Checks that hold for every figure, and figures without drawing."""

import importlib
import xml.etree.ElementTree
from collections.abc import Callable

import pytest

from nrc_core.sections.canvas import Picture


def check_picture(draw: Callable[[], Picture]) -> None:
    """Check that a figure is vector graphics with its message in words, and is the same each time it is drawn."""
    picture = draw()
    assert xml.etree.ElementTree.fromstring(picture.svg).tag.endswith("svg")
    assert len(picture.alt) > 60
    assert ". ." not in picture.alt
    assert "nan" not in picture.alt
    assert draw().svg == picture.svg


def draw_nothing(monkeypatch: pytest.MonkeyPatch, section: str) -> None:
    """Switch off the drawing of a section's figures, which takes seconds; their texts are still made."""
    module = importlib.import_module(f"nrc_core.sections.{section}.figures")
    monkeypatch.setattr(module, "picture", lambda figure, alt: Picture("", b"", alt))
