"""Encoded images as tensors of bytes, and the statistics by which a network scales them."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from nrc_core.errors import ConfigError, DataDamaged

# The default of the shorter side in pixels. For UTKFace the paper says 200, but its released code loads 128. Content
# keys leave the default out, so a change needs a new RESULTS_VERSION.
DEFAULT_SIZE = {"utkface": 128}
LEAST_SIZE = 32  # a ResNet halves the image five times
VECTOR = 8  # channels that AVX2 handles at a time, in single precision


def map_format(width: int) -> torch.memory_format:
    """The order in memory of the feature maps of a network whose first stage has `width` channels.

    It is channels last, because narrow networks train a fifth faster with it. With fewer than eight channels it is
    torch's default order. For maps that narrow, oneDNN on AVX2 writes past the end of memory in channels-last order, in
    strided convolutions of one pixel (those of shortcuts), and the process dies.

    Example:
        >>> map_format(4), map_format(64)
        (torch.contiguous_format, torch.channels_last)
    """
    return torch.channels_last if width >= VECTOR else torch.contiguous_format


def in_order(images: Float[Tensor, "n c height width"], order: torch.memory_format) -> Tensor:
    """The same images in an order in memory that torch keeps for the feature maps made of them.

    With one channel both orders are the same in memory, so `contiguous` changes nothing. But torch looks at the strides
    to choose the order of its feature maps.

    Example:
        >>> grey = torch.zeros(2, 5, 5, 1).movedim(3, 1)
        >>> grey.contiguous().stride(), in_order(grey, torch.contiguous_format).stride()
        ((25, 1, 5, 1), (25, 25, 5, 1))
    """
    if order == torch.channels_last:
        return images.contiguous(memory_format=order)
    return images.flatten(1).unflatten(1, images.shape[1:])


def decode(encoded: Sequence[bytes] | np.ndarray, size: int | None = None) -> UInt8[Tensor, "n c height width"]:
    """JPEG or PNG images as one tensor in channels-last memory order: three channels, one if the first is grey.

    Args:
        encoded: the contents of the image files.
        size: the shorter side in pixels; larger images are reduced to it (bilinear, each pixel an
            average of those it covers, as torchvision's Resize does). None: images keep their size.

    Raises:
        ConfigError: the size is below 32 or above that of the images.
        DataDamaged: an image cannot be decoded, or has another shape than the first.

    Example:
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (64, 48), (255, 0, 0)).save(file, "png")
        >>> decode([file.getvalue()]).shape, decode([file.getvalue()], 36)[0, :, 0, 0].tolist()
        (torch.Size([1, 3, 48, 64]), [255, 0, 0])
    """
    with Image.open(io.BytesIO(encoded[0])) as first:
        shape, mode = first.size, "L" if first.mode == "L" else "RGB"
    shorter = min(shape)
    if size is not None and not LEAST_SIZE <= size <= shorter:
        raise ConfigError(f"image_size must be from {LEAST_SIZE} to {shorter}, the images' own: got {size}")
    scale = 1.0 if size is None else size / shorter
    width, height = (round(side * scale) for side in shape)
    pixels = torch.empty(len(encoded), height, width, len(mode), dtype=torch.uint8)

    def fill(number: int) -> None:
        try:
            with Image.open(io.BytesIO(encoded[number])) as image:
                if image.size != shape:
                    raise DataDamaged(f"image {number} has {image.size} pixels, the first {shape}: prepare them again")
                colours = image.convert(mode).resize((width, height), Image.Resampling.BILINEAR)
        except OSError as error:
            raise DataDamaged(f"image {number} cannot be decoded ({error}): prepare the data again") from None
        pixels[number] = torch.from_numpy(np.array(colours)).view(height, width, len(mode))

    with ThreadPoolExecutor() as pool:  # Pillow decodes without holding the interpreter's lock
        list(pool.map(fill, range(len(encoded))))
    return pixels.permute(0, 3, 1, 2)


def pixel_statistics(images: UInt8[Tensor, "n c height width"]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, exact, from counts of the 256 values.

    Example:
        >>> pixel_statistics(torch.tensor([[[[0, 2]]]], dtype=torch.uint8))
        ((1.0,), (1.0,))
    """
    values = torch.arange(256, dtype=torch.float64)
    means, spreads = [], []
    for channel in images.unbind(1):
        # In pieces, because bincount needs eight bytes for each pixel.
        counts = sum(some.flatten().bincount(minlength=256).double() for some in channel.split(1024))
        share = counts / counts.sum()
        mean = (share * values).sum()
        means.append(mean.item())
        spreads.append((share * (values - mean).square()).sum().sqrt().item())
    return tuple(means), tuple(spreads)
