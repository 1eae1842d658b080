"""Training of networks of one shape together: each layer is one batched product for all networks."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nrc_core.config.base import OUTPUT
from nrc_core.metrics.batches import rows_at_once
from nrc_core.metrics.layers import weight_layers
from nrc_core.metrics.moments import Moments
from nrc_core.metrics.sites import Site
from nrc_core.metrics.threads import on_all_cores
from nrc_core.networks.build import MLP


class StackedMLP:
    """M multilayer perceptrons of one shape, each with its own learning rate, weight decay and batches.

    All weights of a network are one row of a matrix (M, weights), so an update is three operations
    at any depth. The weights of a layer are a view of this matrix, (M, outputs, inputs). The gradient of the mean
    squared error per entry is computed without autograd: g <- 2 (f(x) - y) / (b t) at the output for a batch of b rows,
    and g <- (g W) [a > 0] from a layer to the previous layer. The update is as in `torch.optim.SGD`:
    v <- momentum v + (dW + weight_decay W), W <- W - rate v. No network reads the numbers of another network. So if
    the loss of a network is no longer finite, the other networks do not change.

    On a GPU, a step is captured once and replayed as a CUDA graph; during an epoch the GPU never waits for the host.

    Args:
        networks: networks of the same sizes, on one device, of one floating-point type. Their parameters become
            views of the stack, so they change with it.
        momentum: momentum of all networks.
        mixed: compute products in bfloat16, sums and updates in single precision.

    Raises:
        ValueError: the networks have different shapes, or there is not one rate and one weight decay for each network.

    Example:
        >>> stack = StackedMLP([MLP(3, 8, 2, 1), MLP(3, 8, 2, 1)], rates=[0.1, 0.2], weight_decays=[0.0, 1e-3])
        >>> stack.step(torch.zeros(5, 3), torch.zeros(5, 1), torch.tensor([[0, 1], [2, 3]])).shape
        torch.Size([2])
    """

    def __init__(
        self,
        networks: Sequence[MLP],
        *,
        rates: Sequence[float],
        weight_decays: Sequence[float],
        momentum: float = 0.9,
        mixed: bool = False,
    ):
        shapes = {tuple(p.shape for p in network.parameters()) for network in networks}
        if len(shapes) != 1 or not len(networks) == len(rates) == len(weight_decays):
            raise ValueError(
                f"a stack is of networks of one shape, with a rate and a weight decay each: got {len(networks)} "
                f"networks of {len(shapes)} shapes, {len(rates)} rates and {len(weight_decays)} weight decays"
            )
        self.networks = list(networks)
        self.momentum = momentum
        self._parameters = torch.stack([nn.utils.parameters_to_vector(n.parameters()).detach() for n in networks])
        self._velocities = torch.zeros_like(self._parameters)
        self._gradients = torch.zeros_like(self._parameters)
        self._initial_rates = self._parameters.new_tensor(rates)[:, None]
        self._rates = self._initial_rates.clone()
        self._weight_decays = self._parameters.new_tensor(weight_decays)[:, None]
        self._type = torch.bfloat16 if mixed else self._parameters.dtype
        self._weights, self._biases = self._layers(self._parameters)
        self._weight_gradients, self._bias_gradients = self._layers(self._gradients)
        self._captured: dict[tuple[torch.Size, int, int], _Captured] = {}
        for network, row in zip(networks, self._parameters, strict=True):
            for parameter, view in zip(network.parameters(), self._views(row), strict=True):
                parameter.data = view

    def scale_rates(self, factor: float) -> None:
        """Multiply the initial learning rate of every network by `factor`."""
        self._rates.copy_(self._initial_rates * factor)

    @torch.no_grad()
    def epoch(
        self, x: Float[Tensor, "n d"], y: Float[Tensor, "n t"], order: Int[Tensor, "m n"], batch_size: int
    ) -> Float[Tensor, "m steps"]:
        """Make one pass over the rows, in one order for each network; returns each batch's loss before its update."""
        batches = order.split(batch_size, dim=1)
        losses = torch.empty(len(self.networks), len(batches), dtype=self._parameters.dtype, device=x.device)
        for number, rows in enumerate(batches):
            losses[:, number] = self._replayed(x, y, rows) if x.is_cuda else self.step(x, y, rows)
        return losses

    @torch.no_grad()
    def step(self, x: Float[Tensor, "n d"], y: Float[Tensor, "n t"], rows: Int[Tensor, "m b"]) -> Float[Tensor, " m"]:
        """Make one update of every network on its own batch; returns the losses before the update."""
        weights = [weight.to(self._type) for weight in self._weights]
        *inputs, output = [after for _, after in self._activations(x[rows].to(self._type), weights)]
        error = output.to(self._parameters.dtype) - y[rows]
        losses = error.square().mean((1, 2))
        gradient = error.mul_(2 / error[0].numel()).to(self._type)
        for layer in reversed(range(len(weights))):
            if self._biases:
                self._bias_gradients[layer].copy_(gradient.sum(1, keepdim=True))
            if self._type == self._parameters.dtype:
                torch.bmm(gradient.mT, inputs[layer], out=self._weight_gradients[layer])
            else:
                self._weight_gradients[layer].copy_(torch.bmm(gradient.mT, inputs[layer]))
            if layer:
                gradient = torch.bmm(gradient, weights[layer]).mul_(inputs[layer] > 0)
        self._gradients.addcmul_(self._parameters, self._weight_decays)
        self._velocities.mul_(self.momentum).add_(self._gradients)
        self._parameters.addcmul_(self._velocities, self._rates, value=-1)
        return losses

    @torch.no_grad()
    def evaluate(self, x: Float[Tensor, "n d"], y: Float[Tensor, "n t"]) -> list[float]:
        """Mean squared error per entry of each network over a data set."""
        total = torch.zeros(len(self.networks), dtype=torch.float64, device=x.device)
        size = rows_at_once(x)
        for a, b in zip(x.split(size), y.split(size), strict=True):
            *_, (_, output) = self._activations(self._shared(a), self._weights)
            total += (output - b).square().sum((1, 2), dtype=torch.float64)
        return (total / y.numel()).tolist()

    @torch.no_grad()
    def collect(
        self, x: Float[Tensor, "n d"], y: Float[Tensor, "n t"], *, features: Sequence[str]
    ) -> list[dict[str, list[Site]]]:
        """Result of `collect` for every network; one pass gives the moments of all sites of all networks."""
        members = len(self.networks)
        widths = [*(weight.shape[2] for weight in self._weights), self._weights[-1].shape[1]]
        moments = {
            kind: [Moments(width, y.shape[1], x.device, members=members) for width in widths] for kind in features
        }
        size = rows_at_once(x)
        for a, b in zip(x.split(size), y.split(size), strict=True):
            updates = (
                partial(moments[kind][site].update, before if kind == "pre" else after, b)
                for site, (before, after) in enumerate(self._activations(self._shared(a), self._weights))
                for kind in features
            )
            if x.is_cuda:  # sites one after the other, so that only one site is in memory
                for update in updates:
                    update()
            else:
                on_all_cores(operator.call, updates)
        names = [*weight_layers(self.networks[0]), OUTPUT]
        weights: list[Any] = [*self._weights, [None] * members]
        each = {kind: [one.each() for one in found] for kind, found in moments.items()}
        return [
            {
                kind: [Site(name, weight[i], own[i]) for name, weight, own in zip(names, weights, found, strict=True)]
                for kind, found in each.items()
            }
            for i in range(members)
        ]

    def state(self, member: int) -> dict[str, Any]:
        """A copy of the state of one network; with the order of its batches it decides the next update."""
        return {"parameters": self._parameters[member].clone(), "velocities": self._velocities[member].clone()}

    def restore(self, member: int, state: dict[str, Any]) -> None:
        """Continue from a result of `state`."""
        self._parameters[member].copy_(state["parameters"])
        self._velocities[member].copy_(state["velocities"])

    def _shared(self, x: Tensor) -> Tensor:
        return x.expand(len(self.networks), *x.shape)

    def _product(self, inputs: Tensor, weight: Tensor, layer: int) -> Tensor:
        if self._biases:
            return torch.baddbmm(self._biases[layer].to(inputs.dtype), inputs, weight.mT)
        return torch.bmm(inputs, weight.mT)

    def _activations(self, x: Tensor, weights: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Features of every site, (M, b, h), before and after the activation; input and output have no activation."""
        yield x, x
        for layer, weight in enumerate(weights):
            before = self._product(x, weight, layer)
            x = before.relu() if layer < len(weights) - 1 else before
            yield before, x

    def _views(self, rows: Tensor) -> list[Tensor]:
        """The parameters of one row, or of several rows, as separate tensors in the order of a network's parameters."""
        shapes = [p.shape for p in self.networks[0].parameters()]
        parts = rows.split([shape.numel() for shape in shapes], dim=-1)
        return [part.unflatten(-1, shape) for part, shape in zip(parts, shapes, strict=True)]

    def _layers(self, rows: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Weights (M, outputs, inputs), and biases (M, 1, outputs) if there are any."""
        views = self._views(rows)
        return [v for v in views if v.ndim == 3], [v[:, None] for v in views if v.ndim == 2]

    def _replayed(self, x: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        """Run `step` as a CUDA graph, which is captured at the first batch of each size and reads the data in place."""
        known = rows.shape, x.data_ptr(), y.data_ptr()
        if known not in self._captured:
            self._captured[known] = _Captured(self, x, y, rows)
        return self._captured[known].replay(rows)

    def memory(self) -> tuple[Tensor, Tensor]:
        """All tensors that a step changes."""
        return self._parameters, self._velocities


class _Captured:
    """One step as a CUDA graph; its data must stay at the same place in memory."""

    def __init__(self, stack: StackedMLP, x: Tensor, y: Tensor, rows: Tensor):
        self._rows = rows.clone()
        before = [tensor.clone() for tensor in stack.memory()]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # the first calls set up libraries, and a graph cannot record that
            for _ in range(3):
                stack.step(x, y, self._rows)
        torch.cuda.current_stream().wait_stream(side)
        for tensor, kept in zip(stack.memory(), before, strict=True):
            tensor.copy_(kept)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._losses = stack.step(x, y, self._rows)

    def replay(self, rows: Tensor) -> Tensor:
        """Run the step on other rows."""
        self._rows.copy_(rows)
        self._graph.replay()
        return self._losses
