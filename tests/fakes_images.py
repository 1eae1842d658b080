"""Pictures in classes that are quickly learned, prepared as one of the classified data sets."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from data_scripts.images import png
from nrc_core.data.prepared import Manifest, write_prepared

DIGITS = tuple("0123456789")


def prepare_classes(
    folder: Path,
    name: str = "mnist",
    *,
    classes: Sequence[str] = DIGITS,
    per_class: int = 12,
    test_per_class: int = 6,
    size: tuple[int, int] = (8, 8),
    colours: int = 1,
    noise: float = 25.0,
    seed: int = 0,
) -> pd.DataFrame:
    """Write pictures, with a noisy pattern of bright and dark pixels for each class, and return their table.

    Classes come in a random order, as in the originals, and no two pictures are alike.

    Args:
        folder: folder of the data sets, `NRC_DATA_DIR`.
        size: width and height in pixels.
        colours: 1 for grey pictures, 3 for colour.
    """
    generator = np.random.default_rng(seed)
    shape = (size[1], size[0], *([3] if colours == 3 else []))
    patterns = 128 + 50 * np.sign(generator.standard_normal((len(classes), *shape)))
    tables = []
    for part, count in (("train", per_class), ("test", test_per_class)):
        labels = generator.permutation(np.repeat(np.arange(len(classes)), count))
        pixels = patterns[labels] + noise * generator.standard_normal((len(labels), *shape))
        images = [png(one) for one in pixels.clip(0, 255).astype(np.uint8)]
        tables.append(pd.DataFrame({"image": images, "label": labels.astype(np.int64), "part": part}))
    table = pd.concat(tables, ignore_index=True)
    recipe = f"patterns {name} {per_class} {test_per_class} {size} {colours} {noise} {seed}"
    facts = {"classes": list(classes)}
    manifest = Manifest(
        name, "real", "patterns", "none", recipe, ["image"], ["label"], len(table), "part", True, facts
    )  # fmt: skip
    write_prepared(folder / name, table, manifest)
    return table
