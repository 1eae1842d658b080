"""Pictures in prepared data sets: encoded without loss, and looked at before they are believed."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def png(pixels: np.ndarray) -> bytes:
    """A picture (height, width, 3) of uint8 as PNG, which loses nothing."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def fault(content: bytes, encoding: str, size: tuple[int, int]) -> str | None:
    """Why bytes are not a whole colour picture of a size (width, height), or None if they are.

    Example:
        >>> fault(b"nonsense", "JPEG", (200, 200))
        'not a readable JPEG'
        >>> fault(png(np.zeros((2, 4, 3), np.uint8)), "PNG", (4, 4))
        'not 4 x 4 pixels in colour'
    """
    try:
        with Image.open(io.BytesIO(content), formats=[encoding]) as image:
            if image.size != size or image.mode != "RGB":  # before the pixels are read, however many they are
                return f"not {size[0]} x {size[1]} pixels in colour"
            image.load()
    except Exception:  # from foreign bytes Pillow raises whatever its parser stumbles over
        return f"not a readable {encoding}"
    return None
