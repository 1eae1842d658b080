"""Parameters as users write them: on the command line, in Python, in a cell, and as plain papermill passes them."""

from collections.abc import Sequence

import pytest

from nrc_core import ConfigError, deep_nrc_mlp
from nrc_core.sections.experiments import EXPERIMENTS
from nrc_core.sections.parameters import coerce, kind_of, takes_lists
from nrc_core.sections.train_size.experiment import train_size
from nrc_core.sections.weight_decay.experiment import weight_decay
from nrc_core.workflow.parameter_cells import read_parameters


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        ("int", "int"),
        ("Optional[int]", "Optional[int]"),
        ("typing.Optional[int]", "Optional[int]"),
        ("int | None", "Optional[int]"),
        ("None | int", "Optional[int]"),
        ("Union[float, None]", "Optional[float]"),
        ("Optional[Optional[int]]", "Optional[int]"),
        ("List[int]", "list[int]"),
        ("Sequence[str]", "list[str]"),
        ("tuple[int, ...]", "list[int]"),
        ("list[int] | None", "Optional[list[int]]"),
        ("'int | None'", "Optional[int]"),
        ("dict[str, int]", "dict[str, int]"),
        ("int | str", "int | str"),
        ("int | str | None", "Optional[int | str]"),
        ("Optional[int | str]", "Optional[int | str]"),
        ("not python", "not python"),
    ],
)
def test_a_type_can_be_written_in_many_ways(annotation, kind):
    assert kind_of(annotation) == kind


@pytest.mark.parametrize("text", ["0,1", "[0,1]", "[0, 1]", " [0,1] ", "0, 1", "(0, 1)", "0,1,", "[0,1,]", "0,1e0"])
def test_a_list_is_written_as_python_writes_it_or_without_brackets(text):
    assert coerce("seeds", text, "list[int]") == [0, 1]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[y1,y2]", ["y1", "y2"]),
        ("['y1', \"y2\"]", ["y1", "y2"]),
        ("'y1',y2", ["y1", "y2"]),
        ("['y, 1']", ["y, 1"]),
        ("y1", ["y1"]),
        ("[]", []),
        ("", []),
        ("[1, 2]", ["1", "2"]),
        ("[1e3, 007]", ["1e3", "007"]),
        ("[None]", ["None"]),
    ],
)
def test_names_need_no_quotes_in_a_list(text, names):
    assert coerce("targets", text, "list[str]") == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[0", "half a list .*in quotes"),
        ("1]", "half a list"),
        ("0,,1", "an item is empty"),
        ("[0, one]", "seeds must be of type int: got 'one'"),
        ("[[0, 1]]", "seeds must be of type int"),
        ("[0.5]", "seeds must be of type int: got '0.5'"),
        ("[True]", "seeds must be of type int: got True"),
    ],
)
def test_what_is_no_list_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        coerce("seeds", text, "list[int]")


@pytest.mark.parametrize(
    ("text", "value"), [("1e3", 1000), ("1.0", 1), ("-2e1", -20), ("12_000", 12000), ("[1e3]", [1000])]
)
def test_whole_numbers_may_be_written_with_an_exponent(text, value):
    found = coerce("epochs", text, "list[int]" if isinstance(value, list) else "int")
    assert found == value
    assert all(type(one) is int for one in (found if isinstance(found, list) else [found]))


@pytest.mark.parametrize("text", ["1e-3", "1e400", "nan", "inf", "9e15", "1e", "0x10", "1,000"])
def test_what_is_no_exact_whole_number_is_refused(text):
    """9e15 is below 2^53 = 9007199254740992, and 9.1e15 is above, where floats skip whole numbers."""
    if text == "9e15":
        assert coerce("epochs", text, "int") == 9 * 10**15
        text = "9.1e15"
    with pytest.raises(ConfigError, match="epochs must be of type int"):
        coerce("epochs", text, "int")


