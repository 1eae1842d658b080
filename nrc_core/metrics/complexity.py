"""Geometric complexity: how fast the features of a network change with its input, on average over samples."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from nrc_core.errors import ConfigError, shown, suggestion
from nrc_core.metrics.arrays import Matrix, as_tensor, check_finite
from nrc_core.metrics.batches import errors_in_a_line
from nrc_core.metrics.layers import given_to, unwrapped
from nrc_core.metrics.sites import evaluating, keeping_buffers

# They bound the memory: so many samples pass the network at a time.
VECTORS_AT_ONCE = 1024
OTHERS_AT_ONCE = 64


def geometric_complexity(model: nn.Module, x: Matrix, *, layer: str | None = None) -> float:
    """Geometric complexity: mean squared Frobenius norm of the Jacobian of the features with respect to the input.

    ``1/n sum_i ||d f(x_i) / d x_i||_F^2`` with f the features of one sample, all their entries in a row (Dherin, Munn,
    Rosca and Barrett, *Why neural networks find simple solutions*, 2022; for hidden features Munn, Dherin and
    Gonzalvo, 2024). It is exact: one gradient for every feature, in evaluation mode and in the number type of the
    network, added up in float64. Every sample passes the network alone. Range [0, inf); 0 if the features are constant
    around the samples.

    Args:
        model: any module that takes one tensor; for a compiled or data-parallel one, the network inside is used.
        x: inputs (n, ...). They are converted to the type of the network and moved to its device.
        layer: name of a module as in `named_modules`; the features are then the input of this module. The features are
            the output of the network unless it is given. Feature maps count with every entry.

    Raises:
        ConfigError: x is empty, not finite or without columns; the network cannot run on x or gives no tensor; there is
            no module of this name, it does not run, it runs twice, or its input is not a tensor of real numbers.

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1))
        >>> _ = network[0].weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
        >>> geometric_complexity(network, np.array([[1.0, 1.0], [1.0, -1.0]]), layer="2")
        3.0
    """
    network, names = unwrapped(model, None if layer is None else [layer])
    rows = _inputs(network, x)
    at_once = VECTORS_AT_ONCE if rows.ndim == 2 else OTHERS_AT_ONCE
    with evaluating(network), keeping_buffers(network), _features(network, names) as features:
        total = sum(_squared_norms(features, some) for some in rows.split(at_once))
    return float(total) / len(rows)


def _inputs(network: nn.Module, x: Matrix) -> Tensor:
    """The inputs in the number type and on the device of the network."""
    rows = as_tensor(x, "x")
    if rows.ndim < 2 or 0 in rows.shape:
        raise ConfigError(f"x must have one row a sample, with columns, not empty: got shape {tuple(rows.shape)}")
    check_finite(rows, "x")
    like = next((one for one in network.parameters() if one.is_floating_point()), None)
    if like is None:
        return rows if rows.is_floating_point() else rows.double()
    return rows.to(like.device, like.dtype)


@contextmanager
def _features(network: nn.Module, names: Any) -> Iterator[Callable[[Tensor], Tensor]]:
    """A function from one sample to its features, all entries in a row."""
    heard: list[Tensor] = []
    kind = type(network).__name__

    def run(row: Tensor) -> Tensor:
        heard.clear()
        # A copy, since the network may change its input.
        with errors_in_a_line(f"{kind} cannot run on a sample of x of shape {(1, *row.shape)}"):
            result = network(row.clone()[None])
        if names is None:
            return _flat(result, f"the output of {kind}")
        if not heard:
            raise ConfigError(f"layer {names[0]!r} did not run: give a layer that runs in a forward pass")
        return heard[0]

    if names is None:
        yield run
        return
    hook = _module(network, names[0]).register_forward_pre_hook(partial(_hear, heard, names[0]), with_kwargs=True)
    try:
        yield run
    finally:
        hook.remove()


def _module(network: nn.Module, name: str) -> nn.Module:
    modules = dict(network.named_modules(remove_duplicate=False))
    if name not in modules:
        raise ConfigError(f"the network has no layer {shown(name)}: {suggestion(name, list(modules), 'there is')}")
    return modules[name]


def _hear(heard: list[Tensor], name: str, module: nn.Module, arguments: tuple, keywords: dict) -> None:
    """Keep a copy of a layer's input, since the layer may change it."""
    if heard:
        raise ConfigError(f"layer {name!r} ran twice in one pass: a shared layer has no one input, give it copies")
    heard.append(_flat(given_to(arguments, keywords), f"the input of layer {name!r}").clone())


def _flat(value: Any, what: str) -> Tensor:
    if not isinstance(value, Tensor) or not value.is_floating_point():
        got = value.dtype if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise ConfigError(f"{what} must be a tensor of real numbers: got {got}; name a layer whose input is one")
    return value.flatten()


def _squared_norms(features: Callable[[Tensor], Tensor], rows: Float[Tensor, "n ..."]) -> float:
    """Sum over the rows of the squared norm of the Jacobian.

    Every sample has its own features, so the gradient of one feature, summed over samples, is that feature's gradient
    for each of the samples.
    """
    rows, total = rows.detach().clone().requires_grad_(), 0.0
    # The fused forms of attention have no rule for several samples that pass alone.
    with torch.enable_grad(), errors_in_a_line("the Jacobian cannot be computed"), sdpa_kernel(SDPBackend.MATH):
        values = torch.func.vmap(features)(rows)
        if not values.requires_grad:  # nothing in the features hangs on the samples
            return total
        # Scalars, since the gradients of `torch.func` and those of several entries import the compiler at first use,
        # which takes seconds.
        for feature in values.sum(0):
            (gradients,) = torch.autograd.grad(feature, rows, retain_graph=True, materialize_grads=True)
            total += gradients.double().square().sum().item()
    return total
