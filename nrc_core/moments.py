"""Streaming second moments of features and targets, and the hooks that feed them from any network.

Every neural regression collapse condition at a site is a function of `n`, the means of the features
H (n, h) and the targets Y (n, t), their centred second moments, and the weight the site feeds. One
pass over the data, all sites at once, float64, O((h + t)^2) memory: no n x n matrix anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nrc_core.config import OUTPUT

FEATURES = ("post", "pre", "positions")

# Rows that go through a CPU at a time: few enough to stay in its cache from the copy to the product, and for
# sums of products that lose little to rounding; enough for the product to take nearly all of the time. Products
# are taken in strips of about so many columns, from the diagonal on: what lies below is the same by symmetry.
BLOCK_ROWS, STRIP_COLUMNS = 1024, 64


class Moments:
    """Means and centred second moments of features and targets, accumulated batch by batch.

    The update is the pairwise one of Chan, Golub and LeVeque (1983), which is as accurate as
    two passes even when the mean is much larger than the spread. All sums are in float64; the blocks of a batch
    are added up around its first row, so that only whole batches lose digits to a large mean.

    With `members=M` it holds the moments of M networks of one shape, which see equally many samples;
    everything then has a leading dimension of M, and `each` gives the moments of every member.

    Attributes:
        width: h, the number of features.
        n: samples seen (by every member).
        mean: of features and targets side by side, (h + t,) or (M, h + t).
        scatter: their centred sum of products, (h + t, h + t) or (M, h + t, h + t).

    Example:
        >>> moments = Moments.of(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [3.0]]))
        >>> moments.n, moments.feature_covariance.item(), moments.cross_covariance.item()
        (2, 1.0, 1.0)
    """

    def __init__(self, width: int, target_dim: int, device: torch.device | str = "cpu", *, members: int | None = None):
        size, stack = width + target_dim, () if members is None else (members,)
        self.width = width
        self.n = 0
        self.mean = torch.zeros(*stack, size, dtype=torch.float64, device=device)
        self.scatter = torch.zeros(*stack, size, size, dtype=torch.float64, device=device)

    @classmethod
    def of(cls, features: Float[Tensor, "*m n h"], targets: Float[Tensor, "*#m n t"]) -> Moments:
        """Moments of one batch, of as many members as the features have."""
        members = None if features.ndim == 2 else len(features)
        moments = cls(features.shape[-1], targets.shape[-1], features.device, members=members)
        moments.update(features, targets)
        return moments

    def update(self, features: Float[Tensor, "*m n h"], targets: Float[Tensor, "*#m n t"]) -> None:
        """Add a batch of samples, the same number for every member; targets without members are shared by all.

        Beside the batch it takes the memory of one block of rows in float64; on a GPU the block is the batch.

        Raises:
            ValueError: other members, features or target dimensions than these moments have.
        """
        *members, size = self.mean.shape
        found = *features.shape[:-2], features.shape[-1], targets.shape[-1]
        if found != (*members, self.width, size - self.width):
            raise ValueError(
                f"features must come as {(*members, 'n', self.width)}, targets with {size - self.width} columns: "
                f"got {tuple(features.shape)} and {tuple(targets.shape)}"
            )
        n = features.shape[-2]
        if n == 0:
            return
        on_cpu = self.mean.device.type == "cpu"
        most = min(n, BLOCK_ROWS) if on_cpu else n
        strip = math.ceil(size / max(1, size // STRIP_COLUMNS)) if on_cpu else size
        shared = targets.expand(*members, n, -1)
        origin = torch.cat([features[..., :1, :].double(), shared[..., :1, :].double()], dim=-1)
        centre = torch.zeros_like(origin)  # the mean of the rows so far, from the origin
        memory = self.mean.new_empty(*members, most + 1, size)
        for start in range(0, n, most):
            stop = min(start + most, n)
            block = memory[..., : stop - start + 1, :]
            rows = block[..., :-1, :]
            rows[..., : self.width] = features[..., start:stop, :]
            rows[..., self.width :] = shared[..., start:stop, :]
            rows -= origin  # so that constant columns have a variance of exactly zero
            mean = rows.mean(dim=-2, keepdim=True)
            rows -= mean
            shift = mean - centre
            # As one more sample, what the difference of means adds to the scatter comes with the same product.
            block[..., -1:, :] = shift * math.sqrt(start * (stop - start) / stop)
            for left in range(0, size, strip):
                product = block[..., left : left + strip].mT @ block[..., left:]
                self.scatter[..., left : left + strip, left:] += product
            centre += shift * ((stop - start) / stop)
        for left in range(0, size, strip):
            right = left + strip
            self.scatter[..., right:, left:right] = self.scatter[..., left:right, right:].mT
        self._move(n, (origin - self.mean[..., None, :] + centre).squeeze(-2))

    def merge(self, other: Moments) -> None:
        """Add the samples another accumulator has seen (another worker's, another shard's)."""
        if (other.width, other.mean.shape) != (self.width, self.mean.shape):
            raise ValueError(f"moments merge only with the same sizes: {self._sizes} here, {other._sizes} given")
        self.scatter += other.scatter.to(self.scatter.device)
        self._move(other.n, other.mean.to(self.mean.device) - self.mean)

    def each(self) -> list[Moments]:
        """The moments of every member, to read: they share memory with these ones, but not the count of samples.

        Raises:
            ValueError: moments of one network, without members.

        Example:
            >>> moments = Moments.of(torch.tensor([[[0.0], [2.0]], [[0.0], [4.0]]]), torch.zeros(2, 1))
            >>> [one.feature_mean.item() for one in moments.each()]
            [1.0, 2.0]
        """
        if self.mean.ndim == 1:
            raise ValueError(
                "moments of one network have no members: make them with members=M, or use them as they are"
            )
        return [self._member(number) for number in range(len(self.mean))]

    def cpu(self) -> Moments:
        """The same moments in the memory of the host."""
        one = copy(self)
        one.mean, one.scatter = self.mean.cpu(), self.scatter.cpu()
        return one

    def _member(self, number: int) -> Moments:
        one = copy(self)
        one.mean, one.scatter = self.mean[number], self.scatter[number]
        return one

    def _move(self, n: int, shift: Tensor) -> None:
        """Count n more samples, whose own scatter is there already and whose mean lies `shift` from the mean."""
        if n == 0:
            return
        total = self.n + n
        self.scatter += shift[..., :, None] * shift[..., None, :] * (self.n * n / total)
        self.mean += shift * (n / total)
        self.n = total

    @property
    def _sizes(self) -> str:
        stack = "".join(f"{members} members, " for members in self.mean.shape[:-1])
        return f"{stack}(h, t) = {(self.width, self.mean.shape[-1] - self.width)}"

    @property
    def feature_mean(self) -> Float[Tensor, "*m h"]:
        """Mean of the features."""
        return self.mean[..., : self.width]

    @property
    def feature_covariance(self) -> Float[Tensor, "*m h h"]:
        """Centred feature covariance, S_HH / n."""
        return self.scatter[..., : self.width, : self.width] / self.n

    @property
    def cross_covariance(self) -> Float[Tensor, "*m h t"]:
        """Centred covariance of features and targets, S_HY / n."""
        return self.scatter[..., : self.width, self.width :] / self.n

    @property
    def target_covariance(self) -> Float[Tensor, "*m t t"]:
        """Centred target covariance, S_YY / n."""
        return self.scatter[..., self.width :, self.width :] / self.n


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
    """The layers whose inputs are sites: those a network names in `sites`, else all with a weight matrix."""
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)}
    named = getattr(model, "sites", None)
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
    or when "pre" is asked of a network that is not such a chain.
    """
    return collect_each(model, x, y, features=(features,), batch_size=batch_size)[features]


@torch.no_grad()
def collect_each(
    model: nn.Module, x: Tensor, y: Float[Tensor, "n t"], *, features: Sequence[str], batch_size: int | None = None
) -> dict[str, list[Site]]:
    """What `collect` returns, for several kinds of features in the same pass.

    Activations are summed up as soon as a layer has run, so no more than those of one batch are ever held.
    """
    if unknown := set(features) - set(FEATURES):
        raise ValueError(f"features must be one of {', '.join(FEATURES)}: got {unknown.pop()!r}")
    training = model.training
    model.eval()
    collector = _Collector(features)
    size = batch_size or rows_at_once(x)
    with watched(model, collector.see):
        for start in range(0, len(x), size):
            collector.begin(y[start : start + size])
            output = model(x[start : start + size])
            if not collector.seen:
                raise ValueError(f"{type(model).__name__} has no linear or convolutional layer, hence no site")
            collector.end(output)
    model.train(training)
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
