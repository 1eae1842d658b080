"""The commands as users type them: an error gives one line, a non-zero exit status, and no incomplete file."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nrc_core import ConfigError, NotebookFailed, Store
from nrc_core.cli.main import main
from nrc_core.cli.parser import make_parser
from nrc_core.workflow.html_pages import export
from nrc_core.workflow.notebook_files import find_notebook, findings
from nrc_core.workflow.notebooks import check_parameters, parameters_of, run_notebook
from tests.faults.disk import small_disk

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "notebooks" / "deep_nrc_mlp.ipynb"
TOY = ["dataset=synthetic", "samples=60", "width=8", "depth=3", "epochs=3", "measurements=2"]


def nrc(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "nrc_core.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=300)


def assert_one_line(result: subprocess.CompletedProcess, message: str) -> None:
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert result.returncode != 0
    assert len(lines) == 1, result.stderr
    assert message in lines[0]


def notebook(path: Path, *cells: str) -> Path:
    parameters = new_code_cell("number: int = 1  # a number", metadata={"tags": ["parameters"]})
    book = new_notebook(cells=[parameters, *map(new_code_cell, cells)])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, path)
    return path


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    output = folder / "page.ipynb"
    os.environ["NRC_STORE"], before = str(folder / "store"), os.environ.get("NRC_STORE")
    try:
        run_notebook(NOTEBOOK, output, dict(pair.split("=") for pair in TOY))
    finally:
        os.environ.pop("NRC_STORE") if before is None else os.environ.update(NRC_STORE=before)
    return output


def test_a_notebook_runs_to_its_end(executed):
    cells = [c for c in nbformat.read(executed, 4).cells if c.cell_type == "code"]
    assert all(cell.metadata.papermill.status == "completed" for cell in cells)
    assert sum("image/svg+xml" in output.get("data", {}) for cell in cells for output in cell.outputs) == 7
    assert not executed.with_suffix(".partial.ipynb").exists()
    assert str(executed.parent) not in json.dumps(nbformat.read(executed, 4).metadata)


def test_it_becomes_a_page_that_says_what_its_figures_show(executed):
    page = export(executed).read_text()
    pictures = re.findall(r'<img alt="([^"]+)"', page)
    assert len(pictures) == 7
    assert all(len(alt) > 20 for alt in pictures)
    assert "import nrc_core" not in page, "code that the book hides"
    assert "Noise suppression (NRC1)" in page
    assert "{cite" not in page
    assert "Rangamani and Unal (2026), Appendix A" in page


def test_its_verdict_is_read_from_it(executed):
    found = findings(nbformat.read(executed, 4).cells)
    assert found[0].startswith("* Noise suppression (NRC1), noise at most 0.05: ")
    assert found[-1].startswith("* So Deep NRC below the last layer")


def test_a_stored_result_is_run_by_name_and_leaves_a_page(executed, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("NRC_STORE", str(executed.parent / "store"))
    assert main(["run", "deep_nrc_mlp", *TOY, "--html", "--output", str(tmp_path / "own.ipynb")]) == 0
    said = capsys.readouterr()
    assert "* So Deep NRC below the last layer" in said.out
    assert said.out.splitlines()[-1] == f"page: {(tmp_path / 'own.html').as_uri()}"
    assert (tmp_path / "own.html").stat().st_size > 100_000
    assert "network to train" not in said.err
    assert main(["run", "deep_nrc_mlp", *TOY, "--output", str(tmp_path / "own.ipynb")]) == 0
    assert f"the page beside it, {tmp_path / 'own.html'}, is of an earlier run" in capsys.readouterr().out


def test_plain_papermill_runs_it_too_with_lists_as_it_gives_them(tmp_path):
    """`-p targets y1,y2` gives text, and `-p seeds 0` a number."""
    frame = pd.DataFrame({"a": range(40), "y1": range(40), "y2": [i * i for i in range(40)]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    given = ["width=8", "depth=3", "epochs=1", f"dataset={tmp_path / 't.csv'}", "targets=y1,y2", "seeds=0"]
    arguments = [word for pair in given for word in ("-p", *pair.split("="))]
    command = [sys.executable, "-m", "papermill", str(NOTEBOOK), str(tmp_path / "out.ipynb"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=300)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out.ipynb").is_file()


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_are_thin_and_clean(path):
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)
    assert max(len(cell.source.splitlines()) for cell in cells) <= 20
    (parameters,) = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    found = parameters_of(path)
    assert len(found) == len(parameters.source.splitlines()), "each line is `name: type = default  # help`"
    assert all(entry["type"] != "None" and entry["help"] for entry in found.values())


def test_the_notebook_takes_what_its_experiment_takes():
    import inspect

    from nrc_core import EXPERIMENTS

    for name, experiment in EXPERIMENTS.items():
        assert set(parameters_of(ROOT / "notebooks" / f"{name}.ipynb")) == set(inspect.signature(experiment).parameters)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dataset=hoper"], "unknown data set 'hoper': did you mean 'hopper'"),
        (["dataset=hopper", "weight_decay=-1"], "weight_decay must be zero or positive: got -1.0"),
        (["dataset=hopper", "epochs=ten"], "epochs must be of type int: got 'ten'"),
        (["weight_decy=1"], "no parameter 'weight_decy': did you mean 'weight_decay'"),
        (["epochs"], "parameters are given as name=value, without blanks: got 'epochs'"),
        (["seeds=range(3)"], "seeds must be of type list[int], written out as in seeds=0,1,2: got 'range(3)'"),
        (["epochs=1", "epochs=2"], "parameter 'epochs' is given twice"),
        (["split=blocky"], "split must be one of random, blocked: got 'blocky'"),
    ],
)
def test_bad_parameters_stop_before_anything_runs(tmp_path, capsys, arguments, message):
    output = tmp_path / "out.ipynb"
    assert main(["run", str(NOTEBOOK), *arguments, "--output", str(output)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert message in lines[-1]
    assert list(tmp_path.glob("out*")) == []


def test_a_table_with_nan_is_one_line(tmp_path):
    (tmp_path / "bad.csv").write_text("a,y\n1,2\n3,\n")
    result = nrc("run", NOTEBOOK, f"dataset={tmp_path / 'bad.csv'}", "targets=y", "--output", tmp_path / "out.ipynb")
    assert_one_line(result, "column 'y' holds 1 empty, NaN or infinite values, the first in data row 2")
    assert not (tmp_path / "out.ipynb").exists()


def test_an_unwritable_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    result = nrc("run", NOTEBOOK, *TOY, "--output", tmp_path / "file" / "out.ipynb")
    assert_one_line(result, "cannot read or write")
    assert_one_line(nrc("compute", "deep_nrc_mlp", *TOY, "--store", tmp_path / "file"), "cannot read or write")


@pytest.fixture
def full_disk(tmp_path):
    """A file system of 48 kB, if the user may mount one."""
    with small_disk(tmp_path / "disk", 48) as disk:
        if disk is None:
            pytest.skip("needs the right to mount a small file system")
        yield disk.folder


def test_a_full_disk_is_one_line_and_loses_nothing(full_disk):
    (full_disk / "filler").write_bytes(b"0" * 20_000)
    result = nrc("compute", "deep_nrc_mlp", *TOY, "--store", full_disk / "store", OMP_NUM_THREADS="1")
    assert result.returncode == 1
    assert "No space left on device" in result.stderr.strip().splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert [path.name for path in (full_disk / "store").iterdir()] == [".locks"]
    assert (full_disk / "filler").stat().st_size == 20_000


def test_a_full_disk_for_the_notebook_is_one_line(full_disk):
    (full_disk / "filler").write_bytes(b"0" * 45_000)
    result = nrc("run", NOTEBOOK, *TOY, "--output", full_disk / "out.ipynb")
    assert result.returncode == 1
    assert "No space left on device" in result.stderr.strip().splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert not (full_disk / "out.ipynb").exists()


@pytest.mark.parametrize(
    ("cell", "timeout", "message"),
    [
        ("raise ValueError('on purpose')", None, "failed in cell 2: ValueError: on purpose"),
        ("import os; os._exit(1)", None, "the kernel died"),
        ("import time; time.sleep(60)", 2, "a cell took longer than 2 s"),
        ("import sys; sys.exit(0)", None, "ended early|failed in cell 2: SystemExit"),
    ],
)
def test_a_notebook_that_does_not_end_well_is_no_result(tmp_path, cell, timeout, message):
    source, output = notebook(tmp_path / "in.ipynb", cell, "print('later')"), tmp_path / "out.ipynb"
    output.write_text("the last good result")
    with pytest.raises(NotebookFailed, match=message):
        run_notebook(source, output, {}, timeout=timeout)
    assert output.read_text() == "the last good result"
    assert (tmp_path / "out.partial.ipynb").exists()


def test_long_cells_show_a_sign_of_life(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("nrc_core.training.progress.HEARTBEAT_SECONDS", 0.2)
    run_notebook(notebook(tmp_path / "in.ipynb", "import time; time.sleep(1)"), tmp_path / "out.ipynb", {})
    assert "in.ipynb: running for" in capsys.readouterr().out


def test_files_that_are_no_notebooks_are_refused(tmp_path):
    (tmp_path / "bad.ipynb").write_text("not json")
    with pytest.raises(ConfigError, match=r"bad\.ipynb is not a notebook"):
        check_parameters(tmp_path / "bad.ipynb", {})
    with pytest.raises(ConfigError, match="no notebook at"):
        check_parameters(tmp_path / "missing.ipynb", {})
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), tmp_path / "plain.ipynb")
    with pytest.raises(ConfigError, match="no cell tagged 'parameters'"):
        check_parameters(tmp_path / "plain.ipynb", {})


def test_compute_fills_the_store_and_finds_it_again(tmp_path, capsys):
    command = ["compute", "deep_nrc_mlp", *TOY, "--store", str(tmp_path / "store"), "--device", "cpu"]
    assert main(command) == 0
    assert "s on CPU" in capsys.readouterr().out
    assert main(command) == 0
    assert "was there" in capsys.readouterr().out


PAGES = """
name: some
note: Two pages whose networks have one shape, and one without data.
store: build/store
headline: one
pages:
  lacking: {title: SGEMM, notebook: deep_nrc_mlp, parameters: {dataset: sgemm, width: 8, epochs: 3}}
  one: {title: One, notebook: deep_nrc_mlp, parameters: {dataset: synthetic, samples: 60, width: 8, epochs: 3}}
  two:
    title: Two
    notebook: weight_decay
    parameters: {dataset: synthetic, samples: 60, width: 8, epochs: 3, weight_decays: [0, 0.1]}
