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
TO_MINIMUM, EQUAL, NO_DECAY = "to the minimum", "equal decays", "no decay"  # the kinds of flows
ALL_KEPT, SOME_KEPT, NONE_KEPT = "all directions kept", "some kept", "none kept"  # the regimes of a minimum


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
        return NO_DECAY
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
    return {
        "regime": {len(variances): ALL_KEPT, 0: NONE_KEPT}.get(minimum.rank, SOME_KEPT),
        "loss_expected": minimum.loss,
        "rank_expected": minimum.rank,
        "gram_error": np.abs(gram - minimum.weight_gram.numpy()).max(),
        "kept": kept.tolist(),
        "gamma": gamma,
        "form": form_distance(gram, covariance, gamma) if minimum.rank else math.nan,
    }


def target_variances(results: Results) -> np.ndarray:
    """The variances of the target directions of the flows, largest first."""
    return np.sort(np.array(results.runs["variances"].dropna().iloc[0], dtype=float))[::-1]


def expected(results: Results) -> pd.DataFrame:
    """The theory by the root of c: one row for each value and target direction.

    Returns:
        Columns `root` (of c), `direction` (from 0, the largest variance first), `kept` (its eigenvalue of
        ``sqrt(weight_decay / feature_decay) W W^T``), `error_variance`.
    """
    variances = target_variances(results)
    roots = np.linspace(0, 1.2 * math.sqrt(variances[0]), 200)
    return pd.DataFrame(
        [
            {"root": root, "direction": j, "kept": max(0.0, math.sqrt(one) - root), "error_variance": min(one, root**2)}
            for j, one in enumerate(variances)
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
        features that the balance gives), the `squared_distance` of W W^T from the minimum of the theory (`distance`),
        from the identity (`from_identity`) and from the form of layers that share the decay (`shared`),
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
    import torch

    from nrc_core.theory.last_layer import feature_decay, shared_form, squared_distance
    from nrc_core.theory.statements import ufm_minimum

    gram, targets, errors, energy = (
        _matrix(rows, name) for name in ("weight_gram", "target_covariance", "error_covariance", "feature_energy")
    )
    # The networks minimise the mean squared error of an entry, and the theory half of that of a sample.
    decay = float(run["weight_decay"]) * len(targets) / 2
    of_features = feature_decay(decay, gram, energy.item())
    minimum = ufm_minimum(torch.tensor(targets), of_features, decay).weight_gram.numpy()
    axes = np.linalg.eigh(targets)[1]
    measured, theory = (axes.T @ one @ axes / np.linalg.norm(one) for one in (gram, minimum))
    return {
        **{name: run[name] for name in ("dataset", "seed", "weight_decay")},
        "depth": int(run["depth"]),
        "product": decay * of_features,
        "distance": squared_distance(gram, minimum),
        "from_identity": squared_distance(gram, np.eye(len(targets))),
        "shared": squared_distance(gram, shared_form(targets, int(run["depth"]))),
        "errors_over_product": np.trace(errors) / len(errors) / (decay * of_features),
        "measured": measured.ravel().tolist(),
        "expected": theory.ravel().tolist(),
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
    to_minimum, equal, none = (table[table["kind"] == kind] for kind in (TO_MINIMUM, EQUAL, NO_DECAY))
    ranks = "; ".join(
        f"{rows['rank'].min()} at c = {product:g}" for product, rows in to_minimum.groupby("product", sort=True)
    )
    off = (to_minimum["loss"] - to_minimum["loss_expected"]).abs().max()
    return "\n".join(
        [
            f"**Only the product c of the two decays decides which target directions stay: those whose variance is "
            f"larger than c, and each loses √c** (rank of the weight: {ranks}).",
            "",
            f"* Flow and closed form differ by at most {off:.1g} in the loss, over {len(to_minimum)} flows.",
            *_time_words(equal["scaled_time"].dropna()),
            *_bound_words(none[none["noise_start"] > 0]),
            _start_words(none.groupby("init_scale")["nrc1"].mean()),
            *[f"* {sentence}" for sentence in _network_words(last_layers(results))],
        ]
    )


def _time_words(times: pd.Series) -> list[str]:
    """The times to collapse in a sentence; none if the flows have no noise to lose."""
    if times.empty:
        return []
    return [
        f"* Collapse takes a time in proportion to 1 / decay: the decay times the time until NRC1 is below "
        f"{COLLAPSED:g} is {times.min():.2f} to {times.max():.2f}."
    ]


def _bound_words(flows: pd.DataFrame) -> list[str]:
    """What stays without decay, in a sentence, from the flows whose bound says something."""
    if flows.empty:
        return []
    least = (flows["noise"] / flows["noise_start"]).min()
    return [f"* Without decay the noise of the start cannot go away: it ends at {least:.2f} times its bound or more."]


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
