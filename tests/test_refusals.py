"""Errors that the command line reports in one line before anything starts."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nrc_core import ConfigError, errors
from nrc_core.cli.main import main
from nrc_core.cli.parser import make_parser
from nrc_core.training.computing import chosen_device
from nrc_core.workflow.notebooks import check_output, check_parameters

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "notebooks" / "deep_nrc_mlp.ipynb"
TOY = ["dataset=synthetic", "samples=60", "width=8", "depth=3", "epochs=3", "measurements=2"]


def one_line(capsys: pytest.CaptureFixture, *arguments: str | Path, code: int = 2) -> str:
    """Run a command and return the single line of its error."""
    assert main([str(argument) for argument in arguments]) == code
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("nrc: ")]
    return line


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_an_output_over_the_notebook_itself_is_refused(tmp_path, capsys, link):
    own, output = tmp_path / "own.ipynb", tmp_path / "own.ipynb"
    shutil.copy(NOTEBOOK, own)
    if link:
        output = tmp_path / "other.ipynb"
        link(own, output)
    assert "the output would replace the notebook itself" in one_line(capsys, "run", own, *TOY, "--output", output)
    assert own.read_bytes() == NOTEBOOK.read_bytes()


def test_an_output_whose_leftovers_are_the_notebook_is_refused(tmp_path):
    """A successful run removes files that an earlier run left."""
    shutil.copy(NOTEBOOK, tmp_path / "own.partial.ipynb")
    with pytest.raises(ConfigError, match="the output would replace the notebook itself"):
        check_output(tmp_path / "own.partial.ipynb", tmp_path / "own.ipynb")


def test_too_few_rows_are_told_before_a_kernel_starts(tmp_path, data_dir):
    """For prepared data the manifest has the number of rows; for a table the rows are counted."""
    assert main(["data", "swimmer"]) == 0
    with pytest.raises(ConfigError, match="samples must be between 1 and the 1000 rows there are: got 100000"):
        check_parameters(NOTEBOOK, {"dataset": "swimmer", "samples": "100000"})
    (tmp_path / "one.csv").write_text("a,y\n1,2\n")
    with pytest.raises(ConfigError, match="1 row cannot be split 80 to 20: at least 3 are needed"):
        check_parameters(NOTEBOOK, {"dataset": str(tmp_path / "one.csv"), "targets": "y"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output", "."], r"the output must be a file, and \. is a folder: give deep_nrc_mlp\.ipynb"),
        (["--output", "page"], r"must end in \.ipynb: got 'page'"),
        (["--output", "page.html"], r"must end in \.ipynb: got 'page\.html'"),
        (["--timeout", "0"], "the timeout must be at least one second, or left out for none: got 0"),
        (["--timeout", "-5"], "the timeout must be at least one second"),
    ],
)
def test_options_of_a_run_that_make_no_sense_are_refused(tmp_path, capsys, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    output = [] if "--output" in options else ["--output", "page.ipynb"]
    assert re.search(message, one_line(capsys, "run", NOTEBOOK, *TOY, *output, *options))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["0", "101", "two"])
def test_numbers_of_seeds_are_refused_before_anything_is_loaded(capsys, value):
    refused_by_parser(capsys, "--seeds", value, f"must be from 1 to 100: got {value}")


def test_names_of_machines_are_refused_before_anything_is_loaded(capsys):
    refused_by_parser(capsys, "--machine", "my machine", "must be a word of letters, digits and _: got 'my machine'")


def refused_by_parser(capsys: pytest.CaptureFixture, option: str, value: str, message: str) -> None:
    with pytest.raises(SystemExit) as refused:
        make_parser().parse_args(["references", option, value])
    assert refused.value.code == 2
    assert capsys.readouterr().err.endswith(f"argument {option}: {message}\n")


@pytest.mark.parametrize("device", ["gpu", "mps", "cuda", "cuda:99", "meta", "cpuu", "0x"])
def test_a_device_that_is_not_there_is_one_line(capsys, monkeypatch, device):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert "device must be" in one_line(capsys, "compute", "deep_nrc_mlp", *TOY, "--device", device)


def test_of_several_gpus_the_number_counts(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert chosen_device("cuda:1").index == 1
    with pytest.raises(ConfigError, match=r"and it has 2: .*got 'cuda:2'"):
        chosen_device("cuda:2")


@pytest.mark.parametrize("text", ["[0,1]", "[0, 1]", "0,1", "0"])
def test_lists_are_taken_as_python_writes_them(text):
    values, _ = check_parameters(NOTEBOOK, {"dataset": "synthetic", "epochs": "1e1", "seeds": text})
    assert values["seeds"] == ([0] if text == "0" else [0, 1])


def test_a_list_that_the_shell_took_apart_is_one_line_with_the_remedy(capsys):
    said = one_line(capsys, "run", NOTEBOOK, "seeds=[0,", "1]")
    assert said == "nrc: parameters are given as name=value, without blanks: got '1]' " + (
        '(a list with spaces goes in quotes: "name=[a, b]")'
    )


def test_a_parameters_cell_that_declares_something_else_is_one_line(tmp_path, capsys):
    cells = [new_code_cell("a: int = 1\nb = c = 2", metadata={"tags": ["parameters"]})]
    nbformat.write(new_notebook(cells=cells), tmp_path / "own.ipynb")
    said = one_line(capsys, "run", tmp_path / "own.ipynb", "--output", tmp_path / "out.ipynb")
    assert "own.ipynb, parameters cell, line 2: 'b = c = 2' is not `name: type = default`" in said


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("papermill", ["run", "deep_nrc_mlp"], "workflow"),
        ("seaborn", ["run", "deep_nrc_mlp"], "book"),
        ("nbconvert", ["run", "deep_nrc_mlp", "--html"], "workflow"),
        ("nbformat", ["show", "deep_nrc_mlp"], "workflow"),
    ],
)
def test_a_package_that_is_not_installed_is_one_line(tmp_path, capsys, monkeypatch, package, arguments, extra):
    monkeypatch.setattr(errors, "find_spec", lambda name: None if name == package else name)
    output = ["--output", tmp_path / "out.ipynb"] if arguments[0] == "run" else []
    said = one_line(capsys, *arguments, *output)
    assert said.startswith(f"nrc: the package {package} is not installed: install the extra `{extra}`: pip install")


def test_a_package_that_is_missed_in_the_middle_is_one_line_too(capsys, monkeypatch):
    def prepare(*_, **__):
        raise ModuleNotFoundError("No module named 'gymnasium.envs'", name="gymnasium.envs")

    monkeypatch.setattr("data_scripts.prepare", prepare)
    assert "install the extra `data`" in one_line(capsys, "data", "swimmer", "--again")
    monkeypatch.setattr(errors, "EXTRAS", {})
    with pytest.raises(ModuleNotFoundError, match="gymnasium"):  # this error is not explained by this project
        main(["data", "swimmer", "--again"])


def test_every_package_of_an_extra_is_one_of_the_project():
    import tomllib

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    brought = {"nbformat": "papermill", "matplotlib": "seaborn", "Box2D": "gymnasium[box2d,mujoco]", "mujoco": "mujoco"}
    for extra, packages in errors.EXTRAS.items():
        for package in packages:
            assert any(brought.get(package, package).replace("_", "-") in one for one in declared[extra]), package


def test_every_folder_of_the_core_is_a_package():
    assert [path for path in (ROOT / "nrc_core").rglob("*.py") if not (path.parent / "__init__.py").is_file()] == []


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """The package as in an installed wheel, without a checkout."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for package in ("nrc_core", "data_scripts"):
        shutil.copytree(ROOT / package, folder / "site" / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "here").mkdir()
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["claims"], "`nrc claims` needs the project's profiles and results, which its checkout has"),
        (["check"], "`nrc check` needs the project's profiles and results"),
        (["references"], "`nrc references` needs the project's profiles and results"),
        (["run", "deep_nrc_mlp"], "no notebook at deep_nrc_mlp: check the path (the project's own are in its checkout"),
        (["show", "deep_nrc_mlp"], "no notebook at deep_nrc_mlp"),
        (["compare", "abcd", "abce"], "no run 'abcd' in"),
    ],
)
def test_outside_a_checkout_what_needs_one_is_one_line(elsewhere, arguments, message):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NRC_")}
    environment["PYTHONPATH"] = str(elsewhere / "site")
    command = [sys.executable, "-m", "nrc_core.cli", *arguments]
    result = subprocess.run(
        command, capture_output=True, text=True, cwd=elsewhere / "here", env=environment, timeout=200
    )
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"nrc: {message}")
    assert list((elsewhere / "here").iterdir()) == []
