"""The sites of a network, and the one pass over the data that gives the moments of all sites."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nrc_core.config.base import OUTPUT
from nrc_core.errors import ConfigError
from nrc_core.metrics.batches import Batch, rows_at_once
from nrc_core.metrics.debiasing import SquaredNorms
from nrc_core.metrics.layers import WeightLayer, channels_first, given_to, weight_layers, weight_matrix
from nrc_core.metrics.layouts import Layout
from nrc_core.metrics.moments import Moments
from nrc_core.metrics.trace import INPUT

logger = logging.getLogger(__name__)
FEATURES = ("post", "pre", "positions")
NOT_RUN = ", which did not run as layers (another may have used their weights itself)"


@dataclass
class Site:
    """A place where features are measured: the input of a weight layer, or the network's output.

    `weight` is (rows, h). Its right singular vectors span the input subspace of the layer. `weight` is
    None at the output, which feeds no weight.
    """

    name: str
    weight: Float[Tensor, "rows h"] | None
    moments: Moments
    norms: SquaredNorms | None = None  # None unless the debiased CKA is needed


def pool(activation: Tensor, layer: WeightLayer) -> Float[Tensor, "n h"]:
    """Average a layer's input or output over all dimensions except samples and features (global average pooling)."""
    if activation.ndim == 2:
        return activation
    return activation.flatten(2).mean(2) if channels_first(layer) else activation.flatten(1, -2).mean(1)


def unfold(activation: Tensor, layer: WeightLayer) -> Float[Tensor, "rows h"]:
    """Turn every position of a layer's input into a row; the positions of one sample follow each other."""
    last = activation.movedim(1, -1) if channels_first(layer) else activation
    return last.flatten(0, -2)


class Visitor:
    """Observer of a network that runs on batches of samples; each subclass has the methods that it needs.

    Attributes:
        targets: targets of the batch.
        ran: names of the layers that have run on the batch, in order.
        kept: tensors that a subclass keeps until the batch ends, by the names of their layers.
    """

    def begin(self, targets: Tensor) -> None:
        """A batch with these targets is about to run."""
        self.targets = targets
        self.ran: list[str] = []
        self.kept: dict[str, Tensor] = {}

    def enter(self, name: str, layer: WeightLayer, arguments: tuple, keywords: dict) -> None:
        """A layer is about to run; ConfigError if it has already run on this batch."""
        if name in self.ran:
            raise ConfigError(f"layer {name!r} ran twice in one pass: a shared layer is not one site, give it copies")
        self.ran.append(name)

    def see(self, name: str, layer: WeightLayer, arguments: tuple, keywords: dict, output: Any) -> None:
        """A layer has made an output from its arguments; `given_to` finds its input in them."""

    def end(self, output: Tensor) -> None:
        """The network has made its output from the batch."""


@torch.no_grad()
def forward_pass(
    layers: Mapping[str, WeightLayer], batches: Iterable[Batch], run: Callable[[Batch], Tensor], visitor: Visitor
) -> None:
    """Run a network on batches, while a visitor sees the inputs and outputs of its layers.

    Nothing of a batch is kept except what the visitor keeps.

    Args:
        layers: layers that the visitor sees, by name.
        run: function that gives the network's output for a batch.
    """
    for batch in batches:
        visitor.begin(batch.targets)
        with ExitStack() as hooks:
            for name, layer in layers.items():
                hooks.enter_context(layer.register_forward_pre_hook(partial(visitor.enter, name), with_kwargs=True))
                hooks.enter_context(layer.register_forward_hook(partial(visitor.see, name), with_kwargs=True))
            output = run(batch)
        visitor.end(output)


def visit(model: nn.Module, x: Tensor, y: Tensor, visitor: Visitor, *, batch_size: int | None = None) -> None:
    """Do a `forward_pass` over the rows of x and y in evaluation mode, with the layers of `weight_layers`."""
    size = batch_size or rows_at_once(x)
    batches = (Batch((a,), b) for a, b in zip(x.split(size), y.split(size), strict=True))
    with evaluating(model):
        forward_pass(weight_layers(model), batches, lambda batch: model(*batch.inputs), visitor)


def collect(
    model: nn.Module,
    x: Tensor,
    y: Float[Tensor, "n t"],
    *,
    features: Sequence[str] = ("post",),
    batch_size: int | None = None,
) -> dict[str, list[Site]]:
    """Moments at every site of a network, for several kinds of features in one pass over the data.

    Site i is the input of weight layer i, in order of execution; site 0 is the input of the first layer.
    The last site is the network's output. The layers are those in the network's attribute `sites`, else
    all linear and convolutional layers. `features` says what a sample at a site is:

    * "post": the layer's input as it is, after the activation; feature maps are averaged over positions.
    * "pre": the output of the previous weight layer. In a plain chain of layers, these are the same features
      before the activation (at the first site and at the output, "pre" and "post" are the same).
    * "positions": every position of a feature map is a sample, with the targets of its image.

    A layer that did not run is logged.

    Raises:
        ConfigError: the kind of features is unknown, x and y differ in their number of rows, there is no linear or
            convolutional layer, a layer runs twice, or "pre" is asked of a network that is not a plain chain.

    Example:
        >>> [site.name for site in collect(nn.Linear(3, 2), torch.ones(4, 3), torch.ones(4, 2))["post"]]
        ['', 'output']
    """
    if len(x) != len(y):
        raise ConfigError(f"x and y must have equal rows: got {len(x)} and {len(y)}")
    collector = Collector(features)
    visit(model, x, y, collector, batch_size=batch_size)
    if not collector.ran:
        raise ConfigError(f"{type(model).__name__} has no linear or convolutional layer, hence no site")
    if absent := sorted(weight_layers(model).keys() - set(collector.ran)):
        log_no_site(model, absent)
    return collector.sites()


