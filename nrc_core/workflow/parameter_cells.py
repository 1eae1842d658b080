"""The cell of a notebook that declares its parameters, read as Python code."""

import ast
import io
import tokenize

from nrc_core.errors import ConfigError, shown
from nrc_core.sections.parameters import kind_of

Declared = dict[str, dict[str, str]]
PLAIN = {bool: "bool", int: "number", float: "number", str: "str"}  # types of defaults, as `coerce` names them


def read_parameters(source: str, owner: str) -> Declared:
    """Name -> {type, default, help} of a cell with a line ``name: type = default  # help`` for each parameter.

    If no type is declared, it is the type of the default: number, text, or a list of one of these. The type is empty if
    the default is None or computed. The help is the comment at the end of the line, or at the end of the last line if a
    parameter has several lines.

    Args:
        owner: the owner of the cell, for error messages.

    Raises:
        ConfigError: a line is not Python, or declares anything but a parameter with a default.

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
    declared: Declared = {}
    for statement in body:
        match statement:
            case ast.AnnAssign(target=ast.Name(name), annotation=annotation, value=ast.expr() as default):
                kind = kind_of(ast.unparse(annotation))
            case ast.Assign(targets=[ast.Name(name)], value=default):
                kind = _kind_of_default(default)
            case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Expr():
                continue  # it declares nothing
            case _:
                raise _refused(owner, source, statement.lineno, "is not `name: type = default`")
        if name in declared:
            raise _refused(owner, source, statement.lineno, "declares a parameter for the second time")
        declared[name] = {
            "type": kind,
            "default": " ".join((ast.get_source_segment(source, default) or ast.unparse(default)).split()),
            "help": comments.get(statement.end_lineno or statement.lineno, comments.get(statement.lineno, "")),
        }
    return declared


def _kind_of_default(default: ast.expr) -> str:
    """The type of a default; empty for None, a computed default or a list of several types."""
    try:
        value = ast.literal_eval(default)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return ""
    if isinstance(value, list | tuple):
        kinds = {PLAIN.get(type(item), "") for item in value}
        kind = kinds.pop() if len(kinds) == 1 else ""
        return f"list[{kind}]" if kind else ""
    return PLAIN.get(type(value), "")


def _comments(source: str) -> dict[int, str]:
    """The text of the comment on each line, by line number."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ").strip() for token in tokens if token.type == tokenize.COMMENT}


def _refused(owner: str, source: str, line: int, what: str) -> ConfigError:
    lines = source.splitlines()
    text = lines[line - 1].strip() if line <= len(lines) else ""
    return ConfigError(f"{owner}, parameters cell, line {line}: {shown(text)} {what}: mend the line")
