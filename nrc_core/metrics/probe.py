"""A first pass over a few samples: it finds how to measure a network, and whether this is possible."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, get_args

import torch
from torch import Tensor, nn

from nrc_core.errors import ConfigError, NrcError
from nrc_core.metrics.arrays import check_finite
from nrc_core.metrics.batches import Batch
from nrc_core.metrics.layers import WeightLayer, adapters, given_to, weight_matrix
from nrc_core.metrics.layouts import Layout, agree, is_reordered, layout
from nrc_core.metrics.sites import Collector, Visitor, forward_pass
from nrc_core.metrics.trace import INPUT, MOVED, TRANSPOSED, Trace

logger = logging.getLogger(__name__)
FEW = 8  # number of samples in a probe, if the batch has more and the network can run on so few
Run = Callable[[Batch], Tensor]  # gives the network's predictions (n, t) for a batch on the network's device
Place = tuple[torch.device | None, torch.dtype | None]  # the network's device and type


class Probe(Visitor):
    """Results of one pass over a few samples.

    Attributes:
        n: number of samples.
        inputs: input of each layer, in order of execution; empty tensors if the probe runs on a whole batch.
        before: for each layer, the only layer from which its input comes, or `trace.INPUT`; "" if there are several
            such layers or none.
        lost: layers whose input comes from code that is not an operation of torch in Python, such as a scripted
            function.
        output: the predictions.
        trace: the trace of the pass, which must be entered during the pass.
    """

    def __init__(self, model: nn.Module, batch: Batch, *, keep: bool):
        self.n, self.trace = len(batch), Trace(model, batch.inputs)
        self.inputs: dict[str, Tensor] = {}
        self.before: dict[str, str] = {}
        self.lost: list[str] = []
        self._keep = keep

    def enter(self, name: str, layer: WeightLayer, arguments: tuple, keywords: dict) -> None:
        """Check that the layer can be measured."""
        super().enter(name, layer, arguments, keywords)
        self.trace.enter()
        check_layer(name, layer, given_to(arguments, keywords))

    def see(self, name: str, layer: WeightLayer, arguments: tuple, keywords: dict, output: Any) -> None:
        """Check that the layer applied its weight, and find where its input comes from."""
        if not applies_its_weight(layer, arguments, keywords, output):
            raise _not_its_weight(name, layer)
        features = given_to(arguments, keywords)
        origins = self.trace.origins(features)
        # A copy, since the network may overwrite the input. For a whole batch there is no comparison, so no copy.
        self.inputs[name] = features.clone() if self._keep else features.new_empty(0)
        self.before[name] = _source(origins, features)
        self.lost += [] if origins else [name]
        self.trace.leave(name, output)

    def end(self, output: Tensor) -> None:
        """Keep the predictions."""
        self.output = output


def probe(model: nn.Module, layers: Mapping[str, WeightLayer], batch: Batch, run: Run, place: Place) -> Probe:
    """Run the network on the last few samples of a batch, or on the whole batch if it cannot run on a few.

    The last samples are used because a network may take samples for time steps: then they depend on earlier samples.

    Raises:
        ConfigError: a layer runs twice, a layer applies another weight than its stored weight, or the network cannot
            run on the batch.
    """
    few = min(FEW, len(batch) - 1)
    if few > 1:
        try:
            return _probe(model, layers, batch[-few:].placed(*place), run, keep=True)
        except NrcError as error:
            if not isinstance(error.__cause__, Exception):
                raise
    return _probe(model, layers, batch.placed(*place), run, keep=False)


def _probe(model: nn.Module, layers: Mapping[str, WeightLayer], batch: Batch, run: Run, *, keep: bool) -> Probe:
    found = Probe(model, batch, keep=keep)
    with found.trace:
        forward_pass(layers, [batch], run, found)
    for adapter in adapters(model):
        base, inside = f"{adapter}.base_layer", f"{adapter}."
        if base in found.inputs and any(
            name.startswith(inside) and not f"{name}.".startswith(f"{base}.")
            for name in (*found.inputs, *found.trace.outside)
        ):
            raise _not_its_weight(adapter, model.get_submodule(adapter))
    return found


def _source(origins: frozenset[str], features: Tensor) -> str:
    """The only layer that an activation comes from, with features in unchanged order; "" if there is no such layer."""
    if origins - {MOVED, TRANSPOSED} == {INPUT}:
        return INPUT
    ambiguous = TRANSPOSED in origins and len(set(features.shape)) < features.ndim  # the feature axis is unknown
    layers = origins - {TRANSPOSED}
    return next(iter(layers)) if len(layers) == 1 and not ambiguous else ""


def check_layer(name: str, layer: WeightLayer, features: Any) -> None:
    """Raise ConfigError unless a layer's weight is a real, finite matrix and its input is a real tensor."""
    weight = layer.weight
    whole = type(weight.data) is Tensor and weight.layout == torch.strided
    if not whole or not (weight.is_floating_point() or weight.is_complex()):
        kind = type(weight.data).__name__ if weight.layout == torch.strided else "sparse Tensor"
        raise ConfigError(
            f"the weight of layer {name!r} is stored as {kind} of {weight.dtype}, as quantised, sparse or sharded ones "
            "are: give the network with its whole weights in floating point"
        )
    if weight.is_complex():
        raise ConfigError(f"the weight of layer {name!r} must be real: got {weight.dtype}")
    if getattr(layer, "groups", 1) != 1:
        raise ConfigError(
            f"layer {name!r} is a grouped convolution, which has no one input subspace: groups = {layer.groups}, "
            "leave it out with sites=[...]"
        )
    if not isinstance(features, Tensor):
        raise ConfigError(
            f"layer {name!r} takes a {type(features).__name__}, not a tensor: leave it out with sites=[...]"
        )
    if torch._C._functorch.is_functorch_wrapped_tensor(features):  # there is no other way to know
        raise ConfigError(
            f"layer {name!r} runs inside of torch.func, as in vmap, where it cannot be listened to: call it on the "
            "whole batch"
        )
    if not features.is_floating_point():
        raise ConfigError(
            f"layer {name!r} computes in {weight.dtype} but gets {features.dtype}: give x in floating point, scaled as "
            "in training"
        )
    check_finite(weight_matrix(layer), f"the weight of layer {name!r}", "did its training diverge?")


