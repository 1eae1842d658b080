"""Trace of a forward pass: the layers from which each tensor comes, and the weights that no layer applies."""

from collections.abc import Container, Iterable, Iterator
from itertools import chain
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

INPUT = "the input"  # the origin of a tensor that comes from the network's input without a layer between
# Operations of torch that multiply by a weight: names of the functions.
PRODUCTS = frozenset(
    (
        "linear", "bilinear", "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "mv", "addmm", "addbmm", "baddbmm",
        "addmv", "inner", "dot", "einsum", "tensordot", "chain_matmul", "multi_dot", "conv1d", "conv2d", "conv3d",
        "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "conv_tbc", "lstm", "gru", "rnn_tanh", "rnn_relu",
        "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell", "multi_head_attention_forward",
        "_native_multi_head_attention", "_transformer_encoder_layer_fwd", "_grouped_mm", "_scaled_mm", "cdist",
    )
)  # fmt: skip
# Elementwise operations. With a weight of two or more dimensions, and a sum after them, they are a product.
ELEMENTWISE = frozenset(("mul", "multiply", "__mul__", "__rmul__", "__imul__", "mul_", "addcmul"))
# Operations that change the order of features, or may change it.
MOVES = frozenset(
    (
        "flip", "fliplr", "roll", "rot90", "sort", "msort", "gather", "take_along_dim", "index_select",
        "channel_shuffle", "pixel_shuffle", "pixel_unshuffle",
    )
)  # fmt: skip
TRANSPOSES = frozenset(
    ("transpose", "swapaxes", "swapdims", "permute", "movedim", "moveaxis", "t", "adjoint", "__get__", "einsum")
)
MOVED, TRANSPOSED = "moved features", "transposed axes"  # further possible origins of an activation


class Trace(TorchFunctionMode):
    """Follow the operations of torch by their arguments and results, while the trace is entered.

    A tensor that is computed from the inputs has *origins*: the last layers on the paths to it. A tensor that is
    computed only from parameters and buffers is a *weight*, such as a stored weight plus a product of two parameters.

    Attributes:
        outside: parameters and buffers that were multiplied with activations outside of the observed layers, in order.
    """

    def __init__(self, model: nn.Module, inputs: tuple[Tensor, ...]):
        super().__init__()
        self.outside: dict[str, None] = {}
        self._weights = WeakTensorKeyDictionary()  # for each weight, the names of its parameters and buffers
        self._origins = WeakTensorKeyDictionary()
        self._inside = 0
        for name, stored in chain(model.named_parameters(), model.named_buffers()):
            self._weights[stored] = frozenset({name})
        for one in inputs:
            self._origins[one] = frozenset({INPUT})

    def enter(self) -> None:
        """Record that a layer begins to run."""
        self._inside += 1

    def leave(self, name: str, output: Tensor) -> None:
        """Record that a layer has run, and its output."""
        self._inside -= 1
        self._origins[output] = frozenset({name})

    def origins(self, tensor: Tensor) -> frozenset[str]:
        """The layers that an activation comes from, without a layer between; empty if this is not known."""
        return self._origins.get(tensor, frozenset())

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        keywords = kwargs or {}
        result = function(*args, **keywords)
        name = getattr(function, "__name__", "").partition(".")[0]  # mm for the operator mm.default
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
            origins |= parameters  # so that a single layer is not taken for the only origin
            if name in MOVES or name in PRODUCTS:
                origins |= {MOVED}
            if name in TRANSPOSES:
                origins |= {TRANSPOSED}
        for one in made:
            self._origins[one] = origins


def _multiplies(name: str, weight: Tensor) -> bool:
    """Whether an operation multiplies by a weight as a layer does. A mask or one scale per feature does not count."""
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
    """The modules that own parameters and buffers, each with its kind.

    A parameter or buffer is named itself if its owner is the whole network or one of `layers`.

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
