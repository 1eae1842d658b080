"""Tables of the section on unconstrained features: flows beside the minimum, and the last layers of networks.

The theory is imported where it is used, because SciPy and torch take seconds to import.
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds

COLLAPSED = 0.01  # NRC1 at which the time to collapse is read
SHARE = 1e-3  # eigenvalues above this share of the largest one of the targets count for a rank
TO_MINIMUM, EQUAL, NONE = "to the minimum", "equal decays", "no decay"  # the kinds of flows


def flows(results: Results) -> pd.DataFrame:
    """The end of every flow beside the minimum: one row for each random start.

    Returns:
        Columns `key, seed` (the start), `kind` (one of the kinds of flows), `product` (c), `weight_decay`,
        `init_scale`, `regime` (which directions the minimum keeps), `loss`, `loss_expected`, `rank`, `rank_expected`,
        `gram_error` (largest entry of the difference of W W^T and the minimum), `kept` and `error_variance` (lists, see
        `expected`), `form` and `gamma` (the least NRC3 over gamma, and where it is), `nrc1`, `noise`, `noise_start`,
        `imbalance_error`, and `scaled_time` (the decay times the time at which NRC1 falls below a hundredth).
    """
    return results.once("flows", _flows).copy()


def _flows(results: Results) -> pd.DataFrame:
    if results.descent.empty:
        return pd.DataFrame()
    runs = results.runs[results.runs["task"] == "regression features"].set_index("key")
    ends = results.descent.drop(columns="seed").rename(columns={"start": "seed"}).sort_values("index", kind="stable")
    groups = ends.groupby(["key", "seed"], sort=False)
    return pd.DataFrame([_flow(key, seed, rows, runs.loc[key].to_dict()) for (key, seed), rows in groups])


def _flow(key: str, seed: int, rows: pd.DataFrame, run: dict[str, Any]) -> dict[str, Any]:
    """One row of `flows`."""
    found = {name: own["value"].to_numpy() for name, own in rows.groupby("quantity")}
    decays, variances = (run["feature_decay"], run["weight_decay"]), np.array(run["variances"], dtype=float)
    gram = found["weight_gram"].reshape(len(variances), -1)
    row = {
        "key": key, "seed": seed, "kind": _kind(*decays), "product": math.prod(decays), "weight_decay": decays[1],
        "init_scale": run["init_scale"], "loss": found["loss"][0], "nrc1": found["nrc1"][-1],
        "error_variance": found["error_variance"].tolist(), "rank": _rank(gram, variances),
        "scaled_time": decays[1] * _first_below(found["time"], found["nrc1"], COLLAPSED),
    }  # fmt: skip
    row |= {name: found[name][0] for name in ("noise", "noise_start", "imbalance_error") if name in found}
    return row | (_beside(gram, variances, *decays) if min(decays) > 0 else {})


def _kind(feature_decay: float, weight_decay: float) -> str:
    if feature_decay == 0:
        return NONE
    return EQUAL if feature_decay == weight_decay else TO_MINIMUM


def _beside(gram: np.ndarray, variances: np.ndarray, feature_decay: float, weight_decay: float) -> dict[str, Any]:
    """What the theory says for a flow with decays, and the distance of its W W^T."""
    import torch

    from nrc_core.theory.last_layer import best_product, form_distance
    from nrc_core.theory.statements import ufm_minimum

    covariance = np.diag(variances)
    minimum = ufm_minimum(torch.from_numpy(covariance), feature_decay, weight_decay)
    gamma = best_product(gram, covariance) if minimum.rank else math.nan
    kept = np.linalg.eigvalsh(gram)[::-1] * math.sqrt(weight_decay / feature_decay)
    names = {len(variances): "all directions kept", 0: "none kept"}
    return {
        "regime": names.get(minimum.rank, "some kept"),
        "loss_expected": minimum.loss,
        "rank_expected": minimum.rank,
        "gram_error": np.abs(gram - minimum.weight_gram.numpy()).max(),
        "kept": kept.tolist(),
        "gamma": gamma,
        "form": form_distance(gram, covariance, gamma) if minimum.rank else math.nan,
    }


def expected(results: Results) -> pd.DataFrame:
    """The theory by the root of c: one row for each value and target direction.

    Returns:
        Columns `root` (of c), `variance` (of the target direction), `kept` (its eigenvalue of
        ``sqrt(weight_decay / feature_decay) W W^T``), `error_variance`.
    """
    variances = np.array(results.runs["variances"].dropna().iloc[0], dtype=float)
    roots = np.linspace(0, 1.2 * math.sqrt(variances.max()), 200)
    return pd.DataFrame(
        [
            {
                "root": root,
                "variance": one,
                "kept": max(0.0, math.sqrt(one) - root),
                "error_variance": min(one, root**2),
            }
            for one in variances
            for root in roots
        ]
    )


def curves(results: Results) -> pd.DataFrame:
    """NRC1 over time for all flows: columns `key, seed, kind, weight_decay, init_scale, time, nrc1`."""
    ends = flows(results)[["key", "seed", "kind", "weight_decay", "init_scale"]]
    table = results.descent.drop(columns="seed").rename(columns={"start": "seed"})
    by_time = table[table["quantity"].isin(["time", "nrc1"])].pivot(
        index=["key", "seed", "index"], columns="quantity", values="value"
    )
    return ends.merge(by_time.reset_index(), on=["key", "seed"])


def last_layers(results: Results) -> pd.DataFrame:
    """The last layer of every network beside the theory: one row for each.

    Returns:
        Columns `key, dataset, depth, seed, weight_decay`, `product` (c, from the weight decay and the decay of the
        features that the balance gives), `distance` and `from_identity` (NRC3 with gamma = c, and the same distance
        from the identity), `shared` (the distance from the form in which all layers share the decay),
        `errors_over_product` (the mean variance of the errors, over c), `measured` and `expected`
        (the entries of both matrices in the principal directions of the targets, over their norms).
    """
    return results.once("last layers", _last_layers).copy()


def _last_layers(results: Results) -> pd.DataFrame:
    if results.last_layer.empty:
        return pd.DataFrame()
    runs = results.runs.set_index("key")
    groups = results.last_layer.groupby("key", sort=False)
    return pd.DataFrame([{"key": key, **_last_layer(rows, runs.loc[key].to_dict())} for key, rows in groups])


def _last_layer(rows: pd.DataFrame, run: dict[str, Any]) -> dict[str, Any]:
    from nrc_core.theory.last_layer import feature_decay, form_distance, shared_distance

    gram, targets, errors, energy = (
        _matrix(rows, name) for name in ("weight_gram", "target_covariance", "error_covariance", "feature_energy")
    )
    # The networks minimise the mean squared error of an entry, and the theory half of that of a sample.
    decay = float(run["weight_decay"]) * len(targets) / 2
    product = decay * feature_decay(decay, gram, energy.item())
    values, vectors = np.linalg.eigh(targets)
    expected = np.diag((np.sqrt(values.clip(min=0)) - math.sqrt(product)).clip(min=0))
    measured = vectors.T @ gram @ vectors
    return {
        **{name: run[name] for name in ("dataset", "seed", "weight_decay")},
        "depth": int(run["depth"]),
        "product": product,
        "distance": form_distance(gram, targets, product),
        "from_identity": form_distance(gram, np.eye(len(targets)), 0.0),
        "shared": shared_distance(gram, targets, int(run["depth"])),
        "errors_over_product": np.trace(errors) / len(errors) / product,
        "measured": (measured / np.linalg.norm(measured)).ravel().tolist(),
        "expected": (expected / np.linalg.norm(expected)).ravel().tolist(),
    }


def _matrix(rows: pd.DataFrame, quantity: str) -> np.ndarray:
    own = rows[rows["quantity"] == quantity]
    return own.pivot(index="row", columns="column", values="value").to_numpy()


def _rank(gram: np.ndarray, variances: np.ndarray) -> int:
    return int((np.linalg.eigvalsh(gram) > SHARE * variances.max()).sum())


def _first_below(times: np.ndarray, values: np.ndarray, limit: float) -> float:
    """The first time at which the values are below a limit; between measurements, their logarithm is interpolated."""
    below = np.flatnonzero(values < limit)
    if not below.size or below[0] == 0:
        return math.nan
    after = below[0]
    steps = np.log(values[after - 1 : after + 1])
    share = (steps[0] - math.log(limit)) / (steps[0] - steps[1])
    return float(times[after - 1] + share * (times[after] - times[after - 1]))


def words(results: Results) -> str:
    """What the flows and the networks show, in a sentence for each finding."""
    table = flows(results)
    to_minimum, equal, none = (table[table["kind"] == kind] for kind in (TO_MINIMUM, EQUAL, NONE))
    ranks = "; ".join(
        f"{rows['rank'].min()} at c = {product:g}" for product, rows in to_minimum.groupby("product", sort=True)
    )
    off = (to_minimum["loss"] - to_minimum["loss_expected"]).abs().max()
    times, bounded = equal["scaled_time"], none[none["noise_start"] > 0]
    noise = (bounded["noise"] / bounded["noise_start"]).min()
    return "\n".join(
        [
            f"**Only the product c of the two decays decides which target directions stay: those whose variance is "
            f"larger than c, and each loses √c** (rank of the weight: {ranks}).",
            "",
            f"* Flow and closed form differ by at most {off:.1g} in the loss, over {len(to_minimum)} flows.",
            f"* Collapse takes a time in proportion to 1 / decay: the decay times the time until NRC1 is below "
            f"{COLLAPSED:g} is {times.min():.2f} to {times.max():.2f}.",
            f"* Without decay the noise that the start left cannot go away: it ends at {noise:.2f} times its bound or "
            "more.",
            _start_words(none.groupby("init_scale")["nrc1"].mean()),
            *[f"* {sentence}" for sentence in _network_words(last_layers(results))],
        ]
    )


def _start_words(ends: pd.Series) -> str:
    """What the size of the start leaves without decay, from the mean NRC1 at the end by size in rising order."""
    told = " and ".join(
        f"{value:.1g} from starts of size {size:g}" for size, value in ends.iloc[sorted({0, len(ends) - 1})].items()
    )
    limit = thresholds()["noise_most"]
    looks = "Yet a small start looks collapsed: w" if ends.iloc[0] <= limit < ends.iloc[-1] else "W"
    return f"* {looks}ithout decay, NRC1 ends at {told}."


def _network_words(table: pd.DataFrame) -> list[str]:
    if table.empty:
        return []
    ratio = table["distance"] / table["from_identity"]
    each = "; ".join(
        f"{dataset}, {depth} layers: {own.min():.2g} to {own.max():.2g}"
        for (dataset, depth), own in ratio.groupby([table["dataset"], table["depth"]], sort=False)
    )
    return [
        "The last weight of trained networks against the theory: squared distance from the theory over that from the "
        f"identity ({each}). The errors of the networks have {table['errors_over_product'].min():.0f} to "
        f"{table['errors_over_product'].max():.0f} times the variance c that free features would leave."
    ]
