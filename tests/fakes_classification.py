"""Results made by hand of classification networks and of their transfer to a downstream task."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from nrc_core.claims.entries import Claim
from nrc_core.results.results import Results

CONFIGURATION = {
    "dataset": "cifar10", "architecture": "resnet", "depth": 18, "width": 64, "weight_decay": 0.0, "seed": 0,
    "label_smoothing": 0.0, "loss": "cross_entropy", "stem": "small", "iterations": 80_000, "stop_loss": None,
    "stop_iteration": None, "batch_size": 128,
}  # fmt: skip


def classifier(
    *,
    times: tuple[int, ...] = (1, 100),
    train: tuple[float, ...] = (2.0, 0.1),
    strong: tuple[float, ...] = (2.0, 1.0),
    weak: tuple[float, ...] = (1.5, 0.8),
    current: tuple[float, ...] | None = None,
    before: tuple[tuple[float, ...], ...] = (),
    errors: tuple[float, float] = (0.0, 0.1),
    final_loss: float = 1e-6,
    options: dict[str, Any] | None = None,
    transfers: tuple[dict[str, Any], ...] = (),
    sites: dict[str, Sequence[float]] | None = None,
    over_time: dict[str, dict[str, Sequence[float]]] | None = None,
    **configuration: Any,
) -> dict[str, Any]:
    """One network, measured at `times`.

    The last hidden layer has the variances `train`, `strong` and `weak`, and `current` with the current class means (by
    default `train`). The hidden layers before it have the train variances `before`. `errors` (on training and test
    samples) and `final_loss` are values at the end. `sites` are columns of the sites that feed a weight. `over_time`
    are other columns by split, with a value for each time. `transfers` are made by `transfer`.
    """
    return {
        "times": times, "train": train, "strong": strong, "weak": weak, "current": current, "before": before,
        "errors": errors, "final_loss": final_loss, "options": options, "transfers": transfers, "sites": sites,
        "over_time": over_time or {}, "configuration": configuration,
    }  # fmt: skip


def transfer(start: int, *, tuned: dict[float, tuple[float, float]], probed: dict[float, tuple[float, float]]) -> dict:
    """Transfer of a checkpoint: validation and test error by learning rate (tuned) and by penalty (probed)."""
    return {"start": start, "tuned": tuned, "probed": probed}


def results(*networks: dict[str, Any]) -> Results:
    """Results of networks made by `classifier`, and of their transfers."""
    runs, measurements, downstream, provenance = [], [], [], {}
    for number, one in enumerate(networks):
        key = f"{number:016x}"
        run = {**CONFIGURATION, **one["configuration"]}
        options = one["options"] or {}
        runs.append({"key": key, "task": "classification", "dataset_options": options, **run})
        provenance[key] = {"data": {"kind": "real", "n_train": 10 * options.get("train_per_class", 5000)}}
        measurements += _measurements(one, {"key": key, "seed": run["seed"]})
        for tried in one["transfers"]:
            name = f"{key}-{tried['start']}"
            runs.append({"key": name, "task": "transfer", "dataset": run["dataset"], "seed": run["seed"],
                         "dataset_options": {"labels": "members"}, "start": tried["start"], "pretraining": run,
                         "pretraining_key": key})  # fmt: skip
            provenance[name] = {"data": {"kind": "real", "n_train": 500, "n_test": 10_000}}
            for kind, found in (("fine-tuning", tried["tuned"]), ("linear probe", tried["probed"])):
                downstream += [
                    {
                        "key": name,
                        "kind": kind,
                        "setting": setting,
                        "train_loss": 0.01,
                        "validation_error": error,
                        "test_error": test,
                    }
                    for setting, (error, test) in found.items()
                ]
    nothing = pd.DataFrame(columns=["key"])
    frames = [pd.DataFrame(runs), pd.DataFrame(measurements), nothing, nothing]
    found = pd.DataFrame(downstream) if downstream else nothing
    return Results(*frames, provenance=provenance, downstream=found)


def _measurements(one: dict[str, Any], run: dict[str, Any]) -> list[dict[str, Any]]:
    layers = [*one["before"], one["train"]]
    if one["sites"]:
        layers = [one["train"]] * (len(next(iter(one["sites"].values()))) - 1)
    last, rows = len(layers), []
    for place, time in enumerate(one["times"]):
        end = place == len(one["times"]) - 1
        for split, error in zip(("train", "test"), one["errors"], strict=True):
            for site in range(last + 2):
                variance = one["strong"][place] if split == "test" else layers[max(0, min(site, last) - 1)][place]
                weak = one["weak"][place] if (split, site) == ("test", last) else None
                current = variance if one["current"] is None else one["current"][place]
                columns = {name: values[min(site, last)] for name, values in (one["sites"] or {}).items()}
                view = {"iteration": time, "split": split, "features": "post", "convention": "careful", "site": site}
                rows.append(
                    {**run, **view,
                     "name": "output" if site == last + 1 else f"layer{site}", "width": 10 if site == last + 1 else 64,
                     "feature_effective_rank": 9, "target_effective_rank": 9,
                     "variance": variance, "variance_current": current, "weak_variance": weak, **columns,
                     "weak_variance_least": weak, "weak_variance_most": weak, "error": error if end else 0.9,
                     "loss": one["final_loss"] if end else 2.0, "cdnv": 0.45 * variance,
                     "normalised_margin_0": 0.1, "normalised_margin_10": 0.2, "normalised_margin_90": 0.4,
                     **{name: values[place] for name, values in one["over_time"].get(split, {}).items()}}
                )  # fmt: skip
    return rows


def for_claim(one: Claim) -> dict[str, Results]:
    """Classifiers for which a claim on classifiers has a value, whichever it is."""
    fields = {"dataset": "cifar10", "architecture": "resnet"} | {
        name: one.arguments[f"{name}s"][0] for name in ("dataset", "architecture") if f"{name}s" in one.arguments
    }
    fields |= {"architecture": "mlp"} if one.section == "cascading" else {}
    times = (1, one.arguments.get("iterations", 100))
    tuned = [transfer(start, tuned={0.1: (0.1, 0.1 * start)}, probed={1.0: (0.1, 0.5)}) for start in (1, 2, 3)]
    once, longer = ({"train": train, "strong": train, "weak": train} for train in ((3.0,), (4.0, 2.0, 1.0)))
    sites = dict.fromkeys(("nrc1", "nc1_share", "nrc2", "nc2_cka"), (3, 2, 1))
    networks = [
        classifier(before=((9.0, 4.0), (9.0, 2.0)), **fields),
        classifier(times=times, train=(2.0, 1.9), **fields),
        classifier(
            times=(1, 2, 3), transfers=tuple(tuned), over_time={"train": {"error": (0, 0, 0)}}, **longer, **fields
        ),
        classifier(batch_size=50_000, **fields),
        *[classifier(times=(1,), stop_iteration=1, transfers=(tuned[0],), **once, **fields) for _ in range(2)],
        classifier(options={"labels": "random"}, errors=(0, 0.9), **fields),
        classifier(loss="mse", sites=sites, **fields),
    ]
    for size in (1250, 2500, 5000):
        ends = {"train": (1, size / 9), "strong": (1, 9 / size), "iterations": 16 * size}
        networks += [classifier(options={"train_per_class": size}, stop_loss=stop, **ends, **fields)
                     for stop in (None, 1e-6)]  # fmt: skip
    return {"page": results(*networks)}
