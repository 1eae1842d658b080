"""CSV and TSV: clear files are accepted; other files are refused in a line that states how to convert them."""

import gzip
import itertools

import numpy as np
import pandas as pd
import pytest

from nrc_core.data.tables import read_table
from nrc_core.errors import DataDamaged

TEXTS = {
    "semicolons and decimal commas": b"a;b;y\n0,5;2,25;9\n1,5;4,25;-1e2\n",
    "semicolons": b"a;b;y\n.5;2.25;9\n1.5;4.25;-1e2\n",
    "tabs in a CSV": b"a\tb\ty\n0,5\t2,25\t9\n1,5\t4,25\t-100,0\n",
    "pipes": b"a|b|y\n0.5|2.25|9\n1.5|4.25|-100\n",
    "comments": b"# by hand\n#2020;x\n\na,b,y\n0.5,2.25,9\n1.5,4.25,-100\n",
    "sep=": b"sep=;\r\na;b;y\r\n0,5;2,25;9\r\n1,5;4,25;-100\r\n",
    "sep= of tabs": b"sep=\t\na\tb\ty\n0.5\t2.25\t9\n1.5\t4.25\t-100\n",
    "spaces beside separators": b"a, b ,y\n 0.5, 2.25 ,9\n1.5,4.25, -100\n",
    "empty lines": b"\n\na,b,y\n\n0.5,2.25,9\n\n1.5,4.25,-100\n\n",
    "signs": b"a,b,y\n+.5,+2.25,9\n1.5,4.25,-100\n",
    "quotes": b'"a","b","y"\n"0.5","2.25","9"\n1.5,4.25,-100',
    "a mark of UTF-8": b"\xef\xbb\xbfa,b,y\n0.5,2.25,9\n1.5,4.25,-100\n",
    "UTF-16": "a;b;y\n0,5;2,25;9\n1,5;4,25;-100\n".encode("utf-16"),
    "comments in UTF-16": "# 2020\na\tb\ty\n0.5\t2.25\t9\n1.5\t4.25\t-100\n".encode("utf-16"),
}


@pytest.mark.parametrize("words", TEXTS)
@pytest.mark.parametrize("packed", [False, True])
def test_texts_that_leave_no_doubt_are_taken(tmp_path, words, packed):
    path = tmp_path / ("t.csv.gz" if packed else "t.csv")
    path.write_bytes(gzip.compress(TEXTS[words]) if packed else TEXTS[words])
    found = read_table(path, ["y"])
    assert found.inputs == ("a", "b")
    assert np.array_equal(found.x, [[0.5, 2.25], [1.5, 4.25]])
    assert np.array_equal(found.y, [[9], [-100]])


REFUSED_TEXTS = {
    "line 3 has 3 fields and the header 2 names": b"a,y\n1,2\n1,2,3\n4,5\n",
    "line 2 has 3 fields and the header 2 names .are the numbers of the rows": b"a,y\n1,2,3\n4,5,6\n",
    "line 4 has 1 fields and the header 2 names": b"a,y\n1,2\n\n3\n",
    "line 6 has 3 fields": b'# 1\n"a",y\n"1",2\n\n"3\n",2\n1,2,3\n'.replace(b'"3\n"', b'"3"', 1),
    "line 2 has 4 fields and the header 2 names .decimal commas.": b"a,y\n1,5,2,5\n1,5,2,5\n",
    "line 3 has 1 fields": b'a,y\n1,2\n"3,4\n5,6\n',
    "columns may be separated by ',' or ';'": b"a,b;y\n1,2;3\n1,2;3\n",
    "its header 'a b y' has no separator but spaces: convert it with pd.read_csv": b"a b y\n1 2 3\n",
    "it has no names of columns: line 1, where they should be, holds numbers: write": b"1,2,3\n4,5,6\n",
    "line 1, where they should be, holds numbers": b"1.5,nan,-inf\n4,5,6\n",
    "they seem to be in the comment above: take the # off": b"# a,b,y\n1,2,3\n4,5,6\n",
    "it has no header": b"# nothing\n\n",
    "it has no header$": b"",
    r"byte 0xe4 in line 2\), perhaps in Latin-1": "# 1\nLänge,y\n1,2\n".encode("latin-1"),
    "it holds zero bytes, as UTF-16 does": "a,y\n1,2\n".encode("utf-16-le"),
    "column 'a' holds text, not numbers, as '1,000' in data row 1: write numbers as 1234.5": b'a,y\n"1,000",2\n',
    "column 'a' holds text, not numbers, as '1 000' in data row 1: write numbers": b"a,y\n1 000,2\n",
    "column 'a' holds text, not numbers, as '1.000.000'": b"a,y\n1.000.000,2\n",
    "'1,000' may be a thousand or a decimal": b"a;y\n1,000;2\n12,500;3\n",
    "column 'y' holds text, not numbers, as '2.5' in data row 1: numbers kept as text": b"a;y\n1,5;2.5\n2,5;3.5\n",
    "column 'a' holds text, not numbers, as '1.000,5'": b"a;y\n1.000,5;2,5\n",
    "column 'a' holds text, not numbers, as 'x' in data row 2": b"a;y\n1,5;2\nx;3\n",
    "column 'day' holds dates, not numbers: turn it into a number": b"day,y\n2020-01-01,2\n2020-01-02,3\n",
    "column 'day' holds text, not numbers, as '01/02/2020' in data row 1: turn": b"day,y\n01/02/2020,2\n",
    "column 'a' holds text, not numbers, as '1.2j'": b"a,y\n1+2j,2\n".replace(b"+", b"-"),
    "column 'id' holds 12345678901234567890 in data row 2": b"id,y\n5,6\n12345678901234567890,2\n",
    "column 'id' holds 12345678901234567 in data row 1": b"id,y\n12345678901234567,2\n",
    "column 'y' holds 2 empty, NaN or infinite values, the first in data row 1": b"a,y\n1,None\n2,\n3,4\n",
    "has no rows": b"a,y",
    "line 2 has 3 fields and the header 2 names: take the separators off the ends": b"a,y\n1,2,\n3,4,\n",
    "line 3 has 1 fields and the header 2 names: take out lines of comments": b"a,y\n1,2\n# noon\n3,4\n",
    "as '#m' in data row 1: take out lines of comments": b"a,y\n#m,s\n1,2\n",
    "runs over several lines: close the quote": b'a,y\n1,2\n3,"4\n5,6\n',
    "data row 3: the text runs over several lines": b'a,y\n1,2\n3,4\n5,"6\n',
    "its first line 'My table' has no separator, and later ones have ',': take off": b"My table\na,y\n1,2\n",
    "columns seem to be separated by ':': convert it": b"a:y\n1:2\n",
    "write numbers as 1234.5, without other signs": b"a,y\n5 %,2\n",
    "column 'Set' .* name it 'split' and write train or test": b"a,y,Set\n1,2,train\n3,4,Test\n",
    "holds 12345678901234567890123 in data row 1": b"sep=:\na:y\n12345678901234567890123:2\n",
    "holds numbers: write a header": b"True,1.5\nFalse,2.5\n",
    "it holds gzip: end its name in .gz": gzip.compress(b"a,y\n1,2\n", mtime=0),
    "it holds Excel or zip": b"PK\x03\x04\x00",
    "it holds a page of the web": b"<!DOCTYPE html>\n",
    "it holds a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\nsize 1\n",
}


