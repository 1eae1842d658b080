"""The figures of the book: each from tidy results only, each with its message in words."""

from nrc_core.figures.canvas import Picture
from nrc_core.figures.foundations import collapsing_cloud
from nrc_core.figures.networks import (
    conditions,
    dynamics,
    headline,
    losses,
    spectrum,
    stable_ranks,
    strip,
    views,
)

__all__ = [
    "Picture",
    "collapsing_cloud",
    "conditions",
    "dynamics",
    "headline",
    "losses",
    "spectrum",
    "stable_ranks",
    "strip",
    "views",
]
