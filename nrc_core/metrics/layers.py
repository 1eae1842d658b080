"""The layers of a network whose inputs are sites: which they are, what each takes, and its weight as a matrix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from nrc_core.errors import ConfigError, shown, suggestion

WeightLayer = (
    nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
QUANTISED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized", "torch.nn.quantized")


def kind_of(layer: WeightLayer) -> type[nn.Module]:
    """The class of torch that a layer is of."""
    return next(kind for kind in get_args(WeightLayer) if isinstance(layer, kind))


def weight_matrix(layer: WeightLayer) -> Float[Tensor, "rows h"]:
    """The weight of a layer as a matrix with one column per input unit or input channel.

    A convolution's filters (c_out, c_in, k, k) become (c_out k k, c_in), as in the Deep NRC paper,
    section 4.2; those of a transposed one, (c_in, c_out, k, k), become the same.

    Raises:
        ConfigError: a convolution in groups.

    Example:
        >>> weight_matrix(nn.Conv1d(3, 5, 2)).shape, weight_matrix(nn.ConvTranspose1d(3, 5, 2)).shape
        (torch.Size([10, 3]), torch.Size([10, 3]))
    """
    weight = layer.weight.detach()
    if isinstance(layer, nn.Linear):
        return weight
    if layer.groups != 1:
        raise ConfigError(f"grouped convolutions have no one input subspace: groups = {layer.groups}, use groups = 1")
    return weight.movedim(0 if isinstance(layer, TRANSPOSED) else 1, -1).reshape(-1, layer.in_channels)


def channels_first(layer: nn.Module | None) -> bool:
    """Whether the features of a layer's input stand before its positions; a linear layer has them last."""
    return not isinstance(layer, nn.Linear)


def weight_layers(model: nn.Module, sites: Sequence[str] | None = None) -> dict[str, WeightLayer]:
    """The layers whose inputs are sites: those in `sites`, or that the network names so, else all with a weight matrix.

    A part of the network may have an attribute `sites` too, with its own names: it says which layers count in there.

    Raises:
        ConfigError: `sites` are not names, or one of no linear or convolutional layer.
    """
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, WeightLayer)}
    named = _named(model, list(layers)) if sites is None else _names(sites)
    if named is None:
        return layers
    by_any_name = {name: one for name, one in model.named_modules(remove_duplicate=False) if one in layers.values()}
    for name in named:
        if name not in by_any_name:
            others = dict(model.named_modules())
            is_other = f"it is a {type(others[name]).__name__}, " if name in others else ""
            hint = is_other + suggestion(name, list(layers), "there is")
            raise ConfigError(f"`sites` names no linear or convolutional layer with {name!r}: {hint}")
    return {name: by_any_name[name] for name in named}


def _named(model: nn.Module, layers: list[str]) -> list[str] | None:
    """What the attributes `sites` of a network and its parts name; None if there are none."""
    named = None
    for part, module in model.named_modules():
        own = getattr(module, "sites", None)
        if not isinstance(own, str | list | tuple | set | frozenset):  # something else of that name
            continue
        if not part:
            return _names(own)
        inside = f"{part}."
        outside = [name for name in (layers if named is None else named) if not name.startswith(inside)]
        named = [*outside, *(inside + name for name in _names(own))]
    return named


def _names(sites: Any) -> list[str]:
    names = [sites] if isinstance(sites, str) or not isinstance(sites, Iterable) else list(sites)
    if isinstance(sites, str) or not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"`sites` must be a list of names of layers: got {shown(sites)}")
    return names


def given_to(arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    """What a layer was called with, in its place or by name."""
    return arguments[0] if arguments else next(iter(keywords.values()), None)


def unwrapped(model: Any, sites: Sequence[str] | None = None) -> tuple[nn.Module, Sequence[str] | None]:
    """The network inside the wrappers of torch.compile and of data parallelism, and its sites by their names there.

    Raises:
        ConfigError: no torch module, a scripted one, or one whose weights are not there yet.
    """
    if not isinstance(model, nn.Module):
        raise ConfigError(f"model must be a torch module, as in measure(model, x, y): got a {type(model).__name__}")
    prefixes = []
    while (inside := _inside(model)) is not None:
        name, network = inside
        sites = getattr(model, "sites", None) if sites is None else sites
        prefixes.append(f"{name}.")
        model = network
    if isinstance(model, torch.jit.ScriptModule):
        raise ConfigError(
            "the layers of a scripted or traced network cannot be listened to: give the module it was made of"
        )
    if lazy := [name for name, parameter in model.named_parameters() if is_lazy(parameter)]:
        raise ConfigError(f"{lazy[0]!r} of a lazy layer has no values yet: run the network once before it is measured")
    if absent := [name for name, one in chain(model.named_parameters(), model.named_buffers()) if one.is_meta]:
        raise ConfigError(f"{absent[0]!r} has no values, it is on the meta device: load the weights first")
    prefix = "".join(prefixes)
    return model, sites if sites is None else [name.removeprefix(prefix) for name in _names(sites)]


def _inside(model: nn.Module) -> tuple[str, nn.Module] | None:
    """What a wrapper holds, and under which name."""
    if isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
        return "_orig_mod", inner
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return "module", model.module
    return None


def opaque(model: nn.Module) -> dict[str, str]:
    """Parts of a network that are compiled or quantised, with their kind: no layer inside them can be listened to."""
    found: dict[str, str] = {}
    for name, module in model.named_modules():
        if any(name.startswith(f"{outer}.") for outer in found):
            continue
        if isinstance(module, torch.jit.ScriptModule):
            found[name] = "scripted"
        elif type(module).__module__.startswith(QUANTISED):
            found[name] = "quantised"
    return found


def adapters(model: nn.Module) -> list[str]:
    """Wrappers of a layer that add to its weight, as the library peft makes them."""
    return [
        name for name, module in model.named_modules() if isinstance(getattr(module, "base_layer", None), nn.Module)
    ]
