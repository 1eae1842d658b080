"""Figures of the definitions, drawn from random arrays."""

import numpy as np

from nrc_core.sections.canvas import COLOURS, Picture, canvas, picture


def collapsing_cloud(seed: int, samples: int) -> Picture:
    """Three clouds of points in the plane with less and less noise around a line, and their NRC1."""
    from nrc_core.metrics.regression import nrc1  # imported here because it needs torch; no other figure needs it

    generator = np.random.default_rng(seed)
    signal, noise = generator.standard_normal((2, samples))
    with canvas(1, 3, 2.9) as (figure, axes):
        for axis, spread in zip(axes.flat, (1.0, 0.4, 0.05), strict=True):
            cloud = np.stack([signal - spread * noise, signal + spread * noise], axis=1)
            axis.scatter(*cloud.T, s=5, alpha=0.6, color=COLOURS["nrc1"], edgecolors="none")
            axis.set(title=f"NRC1 = {nrc1(cloud, rank=1):.3f}", xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
        titles = ", ".join(axis.get_title("left") for axis in figure.axes)
        return picture(figure, f"Clouds of points closing in on a line: {titles}.")
