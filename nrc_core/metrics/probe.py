"""A first pass over a few samples: how a network must be listened to, and whether it can be measured."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nrc_core.errors import ConfigError, NrcError
from nrc_core.metrics.arrays import check_finite
from nrc_core.metrics.batches import Batch
from nrc_core.metrics.layers import WeightLayer, adapters, channels_first, given_to, kind_of, weight_matrix
from nrc_core.metrics.layouts import Layout, agree, is_reordered, layout
from nrc_core.metrics.sites import Visitor, forward_pass, ran_twice
from nrc_core.metrics.trace import INPUT, MOVED, TRANSPOSED, Trace

logger = logging.getLogger(__name__)
FEW = 8  # samples that a probe takes, where there are more
Run = Callable[[Batch], Tensor]  # the network's predictions (n, t) for a batch that is where it is
Place = tuple[torch.device | None, torch.dtype | None]  # where it is, and its type


class Probe(Visitor):
    """What one pass over a few samples told.

    Attributes:
        n: how many they were.
        inputs: what each layer took, in order of execution; nothing is kept of a whole batch.
        before: the layer that alone made each layer's input; that of `trace.INPUT`, or "" where several or none did.
        lost: layers whose input was made by what is no operation of torch in Python, such as a scripted function.
        output: the predictions.
        trace: of the pass, in which it has to be entered.
    """

    def __init__(self, model: nn.Module, batch: Batch, *, keep: bool):
        self.n, self.trace = len(batch), Trace(model, batch.inputs)
        self.inputs: dict[str, Tensor] = {}
        self.before: dict[str, str] = {}
        self.lost: list[str] = []
        self._keep = keep
        self._called: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}

    def enter(self, name: str, layer: WeightLayer, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """Is it a layer that can be measured?"""
        self.trace.enter()
        self._called[name] = arguments, keywords
        check_layer(name, layer, given_to(arguments, keywords))

    def see(self, name: str, layer: WeightLayer, features: Tensor, output: Tensor) -> None:
        """Did it apply its weight, and from where is its input?"""
        if not applies_its_weight(layer, *self._called[name], output):
            raise _not_its_weight(name, layer)
        if name in self.inputs:
            raise ran_twice(name)
        origins = self.trace.origins(features)
        # A copy, as the network may write over it; of a whole batch, which there is nothing to compare with, none.
        self.inputs[name] = features.clone() if self._keep else features.new_empty(0)
        self.before[name] = _source(origins, features)
        self.lost += [] if origins else [name]
        self.trace.leave(name, output)

    def end(self, output: Tensor) -> None:
        """The predictions."""
        self.output = output


def probe(model: nn.Module, layers: Mapping[str, WeightLayer], batch: Batch, run: Run, place: Place) -> Probe:
    """Run the last few samples of a batch; all of it where the network takes no fewer.

    The last, which all others could have gone before in a network that takes samples for steps in time.

    Raises:
        ConfigError: a layer that runs twice, or whose stored weight is not the one it applies, or the network cannot
            run on the batch.
    """
    few = min(FEW, len(batch) - 1)
    if few > 1:
        try:
            return _probe(model, layers, batch.last(few).placed(*place), run, keep=True)
        except NrcError as error:
            if not isinstance(error.__cause__, Exception):
                raise
    return _probe(model, layers, batch.placed(*place), run, keep=False)


def _probe(model: nn.Module, layers: Mapping[str, WeightLayer], batch: Batch, run: Run, *, keep: bool) -> Probe:
    found = Probe(model, batch, keep=keep)
    with found.trace:
        forward_pass(layers, [batch], run, [found])
    for adapter in adapters(model):
        base, inside = f"{adapter}.base_layer", f"{adapter}."
        if base in found.inputs and any(
            name.startswith(inside) and not f"{name}.".startswith(f"{base}.")
            for name in (*found.inputs, *found.trace.outside)
        ):
            raise _not_its_weight(adapter, model.get_submodule(adapter))
    return found


def _source(origins: frozenset[str], features: Tensor) -> str:
    """The only layer that an activation comes from, its features in their order; "" if there is none."""
    if origins - {MOVED, TRANSPOSED} == {INPUT}:
        return INPUT
    ambiguous = TRANSPOSED in origins and len(set(features.shape)) < features.ndim  # which axis is that of features?
    layers = origins - {TRANSPOSED}
    return next(iter(layers)) if len(layers) == 1 and not ambiguous else ""


def check_layer(name: str, layer: WeightLayer, features: Any) -> None:
    """ConfigError if a layer's weight is no real, finite matrix, or what it takes are no real numbers."""
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


