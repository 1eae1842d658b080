"""The layers of a network whose inputs are sites: their names, their inputs, and their weights as matrices."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

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


def weight_matrix(layer: WeightLayer) -> Float[Tensor, "rows h"]:
    """The weight of a layer as a matrix with one column per input unit or input channel.

    Filters (c_out, c_in, k, k) of a convolution become (c_out k k, c_in), as in the Deep NRC paper,
    section 4.2. Filters (c_in, c_out, k, k) of a transposed convolution become (c_out k k, c_in) too.

    Raises:
        ConfigError: the layer is a grouped convolution.

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


def weight_matrices(model: nn.Module) -> dict[str, Float[Tensor, "rows h"]]:
    """The `weight_matrix` of each of the `weight_layers`."""
    return {name: weight_matrix(layer) for name, layer in weight_layers(model).items()}


def channels_first(layer: nn.Module | None) -> bool:
    """Whether the feature axis of a layer's input comes before the position axes; in a linear layer it is last."""
    return not isinstance(layer, nn.Linear)


def weight_layers(model: nn.Module, sites: Sequence[str] | None = None) -> dict[str, WeightLayer]:
    """The layers whose inputs are sites: the layers in `sites`, else in the network's attribute `sites`, else all.

    "All" means all linear and convolutional layers. A part of the network may also have an attribute `sites`, with
    names inside that part. It says which layers of the part count.

    Raises:
        ConfigError: `sites` are not names, or a name is not the name of a linear or convolutional layer.
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
    """The names in the attributes `sites` of a network and its parts; None without such attributes."""
    named = None
    for part, module in model.named_modules():
        own = getattr(module, "sites", None)
        if not isinstance(own, str | list | tuple | set | frozenset):  # an attribute with another meaning
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
    """The input that a layer was called with, as a positional or a keyword argument."""
    return arguments[0] if arguments else next(iter(keywords.values()), None)


def unwrapped(model: Any, sites: Sequence[str] | None = None) -> tuple[nn.Module, Sequence[str] | None]:
    """The network inside the wrappers of torch.compile and of data parallelism, and the names of its sites there.

    Raises:
        ConfigError: the model is not a torch module, is scripted, or has weights without values.
    """
    if not isinstance(model, nn.Module):
        raise ConfigError(f"model must be a torch module, as in measure(model, x, y): got a {type(model).__name__}")
    prefix = ""
    while name := _inside(model):
        sites = getattr(model, "sites", None) if sites is None else sites
        prefix += f"{name}."
        model = getattr(model, name)
    if isinstance(model, torch.jit.ScriptModule):
        raise ConfigError(
            "the layers of a scripted or traced network cannot be listened to: give the module it was made of"
        )
    if lazy := [name for name, parameter in model.named_parameters() if is_lazy(parameter)]:
        raise ConfigError(f"{lazy[0]!r} of a lazy layer has no values yet: run the network once before it is measured")
    if absent := [name for name, one in chain(model.named_parameters(), model.named_buffers()) if one.is_meta]:
        raise ConfigError(f"{absent[0]!r} has no values, it is on the meta device: load the weights first")
    return model, sites if sites is None else [name.removeprefix(prefix) for name in _names(sites)]


def _inside(model: nn.Module) -> str | None:
    """The name of the network inside a wrapper; None if the model is not a wrapper."""
    if isinstance(getattr(model, "_orig_mod", None), nn.Module):
        return "_orig_mod"
    return "module" if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel) else None


def opaque(model: nn.Module) -> dict[str, str]:
    """Parts of a network that are scripted or quantised, with their kind; layers inside them cannot be observed."""
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
    """Names of the wrappers that add to the weight of a layer, such as adapters of the library peft."""
    return [
        name for name, module in model.named_modules() if isinstance(getattr(module, "base_layer", None), nn.Module)
    ]