def log_no_site(model: nn.Module, names: Sequence[str], why: str = NOT_RUN) -> None:
    """Log a warning that layers or other parts of a network are no sites."""
    logger.warning("%s: no site at %s%s", type(model).__name__, ", ".join(names), why)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Set evaluation mode while the block runs, then set every module back to its own mode, also frozen modules."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
    except NotImplementedError:
        raise ConfigError("an exported network has no evaluation mode: give the module it was made of") from None
    try:
        yield
    finally:
        for module, training in modes:  # train() of the module comes first: it removes an adapter that eval() merged
            if module.training != training:
                module.train(training)
        for module, training in modes:
            module.training = training


@contextmanager
def keeping_buffers(model: nn.Module) -> Iterator[None]:
    """Let a network write to its buffers while the block runs, then restore the old values."""
    kept = [
        (module, name, buffer, buffer.clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    try:
        yield
    finally:
        for module, name, buffer, value in kept:
            if not torch.equal(buffer, value):
                buffer.copy_(value)
            module._buffers[name] = buffer


class Collector(Visitor):
    """Adds up the moments of every site as its layer runs.

    Here the samples stand along the first axis of every layer's input, and the input is made from the output of the
    layer that ran before. A subclass may find other layouts and sources.

    Args:
        features: kinds of features, see `collect`.
        debias: also add up the sums that the debiased CKA needs.
    """

    def __init__(self, features: Sequence[str], *, debias: bool = False):
        if unknown := set(features) - set(FEATURES):
            raise ConfigError(f"features must be one of {', '.join(FEATURES)}: got {unknown.pop()!r}")
        self._sites: dict[str, dict[str, Site]] = {kind: {} for kind in features}
        self._debias = debias

    def layout(self, name: str, layer: WeightLayer, features: Tensor) -> Layout | None:
        """Layout of the samples in a layer's input; None if the input does not depend on the samples."""
        return Layout()

    def source(self, name: str) -> str:
        """The only layer from whose output a layer's input is made, or `INPUT`; "" if there is no such layer."""
        return next(reversed(self.kept), INPUT)

    def see(self, name: str, layer: WeightLayer, arguments: tuple, keywords: dict, output: Any) -> None:
        """Add the input of a weight layer to the moments of its site."""
        n, features = len(self.targets), given_to(arguments, keywords)
        layout = self.layout(name, layer, features)
        if layout is None:
            return
        rows = layout.samples_first(features, n, layer)
        if len(rows) != n:
            raise ConfigError(
                f"layer {name!r} takes {len(rows)} rows for {n} samples: samples must stand along its first axis"
                + (" (does the network squeeze a batch of one? leave none)" if n == 1 else "")
            )
        pooled = pool(rows, layer)
        for kind in self._sites:
            if kind == "positions":
                self._add(kind, name, layer, unfold(rows, layer))
            else:
                self._add(kind, name, layer, self._pre(name, pooled) if kind == "pre" else pooled)
        if "pre" in self._sites:
            # A copy, since the activation may overwrite the output.
            self.kept[name] = pool(layout.samples_first(output, n, layer), layer).clone()

    def end(self, output: Float[Tensor, "n t"]) -> None:
        """Add the network's output, which feeds no weight."""
        if output.ndim != 2:
            raise ConfigError(f"a network must give (n, t), one row a sample: got shape {tuple(output.shape)}")
        for kind in self._sites:
            self._add(kind, OUTPUT, None, output)

    def sites(self) -> dict[str, list[Site]]:
        """Sites by kind of features, in order of execution."""
        return {kind: list(sites.values()) for kind, sites in self._sites.items()}

    def _pre(self, name: str, pooled: Tensor) -> Tensor:
        source = self.source(name)
        if source == INPUT:
            return pooled
        before = self.kept.get(source)
        if before is not None and before.shape == pooled.shape:
            return before
        takes = "more than what one layer gave"
        if before is not None:
            takes = f"{pooled.shape[1]} features but the layer before it gives {before.shape[1]}"
        raise ConfigError(
            f"features before the activation exist in a chain of layers; {name!r} takes {takes}: use features='post'"
        )

    def _add(self, kind: str, name: str, layer: WeightLayer | None, rows: Tensor) -> None:
        targets = self.targets.to(rows.device)
        if layer is not None and name == OUTPUT:
            name = f"{OUTPUT} (layer)"  # only the last site has the name of the output
        if name not in self._sites[kind]:
            weight = None if layer is None else weight_matrix(layer)
            moments = Moments(rows.shape[1], targets.shape[1], rows.device)
            self._sites[kind][name] = Site(name, weight, moments, SquaredNorms() if self._debias else None)
        positions = len(rows) // len(targets)
        repeated = targets if positions == 1 else targets.repeat_interleave(positions, dim=0)
        site = self._sites[kind][name]
        site.moments.update(rows, repeated)
        if site.norms is not None:
            site.norms.update(rows, repeated)
