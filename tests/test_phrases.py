"""Numbers in words."""

import math

import pytest

from nrc_core.results.phrases import apart


@pytest.mark.parametrize(
    ("value", "limit", "text"),
    [
        (0.8988, 0.9, "0.899"),  # two digits are the limit itself
        (0.9003, 0.9, "0.9003"),
        (0.5234, 0.9, "0.52"),
        (0.896, 0.897, "0.896"),  # two digits are beyond the limit
        (0.05, 0.05, "0.05"),
        (0.8988, 0.8988, "0.8988"),  # at a limit of more digits, two digits are below it
        (1.0 - 1e-9, 1.0, "0.999999999"),
        (1.0000000000000002, 1.0, "1.0000000000000002"),
        (-0.04, 0.0, "-0.04"),
        (math.nan, 0.9, "nan"),
        (math.inf, 0.9, "inf"),
        (0.123, math.inf, "0.12"),
    ],
)
def test_a_value_is_on_its_side_of_the_limit(value, limit, text):
    assert apart(value, limit) == text


def test_more_digits_may_be_asked_for():
    assert apart(0.52345, 0.9, digits=4) == "0.5234"
