"""Comparison of local runs with the reference runs: its page, its lines on other pages, and the output of a build."""

import json
from importlib import import_module

import pytest

from nrc_core.claims.entries import read_claims
from nrc_core.claims.ledger import VERDICTS
from nrc_core.claims.rechecks import OUTCOMES
from nrc_core.errors import DataDamaged
from tests.toy_book import TOY

WORST = {
    "run": "swimmer, seed 1", "quantity": "NRC3 at site 4", "value": 0.89876, "low": 0.91, "high": 0.93456, "z": -4.2,
}  # fmt: skip
COMPARED = {"reason": "", "runs": 2, "references": 5, "quantities": 61, "limit": 1.9}
CHECK = {
    "profile": "toy",
    "pages": [
        {"page": "hopper", "outcome": "agrees", "number": 1.034, "worst": [WORST | {"run": "a"}], **COMPARED},
        {"page": "swimmer", "outcome": "differs", "number": 3.217, "worst": [WORST], **COMPARED},
        {"page": "sgemm", "outcome": "not compared", "reason": "no reference runs | of it", "number": None,
         "limit": None, "runs": 0, "references": 0, "quantities": 0, "worst": []},
        {"page": "reacher", "outcome": "agrees", "number": 0.98, "worst": [], **COMPARED, "runs": 1},
    ],
}  # fmt: skip
NOTHING = {"profile": "paper", "pages": []}
TITLES = {"hopper": "Hopper", "swimmer": "Swimmer", "sgemm": "SGEMM"}


@pytest.fixture(scope="module")
def recheck():
    return import_module("book.builder.recheck")


@pytest.fixture(scope="module")
def ledger():
    return import_module("book.builder.ledger")


def entry(name: str, *pages: str) -> dict:
    """A claim of the ledger without any numbers."""
    one = next(claim for claim in read_claims() if claim.id == name)
    return {
        "id": name, "section": one.section, "source": "figure", "statement": "Noise is small.", "seeds": 5, "note": "",
        "stated": "all", "pages": list(pages), "shown_on": [], "verdict": "reproduced", "reason": "no numbers",
        "groups": [], "moved": {}, "weaker": {}, "reduced": "", "about": "networks", "why": [], "holds_under": [],
        "changed": [], "queue": None, "close": False,
    }  # fmt: skip


def row(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if f"pages/{name}.ipynb" in line)


def test_every_page_is_a_row_under_its_outcome(recheck):
    text = recheck.page(CHECK, TITLES)
    sections = {part.split("\n")[0]: part for part in text.split("## ")[1:]}
    assert list(sections) == ["Differs", "Not compared", "Agrees"]
    assert "pages/swimmer.ipynb" in sections["Differs"]
    assert "pages/sgemm.ipynb" in sections["Not compared"]
    assert "pages/hopper.ipynb" in sections["Agrees"]
    assert text.count(".ipynb") == len(CHECK["pages"])


def test_a_row_has_outcome_number_limit_and_what_is_furthest_off(recheck):
    line = row(recheck.page(CHECK, TITLES), "swimmer")
    assert line.startswith("| [Swimmer](pages/swimmer.ipynb) | ")
    assert '<span class="verdict differs">≠ differs</span>' in line
    assert "number 3.22, limit 1.9; 2 runs against 5 reference runs, 61 quantities" in line
    assert "NRC3 at site 4 (swimmer, seed 1): 0.8988, expected 0.91 to 0.9346" in line
    assert "1 run against" in row(recheck.page(CHECK, TITLES), "reacher")
    assert "another version" not in line


def test_a_page_can_differ_for_a_reason_without_a_number(recheck, tmp_path):
    diverged = CHECK["pages"][2] | {"page": "swimmer", "outcome": "differs", "reason": "seed 1 diverged"}
    check = {"pages": [diverged]}
    (tmp_path / "check.json").write_text(json.dumps(check))
    assert recheck.read(tmp_path / "check.json") == check
    assert row(recheck.page(check, TITLES), "swimmer").endswith("≠ differs</span> | seed 1 diverged |")
    assert recheck.line(check, "swimmer").endswith("≠ differs</span> (seed 1 diverged).")
    assert recheck.summary(check)[0] == "swimmer: differs from the reference runs, seed 1 diverged"


def test_data_of_another_version_are_said(recheck):
    check = {"pages": [CHECK["pages"][1] | {"other_data": True}]}
    assert recheck.OTHER_DATA in row(recheck.page(check, TITLES), "swimmer")


