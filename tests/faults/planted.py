"""Faults that are planted in training, data and metrics, one at a time, to test whether the re-check finds them."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from nrc_core.claims.agreement import LIMIT
from nrc_core.claims.rechecks import DIFFERS, check_page
from nrc_core.claims.references import References
from nrc_core.data import load
from nrc_core.errors import NrcError
from nrc_core.metrics import regression, table
from nrc_core.metrics.moments import Moments
from nrc_core.results.runs import run
from nrc_core.results.store import Store
from nrc_core.sections.experiments import EXPERIMENTS
from nrc_core.training import classification, loop
from nrc_core.training.stacked import StackedMLP
from nrc_core.workflow.profiles import Page

REGRESSION = ("paper_or_code", "reacher", "cone")
CLASSIFICATION = ("classification_and_regression",)
Plant = Callable[[pytest.MonkeyPatch], None]


def of_stack(**factors: float) -> Plant:
    """Train with other learning rates, weight decays or momentum than requested."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        def made(networks: Any, *, rates: list[float], weight_decays: list[float], momentum: float, **rest: Any) -> Any:
            return StackedMLP(
                networks,
                rates=[rate * factors.get("rate", 1) for rate in rates],
                weight_decays=[decay * factors.get("decay", 1) for decay in weight_decays],
                momentum=momentum * factors.get("momentum", 1),
                **rest,
            )

        patch.setattr(loop, "StackedMLP", made)

    return plant


def of_configuration(**changes: Any) -> Plant:
    """Build the network from another configuration than the run's."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        build = loop.build_model
        patch.setattr(loop, "build_model", lambda config, data: build(_changed(config, changes), data))

    return plant


def _changed(config: Any, changes: dict[str, Any]) -> Any:
    return dataclasses.replace(
        config, **{name: value(config) if callable(value) else value for name, value in changes.items()}
    )


def of_data(change: Callable[[Any], dict[str, Any]]) -> Plant:
    """Use other data than the run's."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        original = load.load_dataset

        def loaded(*given: Any, **options: Any) -> Any:
            data = original(*given, **options)
            return dataclasses.replace(data, **change(data))

        patch.setattr(load, "load_dataset", loaded)

    return plant


def of_epoch(change: Callable[[torch.Tensor, int], tuple[torch.Tensor, int]]) -> Plant:
    """Draw batches in another way."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        epoch = StackedMLP.epoch
        patch.setattr(StackedMLP, "epoch", lambda self, x, y, order, size: epoch(self, x, y, *change(order, size)))

    return plant


def rate_not_divided(patch: pytest.MonkeyPatch) -> None:
    """The learning rate stays at its initial value."""
    patch.setattr(StackedMLP, "scale_rates", lambda self, factor: None)


def relu_missing(patch: pytest.MonkeyPatch) -> None:
    """The third hidden layer has no ReLU, neither in training nor when it is measured."""

    def activations(self: StackedMLP, x: torch.Tensor, weights: Sequence[torch.Tensor]) -> Any:
        yield x, x
        for layer, weight in enumerate(weights):
            before = self._product(x, weight, layer)
            x = before if layer in (2, len(weights) - 1) else before.relu()
            yield before, x

    patch.setattr(StackedMLP, "_activations", activations)


def alignment_not_centred(patch: pytest.MonkeyPatch) -> None:
    """NRC2 is computed from features that are not centred."""
    right = table._site

    def wrong(site: table.Decomposed, rank: int, tolerance: float) -> dict[str, Any]:
        alignment = regression.projected_cka(table._uncentred(site.moments), site.moments, rank)
        return right(site, rank, tolerance) | {"nrc2": alignment}

    patch.setattr(table, "_site", wrong)


def other_side(patch: pytest.MonkeyPatch) -> None:
    """NRC3 is computed with the output directions of square weights."""
    right = regression.input_products
    patch.setattr(
        regression, "input_products", lambda weight: right(weight.T if weight.shape[0] == weight.shape[1] else weight)
    )


def squared_ranks(patch: pytest.MonkeyPatch) -> None:
    """Stable ranks are computed from covariances."""
    right = regression.spectral_ratio
    patch.setattr(regression, "spectral_ratio", lambda values: right(values.square()))


def noise_not_centred(patch: pytest.MonkeyPatch) -> None:
    """Moments of features are computed without centring."""
    centred = Moments.feature_covariance
    patch.setattr(
        Moments,
        "feature_covariance",
        property(lambda self: centred.fget(self) + self.feature_mean[..., :, None] * self.feature_mean[..., None, :]),
    )


def of_optimiser(**changes: float) -> Plant:
    """Train a classifier with other options of SGD than requested."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        right = torch.optim.SGD

        def made(parameters: Any, rate: float, **options: Any) -> Any:
            return right(parameters, rate, **options | {n: options[n] * factor for n, factor in changes.items()})

        patch.setattr(classification.torch.optim, "SGD", made)

    return plant


