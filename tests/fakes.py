"""Results made by hand: networks with the numbers that a test needs; and images that are quickly learned."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from nrc_core.data.prepared import Manifest, write_prepared
from nrc_core.results.results import Results

GOOD = {"nrc1": 0.01, "nrc2": 0.99, "nrc3": 0.98, "nrc4": 0.01}


def network(
    dataset: str = "swimmer",
    seed: int = 0,
    *,
    sites: int = 4,
    train: float = 0.01,
    test: float = 0.02,
    losses: list[float] | None = None,
    shuffled: bool | None = None,
    spectra: dict | None = None,
    **columns,
) -> dict:
    """One network; each column has one value for all sites, or a list with a value for each weight site.

    Each column of `spectra` has one value for all ranks, or a list with a value for each rank.
    """
    return {
        "dataset": dataset, "seed": seed, "sites": sites, "train": train, "test": test, "losses": losses,
        "shuffled": shuffled, "spectra": spectra, "columns": columns,
    }  # fmt: skip


def results(*networks: dict) -> Results:
    """Results of networks made by `network`; a column with the name of a configuration field sets this field."""
    runs, measurements, spectra, losses = [], [], [], []
    for number, one in enumerate(networks):
        key = f"{number:016x}"
        fields = {
            "weight_decay": 1e-3,
            "epochs": 1000,
            "width": 256,
            "depth": 8,
            "split": "random",
            "exposure": 3.0,
            "bias": False,
            "init_scale": 1.0,
            "dataset_options": {},
        }
        run = {name: one["columns"].pop(name, default) for name, default in fields.items()}
        runs.append({"key": key, "task": "regression", "dataset": one["dataset"], "seed": one["seed"],
                     "shuffled": one["shuffled"], "architecture": "mlp", **run})  # fmt: skip
        for split, error in (("train", one["train"]), ("test", one["test"])):
            for site in range(one["sites"] + 1):
                output = site == one["sites"]
                base = {
                    "key": key, "seed": one["seed"], "site": site, "name": "output" if output else f"layer{site}",
                    "split": split, "features": "post", "convention": "careful", "epoch": run["epochs"], "rank": 2,
                    "width": 2 if output else 256, "network_mse": error, "target_variance": 1.0,
                    "target_stable_rank": 1.5, "feature_stable_rank": 1.5, "weight_stable_rank": 2.0 - 0.1 * site,
                    "feature_effective_rank": 2, "target_effective_rank": 2, "nrc4_unexplained": error, **GOOD,
                }  # fmt: skip
                given = {
                    name: (values if not isinstance(values, list) else values[min(site, one["sites"] - 1)])
                    for name, values in one["columns"].items()
                }
                measurements.append(base | given)
                for k in (1, 2, 3, 4):
                    curve = {"nrc1": 0.01, "nrc2": 0.99, "nrc3": 0.98, "nrc3_sine": 0.1, "eigenvalue": 1.0 / k} | {
                        name: values[k - 1] if isinstance(values, list) else values
                        for name, values in (one["spectra"] or {}).items()
                    }
                    spectra.append({**{n: base[n] for n in ("key", "seed", "site", "split", "features", "epoch")},
                                    "k": k, **curve})  # fmt: skip
        curve = one["losses"] or [0.5] * 100
        losses += [{"key": key, "seed": one["seed"], "epoch": epoch, "learning_rate": 0.1, "train_mse": loss,
                    "test_mse": loss}
                   for epoch, loss in enumerate(curve, 1)]  # fmt: skip
    frames = [pd.DataFrame(rows) for rows in (runs, measurements, spectra, losses)]
    return Results(*frames, provenance={})


def prepare_images(folder: Path, name: str = "car_racing", *, n: int = 48, size: tuple[int, int] = (36, 32)) -> None:
    """Prepare noise as the data set `name` of a data folder; brightness and left half determine two targets."""
    generator = np.random.default_rng(0)
    targets = generator.standard_normal((n, 2))
    images = []
    for first, second in targets:
        pixels = 120 + 25 * first + 20 * generator.standard_normal((size[1], size[0], 3))
        pixels[:, : size[0] // 2] += 20 * second
        buffer = io.BytesIO()
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "png")
        images.append(buffer.getvalue())
    table = pd.DataFrame({"image": images, "steering": targets[:, 0], "speed": targets[:, 1]})
    table["episode"] = np.arange(n) // (n // 6)
    recipe = f"noise {n} {size}"
    columns = ["steering", "speed"]
    facts = {"episodes": 6, "lap_progress": 1.0}
    manifest = Manifest(name, "stand-in", "noise", "none", recipe, ["image"], columns, n, "episode", True, facts)
    write_prepared(folder / name, table, manifest)
