"""What a forward pass is made of: from which layers each tensor comes, and which weights no layer applies."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from itertools import chain
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

INPUT = "the input"  # the origin of what no layer has made
# Operations of torch that multiply by a weight, by the name of their function.
PRODUCTS = frozenset(
    (
        "linear", "bilinear", "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "mv", "addmm", "addbmm", "baddbmm",
        "addmv", "inner", "dot", "einsum", "tensordot", "chain_matmul", "multi_dot", "conv1d", "conv2d", "conv3d",
        "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "conv_tbc", "lstm", "gru", "rnn_tanh", "rnn_relu",
        "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell", "multi_head_attention_forward",
        "_native_multi_head_attention", "_transformer_encoder_layer_fwd", "_grouped_mm", "_scaled_mm", "cdist",
    )
)  # fmt: skip
# Those that are a product where they are followed by a sum, with a matrix or more.
ELEMENTWISE = frozenset(("mul", "multiply", "__mul__", "__rmul__", "__imul__", "mul_", "addcmul"))
# Operations that put features into another order, or may.
MOVES = frozenset(
    (
        "flip", "fliplr", "roll", "rot90", "sort", "msort", "gather", "take_along_dim", "index_select",
        "channel_shuffle", "pixel_shuffle", "pixel_unshuffle",
    )
)  # fmt: skip
TRANSPOSES = frozenset(
    ("transpose", "swapaxes", "swapdims", "permute", "movedim", "moveaxis", "t", "adjoint", "__get__", "einsum")
)
MOVED, TRANSPOSED = "moved features", "transposed axes"  # what else an activation may come from


class Trace(TorchFunctionMode):
    """Follows the operations of torch while it is entered, by their arguments and results.

    A tensor that descends from the inputs has *origins*: the last layers on the ways to it. One that descends from
    parameters alone is a *weight*, such as the sum of a stored weight and a product of two others.

    Attributes:
        outside: the parameters and buffers that activations were multiplied by outside of the layers listened to, in
            order.
    """

    def __init__(self, model: nn.Module, inputs: tuple[Tensor, ...]):
        super().__init__()
        self.outside: dict[str, None] = {}
        self._weights = WeakTensorKeyDictionary()  # names of the parameters in it
        self._origins = WeakTensorKeyDictionary()
        self._inside = 0
        for name, stored in chain(model.named_parameters(), model.named_buffers()):
            self._weights[stored] = frozenset({name})
        for one in inputs:
            self._origins[one] = frozenset({INPUT})

    def enter(self) -> None:
        """A layer begins to run."""
        self._inside += 1

    def leave(self, name: str, output: Tensor) -> None:
        """It has run."""
        self._inside -= 1
        self._origins[output] = frozenset({name})

    def origins(self, tensor: Tensor) -> frozenset[str]:
        """The layers that an activation comes from, with no layer between; none if that is not known."""
        return self._origins.get(tensor, frozenset())

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        keywords = kwargs or {}
        result = function(*args, **keywords)
        name = getattr(function, "__name__", "").partition(".")[0]  # without the overload of an operator, mm.default
        made = [*tensors(result), *tensors(args[:1])] if name == "__setitem__" else list(tensors(result))
        if made:
            self._follow(name, list(tensors([args, keywords])), made)
        return result

    def _follow(self, name: str, given: list[Tensor], made: list[Tensor]) -> None:
        active = [one for one in given if one in self._origins]
        weights = [one for one in given if one not in self._origins and self._weights.get(one)]
        if not active:
            parameters = frozenset().union(*(self._weights[one] for one in weights))
            for one in made if parameters else []:
                self._weights[one] = parameters
            return
        origins = frozenset().union(*(self._origins[one] for one in active))
        if not self._inside:
            parameters = frozenset().union(*(self._weights[one] for one in weights if _multiplies(name, one)))
            self.outside.update(dict.fromkeys(sorted(parameters)))
            origins |= parameters  # so that no layer is taken for the only one it comes from
            if name in MOVES or name in PRODUCTS:
                origins |= {MOVED}
            if name in TRANSPOSES:
                origins |= {TRANSPOSED}
        for one in made:
            self._origins[one] = origins


def _multiplies(name: str, weight: Tensor) -> bool:
    """Whether an operation multiplies by a weight as a layer does: masks and scales, one number a feature, do not."""
    if name in ELEMENTWISE:
        return isinstance(weight, nn.Parameter) and sum(size > 1 for size in weight.shape) > 1
    return name in PRODUCTS and weight.ndim > 1


def tensors(values: Any) -> Iterator[Tensor]:
    """All tensors in nested lists, tuples and dictionaries."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, dict):
        yield from tensors(list(values.values()))
    elif isinstance(values, list | tuple):
        for value in values:
            yield from tensors(value)


def owners(model: nn.Module, parameters: Iterable[str], layers: Container[str] = ()) -> list[str]:
    """The modules that parameters and buffers are of, with their kind; those of the network itself by their own name.

    So it is with one of `layers`, which applied it too.

    Example:
        >>> owners(nn.ModuleDict({"rnn": nn.LSTM(2, 3)}), ["rnn.weight_ih_l0", "rnn.weight_hh_l0"])
        ['rnn (LSTM)']
    """
    found: dict[str, str] = {}
    buffers = dict(model.named_buffers())
    for name in parameters:
        owner, inside, _ = name.partition(".parametrizations.")
        if not inside:
            owner = name.rpartition(".")[0]
        if owner in layers or not owner:
            found[name] = f"{name} (a {'buffer' if name in buffers else 'parameter'})"
        else:
            found[owner] = f"{owner} ({type(model.get_submodule(owner)).__name__})"
    return [words for owner, words in found.items() if not any(owner.startswith(f"{other}.") for other in found)]