def applies_its_weight(layer: WeightLayer, arguments: tuple, keywords: dict, output: Any) -> bool:
    """Whether a layer's output is the output of its torch class with the stored weight.

    Subclasses may add an adapter (LoRA) to the weight, scale it or round it. Here the product is computed again on
    the same numbers by the same function. So it is the same to the last bit, unless another algorithm is chosen.
    """
    if not isinstance(output, Tensor):
        return False
    if not output.isfinite().all():  # the features of the next site then give an error
        return True
    kind: Any = next(kind for kind in get_args(WeightLayer) if isinstance(layer, kind))
    if "output_size" in keywords or len(arguments) > 1:
        expected = kind.forward(layer, *arguments, **keywords)
    else:
        expected = kind.forward(layer, given_to(arguments, keywords))
    if expected.shape != output.shape:
        return False
    # Products of a GPU in reduced precision, TF32, may have a relative error of a thousandth.
    step = max(torch.finfo(output.dtype).eps, 2**-10 if output.is_cuda and output.dtype == torch.float32 else 0.0)
    off = torch.linalg.vector_norm(expected.double() - output.double())
    # In 16 bits, the only error is one rounding after sums in 32 bits. The limit is low, since an adapter may change
    # the output by hardly more than this rounding.
    steps = 1 if torch.finfo(output.dtype).bits < 32 else 16
    return bool(off <= steps * step * torch.linalg.vector_norm(expected.double()))


def _not_its_weight(name: str, layer: nn.Module) -> ConfigError:
    return ConfigError(
        f"layer {name!r} ({type(layer).__name__}) applies another weight than the one it stores, as with an adapter "
        "such as LoRA, or does more than apply it: merge an adapter first (merge_and_unload), give an activation, a "
        "mask or a normalisation a module of its own, or leave the layer out with sites=[...]"
    )


class ProbedCollector(Collector):
    """A collector that finds the layout of the samples in each layer's input at the first batch, from a probe.

    Args:
        features: the kind of features, see `collect`.
        network: name of the network.
        probed: the probe of the network.
    """

    def __init__(self, features: str, network: str, probed: Probe):
        super().__init__([features], debias=True)
        self._network, self._probed = network, probed
        self._layouts: dict[str, Layout | None] = {}  # None for an input that does not depend on the samples
        self._dependent: list[str] = []  # layers whose input for one sample depends on other samples
        self._is_first = True

    @property
    def constant(self) -> list[str]:
        """Layers whose input does not depend on the samples."""
        return [name for name, layout in self._layouts.items() if layout is None]

    def layout(self, name: str, layer: WeightLayer, features: Tensor) -> Layout | None:
        """The layout of a layer; it is found at the layer's first input and then kept."""
        if name not in self._layouts:
            self._layouts[name] = self._found(name, layer, features)
        known = self._layouts[name]
        if self._probed.n == 1 < len(self.targets) and known is not None and known.folded:
            raise ConfigError(
                f"layer {name!r} takes several rows a sample, and their order cannot be told from a first batch of "
                "one: begin with a larger batch"
            )
        return known

    def source(self, name: str) -> str:
        """The only layer from whose output a layer's input is made, as found by the probe."""
        return self._probed.before.get(name, "")

    def end(self, output: Tensor) -> None:
        """Raise ConfigError if other layers ran than in the probe; log once what depends on the rest of the batch."""
        if self._is_first:
            self._is_first = False
            self._log_dependence(output)
        if lacking := sorted((self._probed.inputs.keys() ^ set(self.ran)) - set(self.constant)):
            raise ConfigError(f"layer {lacking[0]!r} ran in some batches only: leave it out with sites=[...]")
        super().end(output)

    def _found(self, name: str, layer: WeightLayer, features: Tensor) -> Layout | None:
        few, k, n = self._probed.inputs.get(name), self._probed.n, len(self.targets)
        if few is None:
            raise ConfigError(f"layer {name!r} runs for some samples only: leave it out with sites=[...]")
        found = layout(name, layer, few, features, k, n)
        if found is None or k == n:
            return found
        # The layer's input for the same samples: alone, and at the end of the batch.
        alone, rows = found.samples_first(few, k, layer), found.samples_first(features, n, layer)
        if is_reordered(alone, rows):
            raise ConfigError(
                f"layer {name!r} takes the samples in another order than they were given in, as in a network that "
                "sorts or shuffles them: keep their order, or leave the layer out with sites=[...]"
            )
        if not agree(alone, rows[-len(alone) :]):
            self._dependent.append(name)
        return found

    def _log_dependence(self, output: Tensor) -> None:
        on = "depends on chance or on the rest of its batch"
        if not agree(self._probed.output, output[-self._probed.n :]):
            logger.warning("%s: its output for a sample %s, and so do all numbers", self._network, on)
        elif self._dependent:
            logger.warning("%s: the input of %s for a sample %s", self._network, ", ".join(self._dependent), on)
