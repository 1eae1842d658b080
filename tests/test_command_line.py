"""Lists, comparisons, descriptions and completions of the command line."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from nrc_core import ConfigError, Store, deep_nrc_mlp, run
from nrc_core.cli.main import main
from nrc_core.workflow.notebook_files import find_notebook, findings, opening
from tests.test_refusals import NOTEBOOK, ROOT, TOY, one_line


def test_a_notebook_is_found_by_its_name_or_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(NOTEBOOK, tmp_path / "own.ipynb")
    for given in ("deep_nrc_mlp", "deep_nrc_mlp.ipynb", "notebooks/deep_nrc_mlp.ipynb"):
        assert find_notebook(given) == NOTEBOOK
    assert find_notebook("own.ipynb") == Path("own.ipynb")
    shutil.copy(NOTEBOOK, tmp_path / "deep_nrc_mlp.ipynb")
    assert find_notebook("deep_nrc_mlp.ipynb") == Path("deep_nrc_mlp.ipynb"), "what is here comes first"


@pytest.mark.parametrize("given", ["deep_nrc_mpl", "deep_nrc_mpl.ipynb", "deepnrcmlp"])
def test_a_misspelt_notebook_is_met_with_a_suggestion(given):
    with pytest.raises(ConfigError, match="did you mean 'deep_nrc_mlp'"):
        find_notebook(given)


def test_a_path_that_is_not_there_is_no_notebook_of_the_project():
    with pytest.raises(ConfigError, match="no notebook at elsewhere/deep_nrc_mlp"):
        find_notebook("elsewhere/deep_nrc_mlp.ipynb")


def test_title_and_question_of_every_notebook():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        title, question = opening(path)
        assert title, path
        assert question.endswith("?"), path


def test_what_a_notebook_found_is_read_from_under_its_heading():
    def said(text: str):
        return new_code_cell(outputs=[new_output("display_data", {"text/markdown": text})])

    cells = [
        new_markdown_cell("# Title\n\n## The verdict\n\nAs follows."),
        said("* **NRC1** holds.\n\n* So it is."),
        new_markdown_cell("## Doubts"),
        said("many"),
    ]
    assert findings(cells) == ["* NRC1 holds.", "* So it is."]


def test_lists_name_everything(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("NRC_DATA_DIR", str(tmp_path))
    store = Store()
    run(deep_nrc_mlp("synthetic", samples=60, width=8, epochs=3, seeds=[0, 1]), store=store, device="cpu")
    (store.folder / "0000").mkdir()
    (store.folder / "0000" / "provenance.json").write_text("{}")
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert "deep_nrc_mlp                    Deep neural regression collapse in an MLP" in said
    assert "synthetic                       made on the spot" in said
    assert "sgemm                           not prepared: `nrc data sgemm`" in said
    assert "low_rank_targets                Targets of lower rank than their number: figure 3" in said
    assert f"Store {store.folder}: 3 runs" in said
    assert re.search(r"synthetic +regression, mlp +2 runs +newest [0-9a-f]{16} of 20", said)
    assert "1 more cannot be read" in said


def test_every_run_of_a_store_is_listed_if_it_is_asked_for(capsys):
    store = Store()
    configs = [*deep_nrc_mlp("synthetic", samples=60, width=8, epochs=3, weight_decay=0.5, seeds=[0])]
    configs += deep_nrc_mlp("synthetic", samples=60, width=8, epochs=3, weight_decay=0.0, seeds=[0])
    keys = run(configs, store=store, device="cpu").runs["key"]
    assert main(["list", "store"]) == 0
    said = capsys.readouterr().out
    for key, decay in zip(keys, (0.5, 0.0), strict=True):
        assert re.search(rf"\n    {key} of 20\d\d-\d\d-\d\d.\d\d:\d\d  weight_decay={decay}\n", said)


def test_an_unknown_list_is_refused_in_one_line(capsys):
    assert one_line(capsys, "list", "stor") == "nrc: there is no list of 'stor': did you mean 'store'?"


def test_a_notebook_is_shown_with_its_question_and_its_parameters(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("nrc_core.files.project_folder", lambda: ROOT)
    assert main(["show", "deep_nrc_mlp"]) == 0
    said = capsys.readouterr().out
    assert "Does a trained network suppress noise" in said
    assert re.search(
        r"weight_decay +Optional\[float\] +None +L2; None: the paper's value for this data set, or ours", said
    )
    assert "With the defaults: 1 network to train, about" in said, "by the published runs"


def test_two_runs_are_compared(capsys):
    configs = [*deep_nrc_mlp("synthetic", samples=60, width=8, epochs=3, weight_decay=0.5, seeds=[0])]
    configs += deep_nrc_mlp("synthetic", samples=60, width=8, epochs=3, weight_decay=0.0, seeds=[0])
    results = run(configs, store=Store(), device="cpu")
    first, second = results.runs["key"]
    assert main(["compare", first, second[:6]]) == 0
    said = capsys.readouterr().out
    assert re.search(r"weight_decay +0\.5 +0\n", said)
    assert "epochs " not in said, "which is the same in both"
    errors = results.final("test").drop_duplicates("key").set_index("key")
    shares = [errors.loc[key, "network_mse"] / errors.loc[key, "target_variance"] for key in (first, second)]
    assert re.search(rf"  test +{shares[0]:.4g} +{shares[1]:.4g}\n", said)


def test_an_onset_is_told_as_far_as_it_was_measured(capsys):
    """Untrained weights of few units leave noise; with a single measurement, the time of an onset is not known."""
    common = {"samples": 60, "width": 8, "learning_rate": 1e-9, "seeds": [0]}
    configs = [*deep_nrc_mlp("synthetic", epochs=2, **common), *deep_nrc_mlp("synthetic", epochs=3, rank=8, **common)]
    first, second = run(configs, store=Store(), device="cpu").runs["key"]
    assert main(["compare", first, second]) == 0
    onsets = capsys.readouterr().out.partition("onset of noise suppression\n")[2].splitlines()[:2]
    assert [re.sub(" +", " ", line) for line in onsets] == [" site 1 not by 2 1", " site 2 not by 2 1"]


def test_unknown_and_ambiguous_runs_are_refused_in_one_line(capsys):
    store = Store()
    for key in ("abcd0", "abcd1"):
        store.save(key, {}, {})
    assert "2 runs begin with 'abcd': give more of the key, one of abcd0, abcd1" in one_line(
        capsys, "compare", "abcd", "abcd0"
    )
    assert "no run 'ffff' in" in one_line(capsys, "compare", "ffff", "abcd0")
    assert (
        one_line(capsys, "compare", "abc", "abcd0") == "nrc: a run is named by at least 4 letters of its key: got 'abc'"
    )


def test_an_option_in_place_of_a_parameter_is_refused_with_the_right_spelling(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["run", "deep_nrc_mlp", "--dataset", "hopper"])
    assert "--dataset hopper: parameters of notebooks and experiments are written name=value" in capsys.readouterr().err


def test_parameters_after_the_options_are_refused_with_their_place(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["compute", "deep_nrc_mlp", "--device", "cpu", "dataset=hopper", "epochs=2"])
    said = capsys.readouterr().err
    assert "dataset=hopper epochs=2: parameters of notebooks and experiments come before the options" in said


def test_quiet_says_results_and_errors_only(capsys, tmp_path):
    command = ["compute", "deep_nrc_mlp", *TOY, "--device", "cpu"]
    assert main([*command, "-q"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "s on CPU" in said.out
    assert main(["-q", "compute", "deep_nrc"]) == 2
    assert capsys.readouterr().err.startswith("nrc: no experiment")


def test_verbose_says_what_is_looked_up_and_where_an_error_comes_from(capsys, caplog):
    assert main(["compute", "deep_nrc_mlp", *TOY, "--device", "cpu", "-v"]) == 0
    assert any(line.startswith("synthetic, seed 0: not in ") for line in caplog.messages)
    assert main(["-v", "compute", "deep_nrc"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith("nrc: no experiment 'deep_nrc'")


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert re.fullmatch(r"nrc \d+\.\d+\.\d+\n", capsys.readouterr().out)


def in_python(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | environment, timeout=300
    )


@pytest.mark.parametrize("arguments", [["list"], ["claims", "--help"], ["run", "deep_nrc_mpl"]])
def test_what_answers_at_once_imports_neither_pandas_nor_torch(arguments):
    code = (
        "import sys\nfrom nrc_core.cli.main import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        "sys.exit(str({'pandas', 'torch', 'papermill', 'nbformat', 'numpy'} & set(sys.modules)))"
    )
    assert in_python(code).stderr.splitlines()[-1] == "set()"


def test_claims_are_judged_without_torch(tmp_path):
    """This includes claims that are judged without a network, whose cases are recorded because they need torch."""
    profile = tmp_path / "none.yml"
    page = {"title": "Toy", "notebook": "deep_nrc_mlp", "parameters": {"dataset": "synthetic"}}
    content = {"name": "none", "note": "n", "store": str(tmp_path), "headline": "toy", "pages": {"toy": page}}
    profile.write_text(json.dumps(content))
    code = (
        "import sys\nfrom nrc_core.cli.main import main\n"
        f"main(['claims', '--profile', {str(profile)!r}])\n"
        "sys.exit(str({'torch', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    result = in_python(code)
    assert result.stderr.splitlines()[-1] == "set()"
    assert re.search(r"^P1 +\S", result.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("nrc ru", ["run"]),
        ("nrc run deep_nrc_", ["deep_nrc_mlp", "deep_nrc_resnet"]),
        ("nrc data swim", ["swimmer"]),
        ("nrc compute low", ["low_rank_targets"]),
        ("nrc claims F2-H", ["F2-H1", "F2-H2", "F2-H3", "F2-H4"]),
        ("nrc list exp", ["experiments"]),
    ],
)
def test_the_shell_completes_names(tmp_path, line, completed):
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    out = tmp_path / "out"
    in_python("from nrc_core.cli.main import main; main()", _ARGCOMPLETE_STDOUT_FILENAME=str(out), **asked)
    assert [word.strip() for word in out.read_text().splitlines()] == completed


def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m nrc_core.cli list | head -n 1; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=100)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("Notebooks in")
