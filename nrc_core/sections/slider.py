"""A row of pictures of which a slider shows one at a time, on pages and in notebooks."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from nrc_core.sections.canvas import Picture

# Shows the picture with the number of the slider, and tells its value to readers and to screen readers.
CHOOSE = (
    "const box = this.closest('.frames'), all = [...box.querySelectorAll('img')]; "
    "all.forEach((one, place) => { one.style.display = place == this.value ? 'block' : 'none'; }); "
    "const told = all[this.value].dataset.value; "
    "box.querySelector('output').textContent = told; this.setAttribute('aria-valuetext', told);"
)


@dataclass(frozen=True)
class Slider:
    """Pictures by the value of a quantity; all are in the page, so that the slider needs no server.

    Attributes:
        name: the quantity that the slider changes.
        pictures: the pictures by the value in words, in the order of the slider.
        first: the place of the picture that is shown at first, from 0.

    Raises:
        ValueError: there are no pictures, or no picture has the place `first`.
    """

    name: str
    pictures: Mapping[str, Picture] = field(repr=False)
    first: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.first < len(self.pictures):
            raise ValueError(f"first must be the place of one of {len(self.pictures)} pictures: got {self.first}")

    def _repr_html_(self) -> str:
        values = list(self.pictures)
        images = "".join(
            f'<img data-value="{escape(value)}" alt="{escape(one.alt)}" src="data:image/svg+xml;base64,'
            f'{base64.b64encode(one.svg.encode()).decode()}" style="width: 100%; display: '
            f'{"block" if place == self.first else "none"}">'
            for place, (value, one) in enumerate(self.pictures.items())
        )
        return (
            f'<div class="frames"><label>{escape(self.name)} <input type="range" min="0" max="{len(values) - 1}" '
            f'value="{self.first}" aria-valuetext="{escape(values[self.first])}" oninput="{CHOOSE}" '
            f'style="width: 50%; vertical-align: middle"></label> <output>{escape(values[self.first])}</output>'
            f"{images}</div>"
        )
