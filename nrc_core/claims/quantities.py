"""The quantities by which runs are compared: numbers of a run that its page shows, on scales with similar spreads."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.config.base import OUTPUT, Configuration
from nrc_core.config.classification import ClassifierConfig, TransferConfig
from nrc_core.config.descent import DescentConfig
from nrc_core.results.store import RESULTS_VERSION, RunResult
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.collapse import half_time

COLUMNS = ["kind", "place", "value", "floor"]
# Smaller spreads than these have no meaning: one per cent for a positive number, half of the step between two
# measurements (in the logarithm of the time) for a time, half a wrong answer for a share of wrong answers.
FLOOR = 0.01
NEVER = 2.0  # an event that did not happen gets this multiple of the length of the training as its time


@dataclass(frozen=True)
class Scale:
    """The scale on which a kind of quantity is compared: a function from values to places on it, and its inverse.

    Example:
        >>> distance_to_one(1e-8).forward(np.array([0.9, 1.0])).round(3)
        array([ -2.303, -18.421])
        >>> round(SHARE.backward(SHARE.forward(np.array([0.2])).item()), 12)
        0.2
    """

    forward: Callable[[np.ndarray], np.ndarray]
    backward: Callable[[float], float]


def logarithm(least: float) -> Scale:
    """The logarithm of the value; smaller values than `least` are rounding errors and count as this."""
    return Scale(lambda value: np.log(np.maximum(value, least)), math.exp)


def distance_to_one(least: float) -> Scale:
    """The logarithm of 1 minus the value, for example for cosines; smaller distances than `least` count as this."""
    return Scale(lambda value: np.log(np.maximum(1 - value, least)), lambda place: 1 - math.exp(place))


# The arcsine of the root of a share has a binomial spread that does not depend on the share.
SHARE = Scale(
    lambda value: np.arcsin(np.sqrt(np.clip(value, 0, 1))),
    lambda place: math.sin(min(max(place, 0.0), math.pi / 2)) ** 2,
)
PLAIN = Scale(lambda value: value, lambda place: place)
ONSET = "onset of noise suppression"
# Kinds of quantities and their scales.
POSITIVE = (
    "NRC1", "NRC4, share of variance", "stable rank of features", "stable rank of weight", "error, share of variance",
    ONSET, "variance", "weak variance", "half-time of variance",
)  # fmt: skip
SCALES = dict.fromkeys(POSITIVE, logarithm(1e-10)) | {
    "NRC2": distance_to_one(1e-8),
    "NRC3": distance_to_one(1e-8),
    "loss": logarithm(1e-8),
    "wrong answers, share": SHARE,
    "normalised margin": PLAIN,
}
# Columns of the measurements and their kinds.
AT_SITES = {
    "nrc1": "NRC1",
    "nrc2": "NRC2",
    "nrc3": "NRC3",
    "nrc4_unexplained": "NRC4, share of variance",
    "feature_stable_rank": "stable rank of features",
    "weight_stable_rank": "stable rank of weight",
}
OF_DATA = ("nrc1", "nrc2", "nrc4_unexplained", "feature_stable_rank")  # at the raw input, depend on the data only
MARGINS = {"normalised_margin_10": "lowest tenth", "normalised_margin_50": "median"}


def setting(config: Configuration) -> str:
    """Setting that runs with different seeds have in common: a hash of the configuration without its seeds.

    Of what is drawn by the seed, only how many there are counts: of classes their number, of rows not the first one.
    The times of measurements are included, since onsets depend on them. The version of the data is not included.

    Example:
        >>> from nrc_core.config.regression import RunConfig
        >>> a, b, c = (RunConfig("hopper", 10, 0.1, decay, seed=seed) for decay, seed in ((0.0, 0), (0.0, 1), (1.0, 0)))
        >>> setting(a) == setting(b), setting(a) == setting(c)
        (True, False)
    """
    alike = _without_seed(config.identity(), config.DRAWN)
    content = {"config": alike, "times": config.times, "results_version": RESULTS_VERSION}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _without_seed(identity: dict[str, Any], drawn: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in identity.items():
        if name == "seed":
            continue
        if name == "pretraining":
            found[name] = _without_seed(value, drawn)
        elif name == "dataset_options":
            found[name] = {option: given for option, given in value.items() if option not in drawn}
        else:
            found[name] = len(value) if name in drawn else value
    return found


def quantities(result: RunResult, wanted: Configuration) -> pd.DataFrame:
    """The quantities by which a run is compared, at its end: one row for each.

    Regression networks and classifiers have, on the training data at every site, NRC1 to NRC4 (NRC4 as a share of the
    target variance) and both stable ranks; at the raw input only quantities that depend on the first weight. Regression
    networks also have training and test error, as shares of the variance, and, for every hidden site, the time at which
    noise falls below the threshold `noise_most` and stays there. Classifiers also have variances, their half-times,
    loss, wrong answers and margins, on training and test data. Transfers have the wrong answers of every fine-tuned or
    probed network. Small descents have the lowest loss of their starts.

    Args:
        result: result of a run that did not diverge; it may have been measured at more times than wanted.
        wanted: the configuration whose times of measurement are used.

    Returns:
        Columns `kind`, which decides the scale (see `SCALES`); `place`, which identifies a quantity among all
        quantities of its kind; `value`; and `floor`, the spread, on the scale of the kind, below which differences have
        no meaning.
    """
    if isinstance(wanted, TransferConfig):
        rows = list(_downstream(result))
    elif isinstance(wanted, DescentConfig):
        rows = list(_descended(result))
    else:
        m = result.tables["measurements"]
        m = m if "convention" in m else m.assign(convention="careful")
        m = m[(m["features"] == "post") & (m["convention"] == "careful")]
        last = int(m[wanted.CLOCK].max())
        m = m[m[wanted.CLOCK].isin([*wanted.times, last])]
        ends = m[m[wanted.CLOCK] == last]
        rows = list(_sites(ends, wanted))
        rows += list(_classified(m, ends, result) if isinstance(wanted, ClassifierConfig) else _regressed(m, ends))
    return pd.DataFrame(rows, columns=COLUMNS)


Row = tuple[str, str, float, float]


def _sites(ends: pd.DataFrame, config: Configuration) -> Iterator[Row]:
    raw = 0 if getattr(config, "architecture", None) == "mlp" else -1
    for row in ends[ends["split"] == "train"].to_dict("records"):
        output = row["name"] == OUTPUT
        for column, kind in AT_SITES.items():
            given = row["site"] == raw and column in OF_DATA
            if not (given or (output and column in ("nrc1", "nrc3", "weight_stable_rank"))):
                yield kind, "output" if output else f"site {row['site']}", row[column], FLOOR


def _regressed(m: pd.DataFrame, ends: pd.DataFrame) -> Iterator[Row]:
    for split in ("train", "test"):
        row = ends[ends["split"] == split].iloc[0]
        yield "error, share of variance", split, row["network_mse"] / row["target_variance"], FLOOR
    limit = thresholds()["noise_most"]
    yield from _times(m, ONSET, "epoch", lambda run: crossing(run["epoch"], run["nrc1"], limit))


def _times(m: pd.DataFrame, kind: str, clock: str, time: Callable[[pd.DataFrame], float]) -> Iterator[Row]:
    """Yield the time of an event at every hidden site, from the measurements of the site on training data."""
    hidden = m[(m["split"] == "train") & (m["name"] != OUTPUT) & (m["site"] > 0)]
    floor = _between(hidden[clock])
    for site, run in hidden.groupby("site"):
        yield kind, f"site {site}", time(run.sort_values(clock)), floor


def _between(times: pd.Series) -> float:
    """Half of the widest step between measurements, in the logarithm of the time: the precision of an event's time."""
    steps = np.diff(np.log(np.unique(times.to_numpy(float))))
    return float(steps.max() / 2) if len(steps) else math.log(NEVER) / 2


