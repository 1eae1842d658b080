"""Where a network is measured: its sites, and the hooks that feed their moments in one pass over the data."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nrc_core.config import OUTPUT
from nrc_core.errors import suggestion
from nrc_core.moments import Moments

logger = logging.getLogger(__name__)
FEATURES = ("post", "pre", "positions")


@dataclass
class Site:
    """Where features are measured: the input of a weight layer, or the network's output.

    `weight` is (rows, h), its right singular vectors span the input subspace of the layer; it is
    None at the output, which feeds no weight.
    """

    name: str
    weight: Float[Tensor, "rows h"] | None
    moments: Moments


def weight_matrix(layer: nn.Linear | nn.Conv2d) -> Float[Tensor, "rows h"]:
    """The weight of a layer as a matrix with one column per input unit or input channel.

    A convolution's filters (c_out, c_in, k, k) become (c_out k k, c_in), as in the Deep NRC paper,
    section 4.2.
    """
    weight = layer.weight.detach()
    if isinstance(layer, nn.Linear):
        return weight
    if layer.groups != 1:
        raise ValueError(f"grouped convolutions have no one input subspace: groups = {layer.groups}, use groups = 1")
    return weight.permute(0, 2, 3, 1).reshape(-1, layer.in_channels)


def weight_layers(model: nn.Module) -> dict[str, nn.Linear | nn.Conv2d]:
    """The layers whose inputs are sites: those a network names in `sites`, else all with a weight matrix.

    Raises:
        ValueError: a name in `sites` of no linear or convolutional layer.
    """
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)}
    named = getattr(model, "sites", None)
    if unknown := [name for name in named or () if name not in layers]:
        hint = suggestion(unknown[0], list(layers), "there is")
        raise ValueError(f"`sites` names no linear or convolutional layer with {unknown[0]!r}: {hint}")
    return layers if named is None else {name: layers[name] for name in named}


def pool(activation: Tensor, *, channels_first: bool) -> Float[Tensor, "n h"]:
    """Average over every dimension but samples and features (global average pooling)."""
    if activation.ndim == 2:
        return activation
    return activation.flatten(2).mean(2) if channels_first else activation.flatten(1, -2).mean(1)


def unfold(activation: Tensor, *, channels_first: bool) -> Float[Tensor, "rows h"]:
    """Every position of a feature map as a sample of its own, positions of one sample in a row."""
    last = activation.movedim(1, -1) if channels_first else activation
    return last.flatten(0, -2)


@contextmanager
def watched(model: nn.Module, see: Callable[[str, nn.Linear | nn.Conv2d, Tensor, Tensor], None]) -> Iterator[None]:
    """Call `see(name, layer, input, output)` whenever a layer of `weight_layers` has run."""

    def hook(name: str, layer: nn.Linear | nn.Conv2d, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        see(name, layer, inputs[0], output)

    handles = [layer.register_forward_hook(partial(hook, name)) for name, layer in weight_layers(model).items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def collect(
    model: nn.Module, x: Tensor, y: Float[Tensor, "n t"], *, features: str = "post", batch_size: int | None = None
) -> list[Site]:
    """Moments at every site of a network in one pass over the data.

    Site i is the input of weight layer i, in order of execution, site 0 the first layer's input;
    the last site is the network's output. A network that has an attribute `sites` names the layers
    that count; else all linear and convolutional ones do. `features` says what a sample of a site is:

    * "post": the layer's input as it is, after the activation; feature maps are averaged over positions.
    * "pre": the output of the weight layer before it, which is the same features before the activation
      in a plain chain of layers (the first site and the output have no other).
    * "positions": every position of a feature map is a sample, with the targets of its image.

    Raises ValueError for another word, when the model has no linear or convolutional layer, when a layer runs twice,
    or when "pre" is asked of a network that is not such a chain. A layer that did not run is logged.
    """
    return collect_each(model, x, y, features=(features,), batch_size=batch_size)[features]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """In evaluation mode while the block runs, and then every module as it was, frozen ones too."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@torch.no_grad()
