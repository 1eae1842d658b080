"""Measurements of a classifier at one point of its training, at all sites, in two passes over the data."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from nrc_core.config.base import OUTPUT
from nrc_core.config.classification import MARGIN_QUANTILES
from nrc_core.metrics import classes
from nrc_core.metrics.class_moments import ClassMoments
from nrc_core.metrics.layers import WeightLayer, given_to, weight_layers, weight_matrices
from nrc_core.metrics.regression import Eigen, alignment, linear_cka
from nrc_core.metrics.sites import Site, Visitor, pool, visit
from nrc_core.metrics.table import Decomposed, decompose, tabulate

ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Seen:
    """Results of one pass over a set of samples; features and logits are kept for every sample.

    Attributes:
        moments: class moments at the input of each weight layer, in order of execution; the last are of the logits.
        weights: weights as matrices (rows, h), by the names of their sites; the output feeds no weight.
        features: input of the head, which is the last layer to run.
        labels: class of every sample.
    """

    moments: dict[str, ClassMoments]
    weights: dict[str, Float[Tensor, "rows _"]]
    features: Float[Tensor, "n h"]
    logits: Float[Tensor, "n k"]
    labels: Int[Tensor, " n"]

    @property
    def head(self) -> str:
        """Name of the site of the last-hidden-layer features, which feed the head."""
        return list(self.moments)[-2]


class _Pooled(Visitor):
    """The features of one batch at every site, feature maps averaged over positions; the last site is the output."""

    def see(self, name: str, layer: WeightLayer, arguments: tuple, keywords: dict, output: Any) -> None:
        # A copy, since the network may overwrite the input.
        self.kept[name] = pool(given_to(arguments, keywords), layer).clone()

    def end(self, output: Tensor) -> None:
        self.kept[OUTPUT] = output


def _batches(model: nn.Module, x: Tensor, labels: Tensor) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    """The features at every site, as in `_Pooled`, and the labels, batch by batch."""
    visitor = _Pooled()
    for a, b in zip(x.split(ROWS_AT_ONCE), labels.split(ROWS_AT_ONCE), strict=True):
        visit(model, a, b, visitor, batch_size=ROWS_AT_ONCE)
        yield visitor.kept, b


def look(model: nn.Module, x: Tensor, y: Float[Tensor, "n k"]) -> Seen:
    """Class moments of every site in one pass; feature maps are averaged over positions."""
    labels, moments = y.argmax(1), dict[str, ClassMoments]()
    last: list[list[Tensor]] = []  # last-layer features and logits of each batch
    for features, own in _batches(model, x, labels):
        for name, rows in features.items():
            if name not in moments:
                moments[name] = ClassMoments(rows.shape[1], y.shape[1], rows.device)
            moments[name].update(rows, own)
        last.append(list(features.values())[-2:])
    hidden, logits = (torch.cat(parts) for parts in zip(*last, strict=True))
    return Seen(moments, weight_matrices(model), hidden, logits, labels)


def nearest_mean(model: nn.Module, x: Tensor, seen: Seen) -> tuple[dict[str, float], dict[str, float]]:
    """Shares of samples for every site: the nearest class mean differs from the network, or from the label.

    The first share is NC4. The second share is NC4 as in table 1 of the Deep NRC paper; it is to be compared with
    the network's error.
    """
    differs, errs = Counter[str](), Counter[str]()
    for features, labels in _batches(model, x, seen.labels):
        decisions = features[OUTPUT].argmax(1)
        for name, moments in seen.moments.items():
            nearest, _ = classes.nearest(features[name].double(), moments.means)
            differs[name] += int((nearest != decisions).sum())
            errs[name] += int((nearest != labels).sum())
    return {name: n / len(x) for name, n in differs.items()}, {name: n / len(x) for name, n in errs.items()}


def table(
    model: nn.Module,
    x: Tensor,
    seen: Seen,
    *,
    loss: str,
    inputs: Mapping[str, Eigen],
    regression: Sequence[Decomposed] = (),
) -> pd.DataFrame:
    """Measures of neural collapse, one row for each site; with `regression` also the metrics of `measure`.

    The metrics of `measure` are for one-hot targets. `inputs` are the `input_spectra` of the model, `regression` its
    `one_hot_sites`. These two take the most time, and several tables of one network can share them.

    Columns: `site, name, width`, `variance_current` (variance within over variance between classes, by the current
    class means), `nc1`, `nc2_norms`, `nc2_angles`, `nc3_duality` (of the head), `nc4_mismatch`, `cdnv` (V_f averaged
    over pairs of classes); `nc1_share`, `nc2_cka`, `nc3_cosine` and `nc4_error`, the forms of table 1 of the Deep NRC
    paper; for the whole network `loss`, `error` (share of misclassified samples), quantiles of the margins,
    `margin_0 ... margin_100`, and of the normalised margins, `normalised_margin_0 ...`. The rank of NRC1 to NRC3 is
    K - 1, the rank of centred one-hot targets.
    """
    mismatch, wrong = nearest_mean(model, x, seen)
    network = _network(seen, weight_layers(model)[seen.head].bias, loss)
    rows = []
    for number, (name, moments) in enumerate(seen.moments.items()):
        norms, angles = classes.frame(moments)
        rows.append(
            {
                "site": number,
                "name": name,
                "width": moments.means.shape[1],
                "variance_current": classes.variance_ratio(moments),
                "nc1": classes.variability(moments),
                "nc2_norms": norms,
                "nc2_angles": angles,
                "nc3_duality": classes.duality(moments, seen.weights[name]) if name == seen.head else math.nan,
                "nc4_mismatch": mismatch[name],
                "cdnv": classes.pairwise_variance(moments),
                "nc1_share": classes.within_share(moments),
                "nc2_cka": linear_cka(moments.means, torch.eye(len(moments.means), device=moments.means.device)),
                "nc3_cosine": _mean_alignment(moments, inputs[name]) if name != OUTPUT else math.nan,
                "nc4_error": wrong[name],
                **network,
            }
        )
    found = pd.DataFrame(rows)
    if regression:
        conditions = tabulate(list(regression), rank=seen.logits.shape[1] - 1)
        found = found.drop(columns="width").merge(conditions, on=["site", "name"])
    return found


def _mean_alignment(moments: ClassMoments, inputs: Eigen) -> float:
    """Mean cosine of the principal angles between the span of the class means and the weight's top input subspace."""
    means = moments.centred_means.cpu()  # the spectra of the weights are on the CPU
    _, values, right = torch.linalg.svd(means, full_matrices=False)
    rank = min(len(means) - 1, means.shape[1])
    return alignment(Eigen(values.square(), right.T), inputs, rank)