def crossing(times: pd.Series, values: pd.Series, limit: float) -> float:
    """Time at which positive values fall to a limit and stay there; logarithms are interpolated between measurements.

    The result is the first time if no value is above the limit, and `NEVER` times the last time if the last value is
    above the limit.

    Example:
        >>> crossing(pd.Series([1, 100]), pd.Series([1.0, 0.01]), 0.1)
        10.0
    """
    t, v = np.log(times.to_numpy(float)), np.log(np.maximum(values.to_numpy(float), 1e-10))
    above = np.flatnonzero(~(v <= math.log(limit)))
    if len(above) == 0:
        return float(times.iloc[0])
    i = int(above[-1])
    if i == len(v) - 1:
        return float(NEVER * times.iloc[-1])
    share = (v[i] - math.log(limit)) / (v[i] - v[i + 1])
    return round(float(np.exp(t[i] + share * (t[i + 1] - t[i]))), 12)


def _classified(m: pd.DataFrame, ends: pd.DataFrame, result: RunResult) -> Iterator[Row]:
    for split in ("train", "test"):
        n = int(result.provenance["data"][f"n_{split}"])
        hidden = ends[(ends["split"] == split) & (ends["name"] != OUTPUT)]
        for row in hidden.to_dict("records"):
            if row["site"] > 0:
                yield "variance", f"{split}, site {row['site']}", row["variance"], FLOOR
        final = hidden.iloc[-1]
        if split == "test":
            yield "weak variance", "last hidden layer", final["weak_variance"], FLOOR
        yield "loss", split, final["loss"], FLOOR
        yield "wrong answers, share", split, final["error"], 0.5 / math.sqrt(n)
        for column, words in MARGINS.items():
            yield "normalised margin", f"{split}, {words}", final[column], FLOOR * abs(final[column])
    yield from _times(m, "half-time of variance", "iteration", _half_time)


def _half_time(run: pd.DataFrame) -> float:
    found = half_time(run["iteration"].to_numpy(), run["variance"].to_numpy())
    return NEVER * run["iteration"].max() if math.isnan(found) else found


def _descended(result: RunResult) -> Iterator[Row]:
    """Yield the lowest loss of the random starts."""
    table = result.tables["descent"]
    yield "loss", "lowest of the starts", table.loc[table["quantity"] == "loss", "value"].min(), FLOOR


def _downstream(result: RunResult) -> Iterator[Row]:
    floor = 0.5 / math.sqrt(int(result.provenance["data"]["n_test"]))
    for row in result.tables["downstream"].to_dict("records"):
        yield "wrong answers, share", f"{row['kind']}, {row['setting']:g}", row["test_error"], floor