"""


def test_compute_trains_the_networks_of_all_pages_together_but_those_without_data(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NRC_DATA_DIR", str(tmp_path / "no data"))
    profile, store = tmp_path / "some.yml", Store(tmp_path / "store")
    profile.write_text(PAGES)
    assert main(["compute", "all", "--profile", str(profile), "--store", str(store.folder), "--device", "cpu"]) == 1
    said = capsys.readouterr()
    assert "'sgemm' is not prepared on this machine" in said.err
    assert said.out.count("s on CPU") == 3
    assert [store.load(key).provenance["stacked"] for key in store.all_keys()] == [3, 3, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compute", "deep_nrc"], "no experiment 'deep_nrc': there is cascading_collapse, "),
        (["compute", "all"], "`all` experiments need a profile"),
        (["compute", "all", "epochs=1", "--profile", "x.yml"], "exclude each other"),
        (["compute", "all", "--profile", "missing.yml"], "no profile at missing.yml"),
        (["data", "cifar"], "no data script for 'cifar': there is one for swimmer"),
    ],
)
def test_bad_commands_are_one_line(capsys, arguments, message):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def documented() -> list[str]:
    """Every `nrc` command in the README and the book."""
    files = [ROOT / "README.md", *sorted((ROOT / "book").glob("*.md"))]
    return sorted({line for path in files for line in path.read_text().splitlines() if line.startswith("nrc ")})


@pytest.mark.parametrize("command", documented())
def test_documented_commands_exist(command):
    given = make_parser().parse_args(shlex.split(command)[1:])
    if given.command in ("run", "compute") and given.parameters:
        notebook = NOTEBOOK if given.command == "compute" else find_notebook(given.notebook)
        assert {pair.split("=")[0] for pair in given.parameters} <= set(parameters_of(notebook))


def test_a_core_alone_needs_no_notebook_and_no_plot():
    """A computation, for example on a GPU node, imports neither papermill nor seaborn nor gymnasium."""
    code = (
        "import sys; from nrc_core.cli.main import main; "
        f"code = main(['compute', 'deep_nrc_mlp', *{TOY!r}]); "
        "heavy = {'papermill', 'seaborn', 'matplotlib', 'gymnasium', 'snakemake', 'nbformat', 'sphinx'}; "
        "extra = heavy & set(sys.modules); "
        "sys.exit(f'imported {extra}' if extra else code)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, timeout=300)
    assert result.returncode == 0, result.stderr