def test_every_word_has_a_shape(recheck):
    badges = import_module("book.builder.badges")
    assert set(badges.SHAPES) == {*VERDICTS, *OUTCOMES, badges.NOT_HERE}
    assert badges.OUTCOMES == OUTCOMES


def test_a_row_that_was_not_compared_has_its_reason(recheck):
    line = row(recheck.page(CHECK, TITLES), "sgemm")
    assert '<span class="verdict not-compared">· not compared</span> | no reference runs \\| of it |' in line
    assert "limit" not in line


def test_the_landing_page_counts_and_leads_to_the_sections(recheck):
    assert recheck.score(CHECK) == (
        "Re-checked on this machine, of 4 pages: "
        '<a href="recheck.html#agrees"><span class="verdict agrees">= agrees</span> 2</a>, '
        '<a href="recheck.html#differs"><span class="verdict differs">≠ differs</span> 1</a>, '
        '<a href="recheck.html#not-compared"><span class="verdict not-compared">· not compared</span> 1</a>.\n'
    )
    some = {**CHECK, "pages": CHECK["pages"][:1]}
    assert "of 1 page:" in recheck.score(some)
    assert "differs" not in recheck.score(some)


def test_a_book_of_published_runs_says_that_nothing_was_trained(recheck):
    for text in (recheck.page(NOTHING, TITLES), recheck.score(NOTHING)):
        assert "shows the published runs themselves. Nothing was trained on this machine" in text
        assert "|" not in text
    assert recheck.line(NOTHING, "hopper") == ""
    assert recheck.summary(NOTHING) == [
        "re-checked here: nothing, as this book shows the published runs and trains none"
    ]


def test_the_line_of_a_box_says_more_where_a_page_differs(recheck):
    assert recheck.line(CHECK, "hopper").endswith("= agrees</span> (number 1.03, limit 1.9).")
    assert recheck.line(CHECK, "swimmer").endswith(
        "≠ differs</span> (number 3.22, limit 1.9). Furthest off: NRC3 at site 4 (swimmer, seed 1): 0.8988, "
        "expected 0.91 to 0.9346."
    )
    assert recheck.line(CHECK, "sgemm").endswith("· not compared</span>: no reference runs | of it.")
    assert recheck.line(CHECK, "four_conditions") == ""


def test_a_page_that_shows_published_runs_is_not_compared(recheck):
    lacking = recheck.without_data(CHECK, ["swimmer", "sgemm"])
    assert recheck.counts(lacking) == {"agrees": 2, "differs": 0, "not compared": 2}
    assert recheck.line(lacking, "swimmer").endswith("not compared</span>: its data are not here.")
    assert recheck.line(lacking, "hopper") == recheck.line(CHECK, "hopper")


@pytest.mark.parametrize(
    ("pages", "outcome", "reason"),
    [
        (["hopper"], "agrees", ""),
        (["hopper", "sgemm"], "agrees", ""),
        (["hopper", "swimmer", "sgemm"], "differs", ""),
        (["sgemm"], "not here", "no reference runs | of it"),
        (["sgemm", "four_conditions"], "not here", "no reference runs | of it"),
        ([], "not here", "no networks are trained for it"),
    ],
)
def test_a_claim_is_rechecked_by_its_pages(recheck, pages, outcome, reason):
    assert recheck.of_claim(CHECK, pages) == (outcome, reason)


def test_the_ledger_has_the_outcome_beside_the_verdict(ledger):
    text = ledger.page([entry("F2-S1", "swimmer", "hopper"), entry("F2-H1", "hopper"), entry("F7-1", "sgemm")], CHECK)
    lines = {name: line for line in text.splitlines() for name in ("F2-S1", "F2-H1", "F7-1") if f'id="{name}"' in line}
    for name, outcome, shape in (("F2-S1", "differs", "≠"), ("F2-H1", "agrees", "="), ("F7-1", "not here", "·")):
        assert f'data-here="{outcome}"' in lines[name]
        assert "● reproduced</span><br>re-checked here: <span" in lines[name]
        assert f"{shape} {outcome}</span>" in lines[name]
        assert f'<option value="{outcome}">{shape} {outcome}</option>' in text
        assert ("not re-checked here" in lines[name]) == (outcome == "not here")
    assert "**not re-checked here**: no reference runs \\| of it" in lines["F7-1"]


