"""`measure`: all metrics at all sites of any network, with any common wrapper and any common type of data."""

import logging
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain
from numbers import Integral
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from nrc_core.config.base import CONVENTIONS, NUMERICAL_TOLERANCE
from nrc_core.errors import ConfigError, shown
from nrc_core.metrics.batches import Batch, Copies, batches, errors_in_a_line
from nrc_core.metrics.debiasing import debiased_covariance_cka
from nrc_core.metrics.doubts import doubts
from nrc_core.metrics.layers import WeightLayer, opaque, unwrapped, weight_layers
from nrc_core.metrics.probe import Place, Probe, ProbedCollector, probe
from nrc_core.metrics.regression import check_tolerance
from nrc_core.metrics.sites import FEATURES, Site, evaluating, forward_pass, keeping_buffers, log_no_site
from nrc_core.metrics.table import decompose, tabulate
from nrc_core.metrics.trace import owners

logger = logging.getLogger(__name__)
Output = int | str | Callable[[Any], Tensor] | None
LEAST_ROWS = 2


@torch.no_grad()
def measure(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    rank: int | None = None,
    convention: str = "careful",
    features: str = "post",
    tolerance: float = NUMERICAL_TOLERANCE,
    batch_size: int | None = None,
    output: Output = None,
    sites: Sequence[str] | None = None,
) -> pd.DataFrame:
    """NRC1 to NRC4 and related metrics at every site of a network, one row for each site.

    Site i is the input of weight layer i; the first layer is layer 0. The last row is the network's output. The
    output feeds no weight, so its NRC3 and weight stable rank are NaN. A layer that is itself named `output` has the
    name `output (layer)` in the table.

    Args:
        model: any module whose linear and convolutional layers (also transposed ones) each run once in a forward
            pass. For a compiled or data-parallel module, the network inside is measured.
        x: inputs (n, ...) as a tensor, NumPy array or pandas table, or a tuple of them for a network with several
            inputs. Without y: a DataLoader or another iterable of pairs (x, y), which is read once.
            Floating-point inputs are converted to the network's type and moved to its device.
        y: targets (n, t), or (n,) for a single target.
        rank: r of NRC1 to NRC3; the target dimension unless given. At a site with fewer features than r, NRC1 to
            NRC3 are NaN.
        convention: "careful" is the default. "printed" is for the paper's formulas to the letter: CKA without
            projection (section 3), and NRC4 of uncentred features, summed over the targets. "released" is for the
            paper's released code, which differs: CKA of the first t coordinates with a guard, uncentred
            NRC4 with a relative cutoff of 1e-3 on singular values, and stable ranks of covariances.
        features: "post" for the layer inputs as they are, with feature maps and tokens averaged over positions;
            "pre" for the features before the activation, in a chain of layers; "positions" if every position is a
            sample, as in the paper's section 4.2 for NRC3 (NRC2 and NRC4 then measure what a single position says
            about the targets).
        tolerance: tolerance of NRC4, see `nrc4`; the table reports it.
        batch_size: number of samples in a batch; 4096 vectors or 256 samples of any other kind unless given.
        output: which part of the network's result holds the predictions, (n, t): a position in a tuple, a name in a
            dictionary, or a function of the result. Not needed if the result is a tensor.
        sites: names of the layers to measure; unless given, the layers in the network's attribute `sites`, or all.

    Returns:
        Columns `site, name, width, rank, nrc1, nrc2, nrc3, nrc4`, `cka` (without projection), `cka_debiased` (see
        `debiased_cka`), `nrc4_unexplained` (share of target variance), `nrc4_signal` (NRC4 from only those directions
        that are above a thousandth of the largest one), `nrc4_directions`, `nrc4_tolerance`, `feature_stable_rank`,
        `feature_effective_rank` (99 % of variance), `weight_stable_rank`, `target_stable_rank`,
        `target_effective_rank`, `target_variance` (per entry), `feature_variance` (trace of the
        covariance), `network_mse`, `convention`, `features`, and `doubts`: reasons in words why a number may look
        like collapse without being collapse; empty if no reason is known.

    Raises:
        ConfigError: something cannot be measured with certainty; the message says what to give instead.

    Example:
        >>> model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> measure(model, torch.randn(50, 3), torch.randn(50, 2))["name"].tolist()
        ['0', '2', 'output']
    """
    _check_options(rank, convention, features, tolerance)
    network, names = unwrapped(model, sites)
    layers = weight_layers(network, names)
    found, copies = _listen(network, layers, batches(x, y, batch_size=batch_size), features, output)
    table = tabulate(*decompose([found]), rank=rank, convention=convention, tolerance=tolerance)
    wanted = len(found[0].moments.target_covariance) if rank is None else rank
    narrow = table["width"] < wanted
    table.loc[narrow, "rank"] = wanted
    # NaN, not the values at a rank equal to the width, which are 0 for NRC1 and 1 for NRC3. In the other conventions,
    # NRC2 has no rank.
    table.loc[narrow, ["nrc1", "nrc3", *(["nrc2"] if convention == "careful" else [])]] = math.nan
    debiased = [debiased_covariance_cka(site.moments, site.norms) for site in found if site.norms]
    table.insert(table.columns.get_loc("cka") + 1, "cka_debiased", debiased)
    return table.assign(convention=convention, features=features, doubts=doubts(table, found, copies))