def test_a_type_that_text_cannot_give_is_named():
    with pytest.raises(ConfigError, match=r"options is of type 'dict\[str, int\]', which cannot be given as text"):
        coerce("options", "{'a': 1}", "dict[str, int]")
    assert coerce("options", {"a": 1}, "dict[str, int]") == {"a": 1}


CELL = """\
from typing import Optional
note: str = "a=b"  # with = in it, and # too
width: int | None = None  # h
rate = 1e-3
seeds: list[int] = [
    0,
    1,
]  # one each
names = ["a", "b"]
flag = True
anything = None
computed = 10 ** 3  # ten cubed
"""


def test_a_parameters_cell_is_read_as_python():
    found = read_parameters(CELL, "here")
    assert {name: (one["type"], one["default"]) for name, one in found.items()} == {
        "note": ("str", '"a=b"'),
        "width": ("Optional[int]", "None"),
        "rate": ("number", "1e-3"),
        "seeds": ("list[int]", "[ 0, 1, ]"),
        "names": ("list[str]", '["a", "b"]'),
        "flag": ("bool", "True"),
        "anything": ("", "None"),
        "computed": ("", "10 ** 3"),
    }
    assert (found["note"]["help"], found["seeds"]["help"]) == ("with = in it, and # too", "one each")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a: int = 1\nb, c = 1, 2", r"here, parameters cell, line 2: 'b, c = 1, 2' is not `name: type = default`"),
        ("a: int", "line 1: 'a: int' is not"),
        ("a: int = 1\n\na = 2", "line 3: 'a = 2' declares a parameter for the second time"),
        ("a: int = 1\nb = = 2", "line 2: 'b = = 2' is no Python"),
        ("a = b = 1", "line 1: 'a = b = 1' is not"),
        ("if True:\n    a = 1", "line 1: 'if True:' is not"),
        ("a.b = 1", "line 1"),
        ("a += 1", "line 1"),
    ],
)
def test_a_line_that_declares_no_parameter_is_named(source, message):
    with pytest.raises(ConfigError, match=message):
        read_parameters(source, "here")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [("number", "1", 1), ("number", "0.5", 0.5), ("", "[1, 'a']", [1, "a"]), ("", "a=b", "a=b")],
)
def test_a_parameter_without_a_type_takes_what_its_default_is_like(kind, text, value):
    found = coerce("x", text, kind)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("given", "seeds"), [(0, [0]), ("0", [0]), ("0,1", [0, 1]), ("[0, 1]", [0, 1]), ([0, 1], [0, 1]), ((2,), [2])]
)
def test_experiments_take_lists_as_plain_papermill_gives_them(given, seeds):
    """`-p seeds 0` gives the number 0, and `-p seeds 0,1` gives the text "0,1"."""
    assert [config.seed for config in deep_nrc_mlp("hopper", seeds=given)] == seeds
    assert [config.seed for config in weight_decay("hopper", weight_decays="0.1", seeds=given)] == seeds


def test_targets_are_names_and_not_letters():
    (config,) = deep_nrc_mlp("t.csv", targets="y1,y2")
    assert config.dataset_options["targets"] == ["y1", "y2"]


def test_lists_given_by_position_are_taken_too():
    configs = EXPERIMENTS["test_vs_train_collapse"]("mnist,cifar10", architectures="vgg", weight_decays=0, seeds=0)
    assert [config.dataset for config in configs] == ["mnist", "cifar10"]


def test_text_that_is_no_list_of_numbers_is_one_line():
    with pytest.raises(ConfigError, match="sizes must be of type int: got 'many'"):
        train_size(sizes="many")


def test_a_function_that_takes_lists_keeps_its_signature():
    import inspect

    @takes_lists
    def function(name: str, *, items: "Sequence[int]" = (), other: int = 3) -> list:
        return [name, items, other]

    assert list(inspect.signature(function).parameters) == ["name", "items", "other"]
    assert function("1,2", items="1,2") == ["1,2", [1, 2], 3], "a parameter that is no list is left alone"
    assert function("a") == ["a", (), 3]