@pytest.mark.parametrize("message", REFUSED_TEXTS)
def test_texts_that_are_refused(tmp_path, message):
    (tmp_path / "t.csv").write_bytes(REFUSED_TEXTS[message])
    with pytest.raises(DataDamaged, match=message) as raised:
        read_table(tmp_path / "t.csv", ["y"])
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a,y\n1,2\n", "it is not compressed by gzip"),
        (gzip.compress(b"a,y\n1,2\n", mtime=0)[:-9], "its compressed data are cut short or damaged"),
    ],
)
def test_what_is_no_gzip_is_told(tmp_path, data, message):
    (tmp_path / "t.csv.gz").write_bytes(data)
    with pytest.raises(DataDamaged, match=message):
        read_table(tmp_path / "t.csv.gz", ["y"])


def test_whole_numbers_that_a_float_holds_are_taken_however_long(tmp_path):
    (tmp_path / "t.csv").write_text("a,y\n100000000000000000000,1\n9007199254740994,2\n")
    assert read_table(tmp_path / "t.csv", ["y"]).x.tolist() == [[1e20], [9007199254740994.0]]
    (tmp_path / "t.csv").write_text("a,y\n0.12345678901234567890,1\n12345678901234567890e-19,2\n")
    assert read_table(tmp_path / "t.csv", ["y"]).x.tolist() == [[0.12345678901234568], [1.2345678901234568]]


def test_a_row_with_another_number_of_fields_is_found_wherever_it_is(tmp_path):
    names, path = ["a", "b", "y"], tmp_path / "t.csv"
    for place, fields in itertools.product((2, 500, 1001), (1, 2, 4, 6)):
        lines = [",".join(names), *["1,2,3"] * 1000]
        lines[place - 1] = ",".join("1" * fields)
        path.write_text("\n".join(lines))
        with pytest.raises(DataDamaged, match=rf"line {place} has {fields} fields and the header 3 names"):
            read_table(path, ["y"])


def test_a_name_may_have_two_lines(tmp_path):
    (tmp_path / "t.csv").write_text('"a\nb",y\n1,2\n3,4\n')
    found = read_table(tmp_path / "t.csv", ["y"])
    assert found.inputs == ("a\nb",)
    assert found.x.tolist() == [[1.0], [3.0]]


def test_a_target_that_counts_the_rows_is_doubted(tmp_path):
    (tmp_path / "t.csv").write_text("a,y\n5,1\n3,2\n4,3\n")
    assert read_table(tmp_path / "t.csv", ["y"]).notes == ("target 'y' counts the rows: is it a number of the row?",)


def test_very_wide_tables_are_read(tmp_path):
    values = np.random.default_rng(0).standard_normal((3, 2_000))
    names = [f"{'long ' * 120}{i}" for i in range(2_000)]  # more than a million letters in one line
    pd.DataFrame(values, columns=names).to_csv(tmp_path / "t.csv", index=False)
    assert np.array_equal(read_table(tmp_path / "t.csv", [names[-1]]).x, values[:, :-1])