def test_the_ledger_of_a_book_of_published_runs_has_verdicts_only(ledger):
    text = ledger.page([entry("F2-S1", "swimmer")], NOTHING)
    assert "reproduced" in text
    assert not any(words in text for words in ("re-checked", "data-here", "RECHECKED"))


def test_the_box_of_a_page_without_claims_has_the_line_only(ledger, recheck):
    text = ledger.box([entry("F2-S1", "swimmer")], "cone", ["synthetic"], rechecked=recheck.line(CHECK, "hopper"))
    assert text.splitlines()[0] == ":::{admonition} What was trained here"
    assert text.splitlines()[2:-1] == [recheck.line(CHECK, "hopper")]
    assert ledger.box([entry("F2-S1", "swimmer")], "cone", ["synthetic"]) == ""


def test_the_line_stands_above_the_claims_of_a_page(ledger, recheck):
    text = ledger.box(
        [entry("F2-S1", "swimmer")], "swimmer", ["swimmer"],
        rechecked=recheck.line(CHECK, "swimmer"), figures="The figures are others.",
    )  # fmt: skip
    lines = text.splitlines()
    assert lines[2] == recheck.line(CHECK, "swimmer")
    assert (
        lines[4]
        == 'On the published runs: <span class="verdict reproduced">● reproduced</span> 1. The figures are others.'
    )


def test_a_build_ends_by_saying_which_pages_do_not_agree(recheck, tmp_path, capsys):
    (tmp_path / "check.json").write_text(json.dumps(CHECK))
    assert recheck.main(["toy.yml", f"build={tmp_path}"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "swimmer: differs from the reference runs, number 3.22, limit 1.9; NRC3 at site 4 (swimmer, seed 1): 0.8988, "
        "expected 0.91 to 0.9346",
        "sgemm: not compared, no reference runs | of it",
        "re-checked here: 2 of 4 pages agree with the reference runs, 1 differs, 1 not compared",
    ]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (None, "No such file"),
        ("nrc: no profile", "Expecting value"),
        ("[]", "no list `pages`"),
        ('{"pages": 3}', "no list `pages`"),
        (json.dumps({"pages": [{"outcome": "agrees"}]}), "no name of page 1"),
        (
            json.dumps({"pages": [{"page": "hopper", "outcome": "fine"}]}),
            "outcome 'fine' of page hopper",
        ),
        (json.dumps({"pages": [{"page": "hopper", "outcome": "agrees"}]}), "no reason of page hopper"),
        (json.dumps({"pages": [CHECK["pages"][0] | {"limit": "1"}]}), "no limit of page hopper"),
        (json.dumps({"pages": [CHECK["pages"][0] | {"worst": [{"run": "a"}]}]}), "no quantity in"),
    ],
)
def test_what_is_no_result_is_an_error_of_one_line(recheck, tmp_path, capsys, text, wrong):
    path = tmp_path / "check.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(
        DataDamaged, match=r"must hold what `nrc check --json` prints, got .*: delete it and build again"
    ):
        recheck.read(path)
    assert recheck.main(["toy.yml", f"build={tmp_path}"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert wrong in line


def test_where_a_build_is_follows_from_its_profile(recheck, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build" / "toy").mkdir(parents=True)
    (tmp_path / "build" / "toy" / "check.json").write_text(json.dumps(NOTHING))
    assert recheck.main([str(TOY), "pdf=yes"]) == 0
    assert capsys.readouterr().out == f"{recheck.summary(NOTHING)[0]}\n"
    assert recheck.main(["none.yml"]) == 1
    assert capsys.readouterr().err == "no profile at none.yml: check the path\n"


def test_a_book_that_is_built_is_built_whatever_is_known_of_its_runs(tmp_path, monkeypatch, capfd):
    build = import_module("book.builder.build")
    monkeypatch.setattr(build, "command", lambda *_: ["true"])
    monkeypatch.chdir(tmp_path)
    assert build.main(["toy.yml", "1", f"build={tmp_path}"]) == 0
    assert "check.json must hold what `nrc check --json` prints" in capfd.readouterr().err
    (tmp_path / "check.json").write_text(json.dumps(CHECK))
    assert build.main(["toy.yml", "1", f"build={tmp_path}"]) == 0
    assert capfd.readouterr().out.endswith("1 differs, 1 not compared\n")
    monkeypatch.setattr(build, "command", lambda *_: ["false"])
    assert build.main(["toy.yml", "1", f"build={tmp_path}"]) == 1
    assert capfd.readouterr().out == ""
