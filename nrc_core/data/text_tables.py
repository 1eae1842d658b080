"""CSV and TSV tables: encoding, separator and decimal sign are recognised if there is no doubt about them."""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from nrc_core.data.table_columns import Content, check_whole_numbers, from_arrow
from nrc_core.errors import shown

SEPARATORS = {",": "','", ";": "';'", "\t": "tabs", "|": "'|'"}  # and their names
EMPTY = [*pa.csv.ConvertOptions().null_values, "None", "<NA>"]
_SAMPLE = 20  # lines that must agree with the header on the number of fields
_SEP = re.compile(r'"?sep=(.)"?')  # the first line of a spreadsheet's CSV
_QUOTED = re.compile(r'"[^"]*"')
_NUMBER = re.compile(
    r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?|[+-]?(nan|inf(inity)?)|true|false", re.ASCII | re.IGNORECASE
)
_LONG = re.compile(rb"(?<![\w.])[+-]?\d{16,}(?![\w.])")
_COMMA = r"^\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*$"
_THOUSANDS = r"^\s*[+-]?[1-9]\d{0,2}(,\d{3})+\s*$"  # 1,000 may be a thousand, or one with three decimals
# Other formats by their first bytes; a longer mark stands before a shorter one.
_OTHERS = {
    b"\x1f\x8b": "gzip: end its name in .gz",
    b"PK\x03\x04": "Excel or zip: convert it with pd.read_excel(...).to_csv(...), or take the table out",
    b"PAR1": "Parquet: end its name in .parquet",
    b"\x93NUMPY": "NumPy: end its name in .npy",
    b"\x89HDF": "HDF5: convert it with pd.read_hdf(...).to_csv(...)",
    b"version https://git-lfs": "a pointer of Git LFS, not the file: fetch it with git lfs pull",
    **dict.fromkeys((b"<!", b"<html"), "a page of the web: was the download refused?"),
}


class _Text(NamedTuple):
    """The lines from the header on, in UTF-8, and what the lines before the header say."""

    body: bytes
    sample: list[str]  # the first lines that are not empty
    line: int  # number of the header line
    declared: str | None  # the separator that the file names
    comment: str | None  # the last one before the header


def read_text(path: Path) -> Content:
    """The columns of a CSV or TSV file.

    Lines before the header that start with # are comments. A first line `sep=;` names the separator.

    Raises:
        ValueError: the encoding is another one, there is no header, a row has more or fewer fields than the header, or
            the separator or decimal sign is in doubt.
        DataDamaged: two columns have the same name, or a column holds something else than finite numbers that a float64
            can hold.
    """
    data = path.read_bytes()
    if path.suffix.lower() == ".gz":
        data = _decompressed(data)
    if other := [kind for start, kind in _OTHERS.items() if data.startswith(start)]:
        raise ValueError(f"it holds {other[0]}")
    text = _from_header(_utf8(data, path))
    separator = text.declared or _separator([_QUOTED.sub("", line) for line in text.sample], path)
    table = _parse(text, separator)
    names = [name.strip() for name in table.column_names]
    _check_header(names, text)
    notes = [] if separator in (",", "\t") else [f"columns are separated by {SEPARATORS.get(separator, separator)}"]
    if separator != "," and _has_decimal_commas(table, path):
        table = _parse(text, separator, decimal=",")
        notes.append("decimals are written with commas")
    if _LONG.search(text.body):
        floats = [place for place, kind in enumerate(table.schema.types) if kind == pa.float64()]
        words = _parse(text, separator, as_text=[table.column_names[place] for place in floats])
        for place in floats:  # whole numbers too large for a 64-bit integer are floats here
            check_whole_numbers(names[place], words.column(place).to_pylist())
    return from_arrow(table.rename_columns(names), notes)


def _convertible(path: Path, reason: str, options: str) -> ValueError:
    """The error for a file that pandas reads with these options."""
    return ValueError(
        f"{reason}: convert it with pd.read_csv({path.name!r}, {options}).to_csv({path.name!r}, index=False)"
    )


def _decompressed(data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        raise ValueError("it is not compressed by gzip: take .gz off its name")
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error):
        raise ValueError("its compressed data are cut short or damaged: copy it again") from None


def _utf8(data: bytes, path: Path) -> bytes:
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):  # before UTF-16, whose mark is its beginning
        return data.decode("utf-32").encode()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16").encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data:
        raise _convertible(path, "it holds zero bytes, as UTF-16 does, without a mark at its start", "encoding=...")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        byte, line = data[error.start], data.count(b"\n", 0, error.start) + 1
        reason = f"it is not in UTF-8 (byte 0x{byte:02x} in line {line}), perhaps in Latin-1 or Windows-1252"
        raise _convertible(path, reason, "encoding='latin-1'") from None
    return data


