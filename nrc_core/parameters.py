"""Parameters from text, by their declared types, and what an experiment takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nrc_core.errors import ConfigError, shown, suggestion


def coerce(name: str, value: Any, kind: str) -> Any:
    """A parameter's value, from text if need be, by its declared type.

    Types: int, float, bool, str, list[int], list[str], each also as Optional[...].

    Raises:
        ConfigError: the value does not fit the type.

    Example:
        >>> coerce("weight_decay", "1e-3", "float"), coerce("seeds", "0,1", "list[int]")
        (0.001, [0, 1])
    """
    inner = kind.removeprefix("Optional[").removesuffix("]") if kind.startswith("Optional[") else kind
    if inner != kind and (value is None or value == "None"):
        return None
    if inner.startswith("list["):
        items = [item for item in value.split(",") if item] if isinstance(value, str) else value
        if not isinstance(items, list):
            raise ConfigError(f"{name} must be of type {inner}, as in {name}=a,b: got {shown(value)}")
        return [coerce(name, item, inner.removeprefix("list[").removesuffix("]")) for item in items]
    try:
        if inner == "str" and isinstance(value, str):
            return value
        if inner == "bool" and str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        if inner == "int" and not isinstance(value, bool | float):
            return int(value)
        if inner == "float" and not isinstance(value, bool):
            return float(value)
    except (TypeError, ValueError):
        pass
    raise ConfigError(f"{name} must be of type {inner}: got {shown(value)}")


def check_known(name: str, known: Iterable[str], owner: str) -> None:
    """Raise ConfigError, with a suggestion, unless `name` is known."""
    known = list(known)
    if name not in known:
        raise ConfigError(f"{owner} has no parameter {name!r}: {suggestion(name, known, 'it takes')}")


def experiment_parameters(experiment: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values with the types that the experiment function declares.

    Raises:
        ConfigError: an unknown name or a wrong type.
    """
    declared = inspect.signature(experiment).parameters
    values = {}
    for name, value in given.items():
        check_known(name, declared, experiment.__name__)
        values[name] = coerce(name, value, _kind(declared[name].annotation))
    return values


def _kind(annotation: str) -> str:
    """`Sequence[int]` as `list[int]`, `float | None` as `Optional[float]`."""
    plain = annotation.removesuffix(" | None").replace("Sequence[", "list[")
    return f"Optional[{plain}]" if annotation.endswith(" | None") else plain
