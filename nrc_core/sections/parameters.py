"""Parameters of experiments: their declared types, and how text becomes a value."""

import ast
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from nrc_core.errors import ConfigError, shown, suggestion

Given = ParamSpec("Given")
Returned = TypeVar("Returned")
PLAIN = ("int", "float", "bool", "str", "number")
LISTS = ("list", "List", "Sequence", "Iterable", "tuple", "Tuple")
EXACT = 2**53  # every whole number up to here is also a float


def kind_of(annotation: str) -> str:
    """The type that an annotation declares, as `coerce` names it; the annotation itself if `coerce` does not know it.

    Example:
        >>> kind_of("int | None"), kind_of("Sequence[float]"), kind_of("typing.Optional[List['str']]")
        ('Optional[int]', 'list[float]', 'Optional[list[str]]')
    """
    kinds = list(dict.fromkeys(_alternatives(annotation)))
    if kinds == ["None"]:
        return "None"
    named = " | ".join(kind for kind in kinds if kind != "None")
    return f"Optional[{named}]" if "None" in kinds else named


def _alternatives(annotation: str) -> list[str]:
    """The types that a value may have, with "None" among them; one type without an Optional, a Union or a |."""
    try:
        node = ast.parse(annotation, mode="eval").body
    except SyntaxError:
        return [annotation]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _alternatives(node.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _alternatives(ast.unparse(node.left)) + _alternatives(ast.unparse(node.right))
    if isinstance(node, ast.Subscript):
        base, inner = ast.unparse(node.value).split(".")[-1], node.slice
        items = [ast.unparse(item) for item in (inner.elts if isinstance(inner, ast.Tuple) else [inner])]
        if base in ("Optional", "Union"):
            items += ["None"] if base == "Optional" else []
            return [kind for item in items for kind in _alternatives(item)]
        if base in LISTS and (len(items) == 1 or items[1] == "..."):
            return [f"list[{kind_of(items[0])}]"]
    return [ast.unparse(node).removeprefix("typing.")]


def coerce(name: str, value: Any, kind: str) -> Any:
    """Convert a parameter's value, which may be text, to its declared type.

    Types: int, float, bool, str, number (int or float), list[int], list[str], ..., each also as Optional[...]. A list
    is written as on the command line or as in Python: ``0,1`` or ``[0, 1]``. Whole numbers may be written as ``1e3``.
    For any other type, text is refused and other values stay as they are. The type "" takes any Python literal; text
    that is not a literal stays text.

    Raises:
        ConfigError: the value does not fit the type.

    Example:
        >>> coerce("weight_decay", "1e-3", "float"), coerce("seeds", "0,1", "list[int]"), coerce("epochs", "1e3", "int")
        (0.001, [0, 1], 1000)
        >>> coerce("targets", "['y, 1', 'y2']", "list[str]"), coerce("targets", "[y1, y2]", "list[str]")
        (['y, 1', 'y2'], ['y1', 'y2'])
    """
    inner = kind.removeprefix("Optional[").removesuffix("]") if kind.startswith("Optional[") else kind
    if inner != kind and (value is None or value == "None"):
        return None
    if inner.startswith("list["):
        item_kind = inner.removeprefix("list[").removesuffix("]")
        items = _items(name, value, inner, item_kind) if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise ConfigError(f"{name} must be of type {inner}, as in {name}=a,b: got {shown(value)}")
        return [coerce(name, item, item_kind) for item in items]
    if inner == "":
        return _literal(value)
    if inner not in PLAIN:
        if isinstance(value, str):
            raise ConfigError(f"{name} is of type {shown(inner)}, which cannot be given as text: got {shown(value)}")
        return value
    try:
        return _plain(value, inner)
    except (TypeError, ValueError):
        raise ConfigError(f"{name} must be of type {inner}: got {shown(value)}") from None


def _plain(value: Any, kind: str) -> Any:
    if kind == "str" and isinstance(value, str):
        return value
    if kind == "bool" and str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    if kind in ("int", "number") and not isinstance(value, bool | float):
        try:
            return int(value)
        except ValueError:
            whole = float(value)
            if whole.is_integer() and abs(whole) <= EXACT:
                return int(whole)
            if kind == "int":
                raise
    if kind in ("float", "number") and not isinstance(value, bool):
        return float(value)
    raise ValueError


def _literal(value: Any) -> Any:
    try:
        return ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def _items(name: str, text: str, kind: str, item_kind: str) -> list[Any]:
    """Split a list that is given as text into its items."""
    text = text.strip()
    opened = text[:1] in ("[", "(")
    if text.endswith(")") and not opened and "(" in text:
        raise ConfigError(f"{name} must be of type {kind}, written out as in {name}=0,1,2: got {shown(text)}")
    if opened != (text[-1:] in ("]", ")")):
        raise ConfigError(
            f'{name} must be of type {kind}: got {shown(text)}, half a list (in quotes, as in "{name}=[a, b]", the '
            "shell leaves its spaces alone)"
        )
    if opened:
        found = _literal(text)
        if isinstance(found, list | tuple) and (item_kind != "str" or all(isinstance(item, str) for item in found)):
            return [str(item) if isinstance(item, float) else item for item in found]  # 1e3 may be a whole number
        text = text[1:-1]
    items = [_unquoted(item.strip()) for item in text.split(",")]
    if items[-1] == "":
        items.pop()  # the text ends with a comma or is empty
    if "" in items:
        raise ConfigError(f"{name} must be of type {kind}, and an item is empty: got {shown(text)}")
    return items


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def convert(given: Mapping[str, Any], kinds: Mapping[str, str], owner: str) -> dict[str, Any]:
    """Convert the given values to the types that are declared for their names, see `coerce`.

    Raises:
        ConfigError: a name is not declared, with a suggestion, or a value has the wrong type.

    Example:
        >>> convert({"epochs": "1e3"}, {"epochs": "int", "seeds": "list[int]"}, "an experiment")
        {'epochs': 1000}
    """
    values = {}
    for name, value in given.items():
        if name not in kinds:
            raise ConfigError(f"{owner} has no parameter {name!r}: {suggestion(name, list(kinds), 'it takes')}")
        values[name] = coerce(name, value, kinds[name])
    return values


def experiment_parameters(experiment: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the given values to the types that the experiment function declares, see `convert`."""
    return convert(given, _kinds(experiment), experiment.__name__)


def _kinds(function: Callable[..., Any]) -> dict[str, str]:
    """The declared type of each parameter of a function."""
    return {name: kind_of(str(one.annotation)) for name, one in inspect.signature(function).parameters.items()}


def takes_lists(function: Callable[Given, Returned]) -> Callable[Given, Returned]:
    """Make a function accept lists as text or as a single number, as plain papermill passes them.

    Without this decorator, text would count as a sequence of letters.

    Raises (when the function is called):
        ConfigError: text that is not a list of the type in the parameter's annotation.

    Example:
        >>> @takes_lists
        ... def names(targets: "Sequence[str]"):
        ...     return targets
        >>> names("y1,y2"), names(["y1"])
        (['y1', 'y2'], ['y1'])
    """
    signature, kinds = inspect.signature(function), _kinds(function)

    @functools.wraps(function)
    def called(*positional: Given.args, **named: Given.kwargs) -> Returned:
        bound = signature.bind(*positional, **named)
        for name, value in bound.arguments.items():
            if kinds[name].startswith("list[") and isinstance(value, str | int | float):
                bound.arguments[name] = coerce(name, value if isinstance(value, str) else [value], kinds[name])
        return function(*bound.args, **bound.kwargs)

    return called