def collect_each(
    model: nn.Module, x: Tensor, y: Float[Tensor, "n t"], *, features: Sequence[str], batch_size: int | None = None
) -> dict[str, list[Site]]:
    """What `collect` returns, for several kinds of features in the same pass.

    Activations are summed up as soon as a layer has run, so no more than those of one batch are ever held.
    """
    if unknown := set(features) - set(FEATURES):
        raise ValueError(f"features must be one of {', '.join(FEATURES)}: got {unknown.pop()!r}")
    collector = _Collector(features)
    size = batch_size or rows_at_once(x)
    with evaluating(model), watched(model, collector.see):
        for start in range(0, len(x), size):
            collector.begin(y[start : start + size])
            output = model(x[start : start + size])
            if not collector.seen:
                raise ValueError(f"{type(model).__name__} has no linear or convolutional layer, hence no site")
            collector.end(output)
    if absent := sorted(weight_layers(model).keys() - set(collector.seen)):
        logger.warning(
            "%s: no site at %s, which did not run as layers (another may have used their weights itself)",
            type(model).__name__,
            ", ".join(absent),
        )
    return collector.sites()


def rows_at_once(x: Tensor) -> int:
    """How many samples go through a network at a time when nothing is learned: fewer where they are images."""
    return 4096 if x.ndim == 2 else 256


class _Collector:
    """Adds up the moments of every site as its layer runs."""

    def __init__(self, features: Sequence[str]):
        self._sites: dict[str, dict[str, Site]] = {kind: {} for kind in features}
        self.seen: list[str] = []
        self._targets = torch.empty(0)
        self._before: Tensor | None = None  # what the previous layer gave, pooled

    def begin(self, targets: Tensor) -> None:
        """A new batch."""
        self.seen, self._before, self._targets = [], None, targets

    def see(self, name: str, layer: nn.Linear | nn.Conv2d, features: Tensor, output: Tensor) -> None:
        """The input and output of a weight layer."""
        if name in self.seen:
            raise ValueError(f"layer {name!r} ran twice in one pass: a shared layer is not one site, give it copies")
        self.seen.append(name)
        channels_first = isinstance(layer, nn.Conv2d)
        pooled = pool(features, channels_first=channels_first)
        for kind in self._sites:
            if kind == "positions":
                rows = unfold(features, channels_first=channels_first)
            else:
                rows = self._pre(name, pooled) if kind == "pre" else pooled
            self._add(kind, name, layer, rows)
        if "pre" in self._sites:
            self._before = pool(output, channels_first=channels_first)

    def end(self, output: Tensor) -> None:
        """The network's output, which feeds no weight."""
        for kind in self._sites:
            self._add(kind, OUTPUT, None, pool(output, channels_first=True))

    def sites(self) -> dict[str, list[Site]]:
        """By kind of features, in order of execution."""
        return {kind: list(sites.values()) for kind, sites in self._sites.items()}

    def _pre(self, name: str, pooled: Tensor) -> Tensor:
        before = pooled if self._before is None else self._before
        if before.shape != pooled.shape:
            raise ValueError(
                f"features before the activation exist in a chain of layers; {name!r} takes {pooled.shape[1]} "
                f"features but the layer before it gives {before.shape[1]}: use features='post'"
            )
        return before

    def _add(self, kind: str, name: str, layer: nn.Linear | nn.Conv2d | None, rows: Tensor) -> None:
        targets = self._targets
        if name not in self._sites[kind]:
            weight = None if layer is None else weight_matrix(layer)
            self._sites[kind][name] = Site(name, weight, Moments(rows.shape[1], targets.shape[1], rows.device))
        positions = len(rows) // len(targets)
        repeated = targets if positions == 1 else targets.repeat_interleave(positions, dim=0)
        self._sites[kind][name].moments.update(rows, repeated)