def _check_options(rank: Any, convention: Any, features: Any, tolerance: Any) -> None:
    if convention not in CONVENTIONS:
        raise ConfigError(f"convention must be one of {', '.join(CONVENTIONS)}: got {convention!r}")
    if features not in FEATURES:
        raise ConfigError(f"features must be one of {', '.join(FEATURES)}: got {features!r}")
    if rank is not None and (isinstance(rank, bool) or not isinstance(rank, Integral) or rank < 1):
        raise ConfigError(f"rank must be a whole number, at least 1: got {rank!r}")
    check_tolerance(tolerance)


def _listen(
    network: nn.Module,
    layers: Mapping[str, WeightLayer],
    samples: Iterator[Batch],
    features: str,
    output: Output,
) -> tuple[list[Site], Copies]:
    """The sites after a probe of a few samples and one pass over all samples, and the count of copied samples."""
    first = next(samples, None)
    if first is None:
        raise ConfigError("x has no rows: give at least one sample for every feature that shall be told from noise")
    parameter = next((one for one in network.parameters() if one.is_floating_point()), None)
    place: Place = (None, None) if parameter is None else (parameter.device, parameter.dtype)
    copies, name = Copies(), type(network).__name__

    def run(batch: Batch) -> Tensor:
        shapes = ", ".join(f"{tuple(one.shape)} of {one.dtype}" for one in batch.inputs)
        with errors_in_a_line(f"{name} cannot run on x of {shapes}"):
            result = network(*batch.inputs)
        return predictions(result, output, len(batch), batch.targets.shape[1])

    def placed() -> Iterator[Batch]:
        for batch in chain([first], samples):
            copies.add(batch)
            yield batch.placed(*place)

    with _as_written(), evaluating(network), keeping_buffers(network):
        with keeping_buffers(network):
            found = probe(network, layers, first, run, place)
        _check_heard(network, layers, found)
        collector = ProbedCollector(features, name, found)
        forward_pass(layers, placed(), run, collector)
        (measured,) = collector.sites().values()
        for site in measured:  # a copy, since an adapter that eval() merged into a weight is removed again below
            site.weight = None if site.weight is None else site.weight.clone()
    if copies.rows < LEAST_ROWS:
        raise ConfigError(f"x has {copies.rows} row: a variance needs {LEAST_ROWS} or more")
    if lost := [layer for layer in found.lost if layer not in collector.constant]:
        logger.warning(
            "%s: how the input of %s is made cannot be followed, so weights before it may be no site without a word",
            name,
            ", ".join(lost),
        )
    if collector.constant:
        log_no_site(network, collector.constant, ", whose input is the same whatever the samples are")
    for site in measured:
        if not site.moments.scatter.isfinite().all():
            if not site.moments.target_covariance.isfinite().all():
                raise ConfigError("y is too large for its variance to be a number: give it in another unit")
            raise ConfigError(f"the features of site {site.name!r} must be finite, but hold NaN, infinity or overflow")
    if len(measured) < 2:
        raise ConfigError(f"{name} has no layer whose input depends on the samples, hence no site")
    return measured, copies


