"""The cell of a notebook that declares its parameters, read as the Python that it is."""

from __future__ import annotations

import ast
import io
import tokenize
from typing import Any

from nrc_core.errors import ConfigError, shown
from nrc_core.sections.parameters import PLAIN, kind_of

Declared = dict[str, dict[str, str]]
# What may stand beside parameters: it declares none.
IGNORED = (ast.Import, ast.ImportFrom, ast.Pass, ast.Expr)


def read_parameters(source: str, owner: str) -> Declared:
    """Name -> {type, default, help} of a cell with a line ``name: type = default  # help`` for each parameter.

    A type that is not declared is that of the default: a number, text, a list of either; none if the default is None
    or computed. The help is the comment at the end of the line, or of the last one if there are several.

    Args:
        owner: in errors, whose cell it is.

    Raises:
        ConfigError: a line that is no Python, or that declares something else than a parameter with a default.

    Example:
        >>> read_parameters("note: str = 'a=b'  # kept\\nrate = 1e-3", "a notebook")["note"]
        {'type': 'str', 'default': "'a=b'", 'help': 'kept'}
    """
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        line = getattr(error, "lineno", None) or 1
        raise _refused(owner, source, line, "is no Python") from None
    comments = _comments(source)
    found: Declared = {}
    for statement in body:
        if isinstance(statement, IGNORED):
            continue
        name, annotation, value = _assignment(statement)
        if name is None or value is None:
            raise _refused(owner, source, statement.lineno, "is not `name: type = default`")
        if name in found:
            raise _refused(owner, source, statement.lineno, "declares a parameter for the second time")
        comment = comments.get(statement.end_lineno or statement.lineno, comments.get(statement.lineno, ""))
        found[name] = {
            "type": _type_of(value) if annotation is None else kind_of(annotation),
            "default": " ".join((ast.get_source_segment(source, value) or ast.unparse(value)).split()),
            "help": comment,
        }
    return found


def _assignment(statement: ast.stmt) -> tuple[str | None, str | None, ast.expr | None]:
    """Name, annotation and value of a statement that assigns to one name; no name if it does something else."""
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return statement.target.id, ast.unparse(statement.annotation), statement.value
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        (target,) = statement.targets
        return (target.id if isinstance(target, ast.Name) else None), None, statement.value
    return None, None, None


def _type_of(default: ast.expr) -> str:
    """The type of a parameter that declares none, by its default."""
    try:
        return _type_of_value(ast.literal_eval(default))
    except (ValueError, TypeError, MemoryError, RecursionError):
        return ""


def _type_of_value(value: Any) -> str:
    if isinstance(value, list | tuple):
        kinds = {_type_of_value(item) for item in value}
        return f"list[{kinds.pop()}]" if len(kinds) == 1 and kinds <= set(PLAIN) else ""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "str" if isinstance(value, str) else ""


def _comments(source: str) -> dict[int, str]:
    """By line, the text of its comment."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ").strip() for token in tokens if token.type == tokenize.COMMENT}


def _refused(owner: str, source: str, line: int, what: str) -> ConfigError:
    lines = source.splitlines()
    text = lines[line - 1].strip() if line <= len(lines) else ""
    return ConfigError(f"{owner}, parameters cell, line {line}: {shown(text)} {what}: mend the line")
