"""Geometric complexity: how fast the features of a network change with its input, on average over samples."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
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
    around the samples. A network with recurrent layers, or one whose path depends on the values, is run on one sample
    after another, which is slower.

    Args:
        model: any module that takes one tensor; for a compiled or data-parallel one, the network inside is used.
        x: inputs (n, ...). They are converted to the type of the network and moved to its device.
        layer: name of a module as in `named_modules`; the features are then the input of this module. The features are
            the output of the network unless it is given. Feature maps count with every entry.

    Raises:
        ConfigError: x is not one array, empty, not finite or without columns; the network cannot run on x, gives no
            tensor or draws random numbers; features or derivatives are not finite; there is no module of this name, it
            does not run, it runs twice, or its input is not a tensor of real numbers.

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
        squares = torch.cat([_squared_norms(features, some) for some in rows.split(at_once)])
    if not (finite := squares.isfinite()).all():
        row = int(finite.logical_not().nonzero()[0])
        raise ConfigError(
            f"features and their derivatives must be finite: {type(network).__name__} has others, first in row {row} "
            "of x; look for weights that are not finite, and leave out samples with no derivative, as of sqrt(x) at 0"
        )
    return squares.mean().item()


def _inputs(network: nn.Module, x: Matrix) -> Tensor:
    """The inputs in the number type and on the device of the network."""
    if isinstance(x, list | tuple) and any(map(_holds_array, x)):
        raise ConfigError(
            f"x must be one array of samples: got a {type(x).__name__} of arrays; of one array for each sample, give "
            "torch.stack(x), and of pairs (x, y), the x alone"
        )
    rows = as_tensor(x, "x")
    if rows.ndim < 2 or 0 in rows.shape:
        raise ConfigError(f"x must have one row a sample, with columns, not empty: got shape {tuple(rows.shape)}")
    check_finite(rows, "x")
    like = next((one for one in network.parameters() if one.is_floating_point()), None)
    if like is None:
        return rows if rows.is_floating_point() else rows.double()
    return rows.to(like.device, like.dtype)


def _holds_array(value: Any) -> bool:
    """Whether a value is an array, or a list or tuple of some; a single number is none."""
    if isinstance(value, list | tuple):
        return any(map(_holds_array, value))
    return hasattr(value, "__array__") and np.ndim(value) > 0


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


def _squared_norms(features: Callable[[Tensor], Tensor], rows: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
    """Squared norm of the Jacobian for every row, of all in one pass if the network can do so."""
    rows = rows.detach().clone().requires_grad_()
    # The fused forms of attention have no rule for several samples that pass alone.
    with torch.enable_grad(), errors_in_a_line("the Jacobian cannot be computed"), sdpa_kernel(SDPBackend.MATH):
        values = _together(features, rows)
        if values is not None:
            return _of_gradients(values, rows)
        # The recurrent layers of cuDNN have no gradients in evaluation mode.
        with torch.backends.cudnn.flags(enabled=False):
            return torch.cat([_alone(features, row) for row in rows.detach()])


def _together(features: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor | None:
    """The features of all rows in one pass; None if the network cannot do it, as recurrent layers cannot."""
    try:
        return torch.func.vmap(features)(rows)
    except Exception:  # of any type; an error of the network itself returns with a single sample
        return None


def _alone(features: Callable[[Tensor], Tensor], row: Float[Tensor, "..."]) -> Float[Tensor, "1"]:
    """Squared norm of the Jacobian for a single row; ConfigError if the network draws random numbers."""
    rows, before = row[None].clone().requires_grad_(), _random_states(row.device)
    values = features(rows[0])[None]
    if not all(map(torch.equal, before, _random_states(row.device))):
        raise ConfigError(
            "the features of a sample must be the same in every pass: the network draws random numbers in evaluation "
            "mode, replace the module that does"
        )
    return _of_gradients(values, rows)


def _random_states(device: torch.device) -> list[Tensor]:
    """The states of the generators that a network on this device draws from."""
    states = [torch.get_rng_state()]
    return states if device.type == "cpu" else [*states, torch.get_device_module(device).get_rng_state(device)]


def _of_gradients(values: Float[Tensor, "n features"], rows: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
    """Squared norm of the Jacobian for every row; NaN where features are not finite.

    Every sample has its own features, so the gradient of one feature, summed over samples, is that feature's gradient
    for each of the samples.
    """
    total = torch.where(values.isfinite().all(1), 0.0, torch.nan).double()
    if not values.requires_grad:  # the features do not depend on the samples
        return total
    # Scalars, since the gradients of `torch.func` and those of several entries import the compiler at first use, which
    # takes seconds.
    for feature in values.sum(0):
        (gradients,) = torch.autograd.grad(feature, rows, retain_graph=True, materialize_grads=True)
        total += gradients.double().square().flatten(1).sum(1)
    return total