def _check_heard(network: nn.Module, layers: Mapping[str, WeightLayer], found: Probe) -> None:
    """Log parts with weights that are no sites, unless sites were chosen; ConfigError if there is no site at all."""
    name = type(network).__name__
    chosen = sum(isinstance(one, WeightLayer) for one in network.modules()) > len(layers)
    outside = owners(network, found.trace.outside, layers=found.inputs)
    outside += [f"{part or 'the whole network'} ({kind})" for part, kind in opaque(network).items()]
    absent = [layer for layer in layers if layer not in found.inputs]
    if not found.inputs:
        why = f"; its weights are in {', '.join(outside)}" if outside else ""
        remedy = ": give the network as it was before it was quantised" if "(quantised)" in why else ""
        remedy = remedy or (": give the module it was scripted from" if "(scripted)" in why else "")
        ran = " that ran" if layers else ""
        raise ConfigError(f"{name} has no linear or convolutional layer{ran}, hence no site{why}{remedy}")
    if outside and not chosen:
        log_no_site(network, outside, ": only the inputs of linear and convolutional layers are")
    known = [words.partition(" (")[0] for words in outside]
    if unheard := sorted(one for one in absent if not any(f"{one}.".startswith(f"{other}.") for other in known)):
        log_no_site(network, unheard)


def predictions(result: Any, output: Output, n: int, t: int) -> Tensor:
    """The predictions (n, t) in the result of a network for n samples.

    Raises:
        ConfigError: the predictions are not chosen, missing, or not real numbers with one row for each sample and
            one column for each target.

    Example:
        >>> predictions({"pred": torch.zeros(3)}, "pred", 3, 1).shape
        torch.Size([3, 1])
    """
    found = _chosen(result, output)
    if not isinstance(found, Tensor):
        raise ConfigError(f"a network must give a tensor of predictions: got {_described(found)}")
    if found.is_complex() or not found.is_floating_point():
        raise ConfigError(f"a network must give real numbers in floating point: got {found.dtype}")
    if found.ndim < 2 and found.numel() == n * t and 1 in (n, t):  # a network that squeezes its output
        return found.reshape(n, t)
    if found.ndim == 2 and found.shape[0] == n and found.shape[1] != t:
        raise ConfigError(f"a network must give as many outputs as there are targets: got {found.shape[1]} for {t}")
    if tuple(found.shape) != (n, t):
        by_row = found.shape[:1] == (n,)
        got = f"(n{''.join(f', {size}' for size in found.shape[1:])})" if by_row else tuple(found.shape)
        way = "out.flatten(1)" if by_row and found.numel() == n * t else "out[:, -1]"
        raise ConfigError(
            f"a network must give one row a sample and one column a target, (n, {t}): got {got} for n = {n}; choose "
            f"with output=, for example output=lambda out: {way}"
        )
    return found


def _chosen(result: Any, output: Output) -> Any:
    if output is None:
        if isinstance(result, Tensor):
            return result
        raise ConfigError(
            f"the network gives {_described(result)}: say which part are the predictions, as with {_ways(result)}"
        )
    if callable(output):
        with errors_in_a_line(f"output={getattr(output, '__name__', 'function')} fails on {_described(result)}"):
            return output(result)
    if isinstance(result, Tensor):
        raise ConfigError(
            f"the network gives a tensor, which has no part {output!r}: leave output out, or give a function"
        )
    try:
        return (
            getattr(result, output) if isinstance(output, str) and not isinstance(result, Mapping) else result[output]
        )
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ConfigError(f"the network gives {_described(result)}, without {output!r}: try {_ways(result)}") from None


def _described(result: Any) -> str:
    if isinstance(result, Mapping):
        return f"a dictionary of {', '.join(map(repr, result))}"
    return f"a {type(result).__name__}" + (f" of {len(result)}" if isinstance(result, list | tuple) else "")


def _ways(result: Any) -> str:
    if isinstance(result, Mapping):
        return f"output={shown(next(iter(result), 'name'))}"
    return "output=0" if isinstance(result, list | tuple) else "output=lambda out: ..."


@contextmanager
def _as_written() -> Iterator[None]:
    """Run layers one by one: not compiled, and not as the fused operation that torch has for Transformers."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    is_loaded = "torch._dynamo" in sys.modules  # otherwise nothing is compiled; the import takes seconds
    try:
        with torch.compiler.set_stance("force_eager") if is_loaded else nullcontext():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