def rate_not_annealed(patch: pytest.MonkeyPatch) -> None:
    """A classifier's learning rate stays at its initial value."""
    patch.setattr(classification.math, "cos", lambda angle: 1.0)


def without_rest(order: torch.Tensor, size: int) -> tuple[torch.Tensor, int]:
    """Only complete batches are used."""
    return order[:, : order.shape[1] // size * size], size


def shifted(data: Any) -> dict[str, Any]:
    """Every training row has the target of the row before it."""
    return {"y_train": data.y_train.roll(1, 0)}


def swapped(data: Any) -> dict[str, Any]:
    """Training set and test set are exchanged."""
    return {"x_train": data.x_test, "y_train": data.y_test, "x_test": data.x_train, "y_test": data.y_train}


# Description of each fault, and the pages that are run with it.
PLANTED: dict[str, tuple[Plant, tuple[str, ...]]] = {
    "weight decay doubled": (of_stack(decay=2), REGRESSION),
    "weight decay a fifth larger": (of_stack(decay=1.2), (*REGRESSION, "hopper")),
    "no weight decay": (of_stack(decay=0), REGRESSION),
    "no momentum": (of_stack(momentum=0), REGRESSION),
    "learning rate halved": (of_stack(rate=0.5), REGRESSION),
    "learning rate not divided": (rate_not_divided, REGRESSION),
    "a ReLU missing": (relu_missing, REGRESSION),
    "a layer less": (of_configuration(depth=lambda config: config.depth - 1), REGRESSION),
    "a bias in every layer": (of_configuration(bias=lambda config: not config.bias), REGRESSION),
    "initial weights a tenth larger": (of_configuration(init_scale=lambda config: 1.1 * config.init_scale), REGRESSION),
    "batches of half the size": (of_epoch(lambda order, size: (order, size // 2)), REGRESSION),
    "the last batch dropped": (of_epoch(without_rest), REGRESSION),
    "rows not shuffled": (of_epoch(lambda order, size: (order.sort(dim=1).values, size)), REGRESSION),
    "targets not scaled (three times too large)": (
        of_data(lambda data: {"y_train": 3 * data.y_train, "y_test": 3 * data.y_test}), REGRESSION),
    "training and test set swapped": (of_data(swapped), REGRESSION),
    "targets off by one row": (of_data(shifted), REGRESSION),
    "NRC2 not centred": (alignment_not_centred, REGRESSION),
    "NRC3 with the wrong side of the weight": (other_side, REGRESSION),
    "stable ranks of squares": (squared_ranks, REGRESSION),
    "noise around zero, not around the mean": (noise_not_centred, REGRESSION),
    "classifier: labels off by one row": (of_data(shifted), CLASSIFICATION),
    "classifier: no momentum": (of_optimiser(momentum=0), CLASSIFICATION),
    "classifier: weight decay doubled": (of_optimiser(weight_decay=2), CLASSIFICATION),
    "classifier: learning rate not annealed": (rate_not_annealed, CLASSIFICATION),
    "classifier: training and test set swapped": (of_data(swapped), CLASSIFICATION),
}  # fmt: skip


def planted(pages: Sequence[Page], references: References, folder: Path) -> list[dict[str, Any]]:
    """Train the pages of each fault with this fault, in a store of their own, and compare: one row for each fault."""
    known = {page.name: page for page in pages}
    rows = []
    for number, (words, (plant, names)) in enumerate(PLANTED.items()):
        row: dict[str, Any] = {"fault": words, "flagged": False}
        for name in names:
            page, store = known[name], Store(folder / f"{number}")
            with pytest.MonkeyPatch.context() as patch:
                plant(patch)
                row[name] = _outcome(page, store, references)
            row["flagged"] |= isinstance(row[name], str) or row[name] > LIMIT
        print(row, flush=True)
        rows.append(row)
    return rows


def _outcome(page: Page, store: Store, references: References) -> float | str:
    """The number of a page, or the error or reason if the page has no number."""
    try:
        run(EXPERIMENTS[str(page.experiment)](**page.parameters), store=store, device="cpu")
    except NrcError as error:
        return type(error).__name__
    found = check_page(page, store, references)
    number = found.number
    if found.outcome == DIFFERS and (number is None or not math.isfinite(number)):
        return "lacks what its references have" if "lacks" in found.reason else "diverged"
    assert number is not None, found.reason
    return round(number, 2)
