"""A first pass over a few samples: how a network must be listened to, and whether it can be measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nrc_core.errors import ConfigError, NrcError
from nrc_core.metrics.arrays import check_finite
from nrc_core.metrics.batches import Batch
from nrc_core.metrics.layers import WeightLayer, adapters, channels_first, given_to, kind_of, listening, weight_matrix
from nrc_core.metrics.layouts import Layout, agree, is_reordered, layout
from nrc_core.metrics.sites import ran_twice
from nrc_core.metrics.trace import INPUT, MOVED, TRANSPOSED, Trace

FEW = 8  # samples that a probe takes, where there are more
Run = Callable[[Batch], Tensor]  # the network's predictions (n, t) for a batch that is where it is
Place = tuple[torch.device | None, torch.dtype | None]  # where it is, and its type


@dataclass
class Probe:
    """What one pass over a few samples told.

    Attributes:
        n: how many they were.
        inputs: what each layer took, in order of execution; nothing is kept of a whole batch.
        before: the layer that alone made each layer's input; that of `trace.INPUT`, or "" where several or none did.
        outside: parameters that activations were multiplied by outside of the layers.
        lost: layers whose input was made by what is no operation of torch in Python, such as a scripted function.
        output: the predictions.
    """

    n: int
    inputs: dict[str, Tensor] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    output: Tensor = field(default_factory=lambda: torch.empty(0))


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
    found, trace = Probe(len(batch)), Trace(model, batch.inputs)

    def see(name: str, layer: WeightLayer, features: Tensor, output: Tensor) -> None:
        if name in found.inputs:
            raise ran_twice(name)
        origins = trace.origins(features)
        # A copy, as the network may write over it; of a whole batch, which there is nothing to compare with, none.
        found.inputs[name] = features.clone() if keep else features.new_empty(0)
        found.before[name] = _source(origins, features)
        found.lost += [] if origins else [name]
        trace.leave(name, output)

    with _entering(layers, trace), listening(layers, see), trace:
        found.output = run(batch)
    found.outside = list(trace.outside)
    for adapter in adapters(model):
        base, inside = f"{adapter}.base_layer", f"{adapter}."
        if base in found.inputs and any(
            name.startswith(inside) and not f"{name}.".startswith(f"{base}.")
            for name in (*found.inputs, *found.outside)
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


@contextmanager
def _entering(layers: Mapping[str, WeightLayer], trace: Trace) -> Iterator[None]:
    """Before a layer runs: is it one that can be measured? After it, still inside: did it apply its weight?"""

    def before(name: str, layer: WeightLayer, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        trace.enter()
        check_layer(name, layer, given_to(layer, arguments, keywords))

    def after(name: str, layer: WeightLayer, arguments: Any, keywords: Any, output: Any) -> None:
        if not applies_its_weight(layer, arguments, keywords, output):
            raise _not_its_weight(name, layer)

    with ExitStack() as stack:
        for name, layer in layers.items():
            for handle in (
                layer.register_forward_pre_hook(partial(before, name), with_kwargs=True),
                layer.register_forward_hook(partial(after, name), with_kwargs=True),
            ):
                stack.callback(handle.remove)
        yield


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
        expected = kind.forward(layer, given_to(layer, arguments, keywords))
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


class Layouts:
    """How each layer takes its samples, found out at the first batch and then kept."""

    def __init__(self, probed: Probe):
        self._probed = probed
        self._known: dict[str, Layout | None] = {}
        self.dependent: list[str] = []  # layers that take for a sample what depends on the others

    def __call__(self, name: str, layer: WeightLayer, features: Tensor, n: int) -> Layout | None:
        """That of a layer, given what it takes of n samples; None where it takes the same whatever they are."""
        if name not in self._known:
            few = self._probed.inputs.get(name)
            if few is None:
                raise ConfigError(f"layer {name!r} runs for some samples only: leave it out with sites=[...]")
            first = channels_first(layer)
            found = layout(name, few, features, self._probed.n, n, channels_first=first)
            if found is not None and self._probed.n < n:
                self._compare(name, found, few, features, n, channels_first=first)
            self._known[name] = found
        known = self._known[name]
        if self._probed.n == 1 < n and known is not None and known.folded:
            raise ConfigError(
                f"layer {name!r} takes several rows a sample, and their order cannot be told from a first batch of "
                "one: begin with a larger batch"
            )
        return known

    def _compare(
        self, name: str, found: Layout, few: Tensor, features: Tensor, n: int, *, channels_first: bool
    ) -> None:
        """What a layer takes of the same samples, alone and at the end of a batch."""
        alone = found.samples_first(few, self._probed.n, channels_first=channels_first)
        rows = found.samples_first(features, n, channels_first=channels_first)
        if is_reordered(alone, rows):
            raise ConfigError(
                f"layer {name!r} takes the samples in another order than they were given in, as in a network that "
                "sorts or shuffles them: keep their order, or leave the layer out with sites=[...]"
            )
        if not agree(alone, rows[-len(alone) :]):
            self.dependent.append(name)

    @property
    def constant(self) -> list[str]:
        """Layers that take the same whatever the samples are."""
        return [name for name, found in self._known.items() if found is None]


def is_repeatable(probed: Probe, output: Tensor) -> bool:
    """Whether the network gives a sample what it gave it among other samples before: in a pass it should."""
    return agree(probed.output, output[-probed.n :])