def one_hot_sites(seen: Seen, inputs: Mapping[str, Eigen]) -> list[Decomposed]:
    """The same sites with the moments that the regression conditions need, for one-hot targets."""
    sites = [Site(name, seen.weights.get(name), one.with_one_hot_targets()) for name, one in seen.moments.items()]
    return decompose([sites], [inputs])[0]


def _network(seen: Seen, bias: Tensor | None, loss: str) -> dict[str, float]:
    targets = functional.one_hot(seen.labels, seen.logits.shape[1]).double()
    logits = seen.logits.double()
    value = functional.mse_loss(logits, targets) if loss == "mse" else functional.cross_entropy(logits, targets)
    found = {"loss": value.item(), "error": (logits.argmax(1) != seen.labels).double().mean().item()}
    margins = classes.margins(logits, seen.labels)
    found |= _quantiles("margin", margins)
    if bias is not None:
        weight = seen.weights[seen.head]
        normalised = classes.normalised_margins(seen.features, seen.labels, weight, bias.detach())
        found |= _quantiles("normalised_margin", normalised)
    return found


def _quantiles(name: str, values: Tensor) -> dict[str, float]:
    found = torch.quantile(values, values.new_tensor(MARGIN_QUANTILES)).tolist()
    return {f"{name}_{100 * q:.0f}": value for q, value in zip(MARGIN_QUANTILES, found, strict=True)}
