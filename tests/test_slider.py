"""A slider: all its pictures are in the page, one of them is shown, and its values are told."""

import base64
import re

import pytest

from nrc_core.sections.canvas import Picture
from nrc_core.sections.slider import Slider


def pictures(count: int) -> dict[str, Picture]:
    return {f"c < {place}": Picture(f"<svg>{place}</svg>", b"", f'picture {place} "of" c') for place in range(count)}


def test_all_pictures_are_there_and_one_is_shown():
    html = Slider("c", pictures(3), first=1)._repr_html_()
    images = re.findall(r"<img [^>]+>", html)
    assert [re.search(r"display: (\w+)", one).group(1) for one in images] == ["none", "block", "none"]
    contents = [base64.b64decode(re.search(r"base64,([^\"]+)", one).group(1)).decode() for one in images]
    assert contents == ["<svg>0</svg>", "<svg>1</svg>", "<svg>2</svg>"]
    assert 'max="2" value="1" aria-valuetext="c &lt; 1"' in html
    assert "<output>c &lt; 1</output>" in html
    assert 'alt="picture 2 &quot;of&quot; c"' in html


@pytest.mark.parametrize(("count", "first"), [(0, 0), (2, 2), (2, -1)])
def test_the_first_picture_is_one_of_them(count, first):
    with pytest.raises(ValueError, match=f"first must be the place of one of {count} pictures: got {first}"):
        Slider("c", pictures(count), first=first)