def _from_header(data: bytes) -> _Text:
    """The text from its header on. Lines before it are empty, are comments, or name the separator."""
    start, declared, comment = 0, None, None
    for number, line in enumerate(_lines(data), start=1):
        if number == 1 and (sep := _SEP.fullmatch(line.rstrip("\r\n"))):
            declared = sep[1]
        elif line.strip().startswith("#"):
            comment = line.strip()
        elif line.strip():
            body = data[start:]
            lines = (line.rstrip("\r\n") for line in _lines(body) if line.strip())
            return _Text(body, list(islice(lines, _SAMPLE + 1)), number, declared, comment)
        start += len(line.encode())
    raise ValueError("it has no header")


def _lines(data: bytes) -> io.TextIOWrapper:
    """The lines with their ends: \\n, \\r or both."""
    return io.TextIOWrapper(io.BytesIO(data), "utf-8", newline="")


def _separator(sample: Sequence[str], path: Path) -> str:
    """The separator that gives the header and the lines after it the same number of fields, more than one.

    If there is none, it is the separator that belongs to the file's name, or else another one that is in the header.
    """
    own = "\t" if ".tsv" in path.name.lower() else ","
    there = [one for one in SEPARATORS if one in sample[0]]
    if not there:
        _check_one_column(sample, path)
        return own
    fits = [one for one in there if len({line.count(one) for line in sample}) == 1]
    if len(fits) > 1:
        named = " or ".join(SEPARATORS[one] for one in fits)
        raise ValueError(
            f"its columns may be separated by {named}: put the names and numbers that hold another in quotes"
        )
    return (fits or [one for one in there if one == own] or there)[0]


def _check_one_column(sample: Sequence[str], path: Path) -> None:
    """Raise ValueError if a header without a separator seems to name several columns."""
    header, *rows = sample
    below = sorted(one for one in SEPARATORS if any(one in line for line in rows))
    if below and '"' not in header:
        raise ValueError(
            f"its first line {shown(header)} has no separator, and later ones have {SEPARATORS[below[0]]}: take off "
            "the lines above the header"
        )
    other = re.search(r"[^\w\s.()\[\]\"'-]", header)
    if other and len({line.count(other[0]) for line in sample}) == 1:
        raise _convertible(path, f"its columns seem to be separated by {shown(other[0])}", f"sep={other[0]!r}")
    if len(header.split()) > 1:
        raise _convertible(path, f"its header {shown(header)} has no separator but spaces", r"sep=r'\s+'")


def _parse(text: _Text, separator: str, *, decimal: str = ".", as_text: Sequence[str] = ()) -> pa.Table:
    types = dict.fromkeys(as_text, pa.string())
    try:
        return pa.csv.read_csv(
            pa.BufferReader(text.body if text.body.endswith((b"\n", b"\r")) else text.body + b"\n"),
            read_options=pa.csv.ReadOptions(block_size=max(1 << 24, 8 * max(map(len, text.sample)))),
            parse_options=pa.csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(decimal_point=decimal, null_values=EMPTY, column_types=types),
        )
    except pa.ArrowInvalid as error:
        raise ValueError(_uneven(text, separator) or str(error)) from None


def _uneven(text: _Text, separator: str) -> str | None:
    """What is wrong with the first row that has another number of fields than the header, in words."""
    rows = csv.reader(_lines(text.body), delimiter=separator)
    names, start = len(next(rows)), rows.line_num
    for row in rows:
        if row and len(row) != names:
            fields = f"line {text.line + start} has {len(row)} fields and the header {names} names"
            if row[0].lstrip().startswith("#"):
                return f"{fields}: take out lines of comments below the header"
            if len(row) == names + 1 and not row[-1].strip():
                return f"{fields}: take the separators off the ends of the lines"
            if any("\n" in field for field in row):
                return f'{fields}, one of several lines: close the quote (")'
            missing = " (are the numbers of the rows without a name?)" if len(row) == names + 1 else ""
            commas = " (decimal commas? then separate by ';')" if separator == "," and len(row) == 2 * names else ""
            return f"{fields}{missing or commas}: name every column, and put fields that hold {separator!r} in quotes"
        start = rows.line_num
    return None


def _check_header(names: Sequence[str], text: _Text) -> None:
    """Raise ValueError if the header holds numbers, because a row of numbers would be lost as names."""
    given = [name for name in names if name]
    if all(_NUMBER.fullmatch(name) for name in given) and given != [str(i) for i in range(len(given))]:
        commented = text.comment and len(re.split(r"[,;\t| ]+", text.comment.strip("# "))) == len(names)
        remedy = ", and they seem to be in the comment above: take the # off it" if commented else ": write a header"
        raise ValueError(f"it has no names of columns: line {text.line}, where they should be, holds numbers{remedy}")


def _has_decimal_commas(table: pa.Table, path: Path) -> bool:
    texts = [chunk for column in table.columns if column.type == pa.string() for chunk in column.chunks]
    words = pa.chunked_array(texts, pa.string())
    words = words.filter(pc.match_substring_regex(words, _COMMA))
    if len(words) and pc.all(pc.match_substring_regex(words, _THOUSANDS)).as_py():
        convert = f"convert it with pd.read_csv({path.name!r}, sep=';', thousands=',') or decimal=',' and "
        raise ValueError(
            f"{shown(words[0].as_py())} may be a thousand or a decimal: {convert}.to_csv({path.name!r}, index=False)"
        )
    return len(words) > 0