def applies_its_weight(layer: WeightLayer, arguments: tuple[Any, ...], keywords: dict[str, Any], output: Any) -> bool:
    """Whether a layer gave what its class in torch gives with the weight that it stores.

    Subclasses may add an adapter (LoRA) to it, scale it or round it. The product is taken again on the same numbers
    by the same function, so but for a choice of algorithm it is the same to the last bit.
    """
    if not isinstance(output, Tensor):
        return False
    if not output.isfinite().all():  # which the features of the site after it will be refused for
        return True
    kind: Any = kind_of(layer)
    if "output_size" in keywords or len(arguments) > 1:
        expected = kind.forward(layer, *arguments, **keywords)
    else:
        expected = kind.forward(layer, given_to(arguments, keywords))
    if expected.shape != output.shape:
        return False
    # A thousandth is what reduced precision in products of a GPU, TF32, may be off by.
    step = max(torch.finfo(output.dtype).eps, 2**-10 if output.is_cuda and output.dtype == torch.float32 else 0.0)
    off = torch.linalg.vector_norm(expected.double() - output.double())
    # Numbers of 16 bits are no more than rounded, after sums in 32 bits: an adapter may be hardly larger.
    steps = 1 if torch.finfo(output.dtype).bits < 32 else 16
    return bool(off <= steps * step * torch.linalg.vector_norm(expected.double()))


def _not_its_weight(name: str, layer: nn.Module) -> ConfigError:
    return ConfigError(
        f"layer {name!r} ({type(layer).__name__}) applies another weight than the one it stores, as with an adapter "
        "such as LoRA, or does more than apply it: merge an adapter first (merge_and_unload), give an activation, a "
        "mask or a normalisation a module of its own, or leave the layer out with sites=[...]"
    )


class Layouts(Visitor):
    """How each layer takes its samples, found out at the first batch and then kept.

    Args:
        network: its name.
        probed: what a few samples told of it.

    Attributes:
        known: the layout of each layer that has run; None where it takes the same whatever the samples are.
    """

    def __init__(self, network: str, probed: Probe):
        self._network, self._probed = network, probed
        self.known: dict[str, Layout | None] = {}
        self._dependent: list[str] = []  # layers that take for a sample what depends on the others
        self._is_first = True

    @property
    def constant(self) -> list[str]:
        """Layers that take the same whatever the samples are."""
        return [name for name, layout in self.known.items() if layout is None]

    def begin(self, targets: Tensor) -> None:
        """A batch of as many samples."""
        self._n, self._ran = len(targets), set[str]()

    def see(self, name: str, layer: WeightLayer, features: Tensor, output: Tensor) -> None:
        """The layout of the layer, if it is not known yet."""
        self._ran.add(name)
        if name not in self.known:
            self.known[name] = self._found(name, features, channels_first=channels_first(layer))
        known = self.known[name]
        if self._probed.n == 1 < self._n and known is not None and known.folded:
            raise ConfigError(
                f"layer {name!r} takes several rows a sample, and their order cannot be told from a first batch of "
                "one: begin with a larger batch"
            )

    def end(self, output: Tensor) -> None:
        """ConfigError if not the same layers ran as before; what depends on the rest of the batch is logged once."""
        if self._is_first:
            self._is_first = False
            self._log_dependence(output)
        if lacking := sorted((self._probed.inputs.keys() ^ self._ran) - set(self.constant)):
            raise ConfigError(f"layer {lacking[0]!r} ran in some batches only: leave it out with sites=[...]")

    def _found(self, name: str, features: Tensor, *, channels_first: bool) -> Layout | None:
        few, k, n = self._probed.inputs.get(name), self._probed.n, self._n
        if few is None:
            raise ConfigError(f"layer {name!r} runs for some samples only: leave it out with sites=[...]")
        found = layout(name, few, features, k, n, channels_first=channels_first)
        if found is None or k == n:
            return found
        # What it takes of the same samples, alone and at the end of the batch.
        alone = found.samples_first(few, k, channels_first=channels_first)
        rows = found.samples_first(features, n, channels_first=channels_first)
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
