"""The ledger as a page: every claim has its numbers and its doubts, and every picture has a text."""

import re
from importlib import import_module

import pytest

from nrc_core.claims.entries import read_claims
from nrc_core.claims.ledger import PageResults, judge_claim
from tests.fakes import network, results


@pytest.fixture(scope="module")
def ledger():
    return import_module("book.builder.ledger")


@pytest.fixture(scope="module")
def entries() -> list[dict]:
    five = results(*[network("swimmer", seed, nrc1=0.03 + seed / 1000, nrc3=0.5) for seed in range(5)])
    evidence = {"swimmer": PageResults(five)}
    return [judge_claim(one, evidence).as_dict() for one in read_claims()]


def row(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(f'| <span id="{name}" '))


def test_every_claim_is_a_row_with_a_verdict(ledger, entries):
    text = ledger.page(entries)
    for one in entries:
        assert one["verdict"] in row(text, one["id"]), one["id"]
        assert one["statement"] in row(text, one["id"])


def test_a_row_has_number_limit_seeds_interval_and_what_moves_it(ledger, entries):
    line = row(ledger.page(entries), "F2-S1")
    assert "reproduced" in line
    assert "0.032 (0.03 to 0.034)" in line
    assert "at most 0.05" in line
    assert "**5 of 5** (48 to 100 %)" in line
    assert "not reproduced at noise_most = 0.01" in line
    assert "pages/swimmer.ipynb" in line


def test_a_box_has_the_published_numbers_and_says_so(ledger, entries):
    text = ledger.box(entries, "swimmer", ["swimmer"], figures="The figures are others.")
    assert "\nOn the published runs: " in text
    assert "The figures are others.\n\n| verdict | claim | published runs |" in text
    line = next(line for line in text.splitlines() if "F2-S1</a>" in line)
    assert "| *published, 5 networks:*<span" in line
    assert "**5 of 5** (48 to 100 %)" in line


def test_few_networks_are_said(ledger, entries):
    one = next(entry for entry in entries if entry["id"] == "F2-S1")
    few = one | {"groups": [one["groups"][0] | {"networks": 1, "held": 1}]}
    assert "only 1 of 5 networks" in ledger.page([few])
    assert "only 1 of the 5 networks wanted" in ledger.box([few], "swimmer", ["swimmer"])
    assert "1 of the verdicts rests on fewer networks" in ledger.score([few, one])
    assert "2 of the verdicts rest on fewer networks" in ledger.score([few, few])
    assert "on fewer networks" not in ledger.score([one])


def test_smaller_networks_are_said(ledger, entries):
    one = next(entry for entry in entries if entry["id"] == "F2-S1") | {
        "weaker": {"swimmer": "networks smaller than the paper's"}
    }
    assert "smaller than the paper's" in ledger.box([one], "swimmer", ["swimmer"])


def test_what_has_no_verdict_has_a_reason(ledger, entries):
    text = ledger.page(entries)
    assert "a reading of the other claims" in row(text, "B34")
    assert "none of its networks is in the store" in row(text, "F2-H1")


def test_the_score_adds_up(ledger, entries):
    counts = [int(number) for number in re.findall(r"(\d+)</a>", ledger.score(entries))]
    assert sum(counts) == len(entries) == len(read_claims())


def test_each_number_of_the_score_leads_to_its_claims(ledger, entries):
    links = dict(re.findall(r'href="ledger.html\?verdict=([^"]*)#claims">.*? (\d+)</a>', ledger.score(entries)))
    not_reproduced = sum(one["verdict"] == "not reproduced" for one in entries)
    assert int(links["not+reproduced"]) == not_reproduced > 0


def test_a_row_says_by_what_it_can_be_found_and_the_menus_offer_it(ledger, entries):
    text = ledger.page(entries)
    for one in entries:
        found = dict(re.findall(r'data-(\w+)="([^"]*)"', row(text, one["id"])))
        others = {"B": "Limitations", "C": "Survey"} | dict.fromkeys("DGKMNORSU", "Theory")
        assert found["paper"] == others.get(one["id"][0], "Deep NRC")
        assert (found["section"], found["verdict"]) == (one["section"], one["verdict"])
        for value in found.values():
            assert f'<option value="{value}">' in text, value


def test_every_row_leads_to_the_pages_of_its_claim(ledger, entries):
    text = ledger.page(entries)
    for one in entries:
        pages = re.findall(r"\(pages/(\w+)\.ipynb\)", row(text, one["id"]).split(" | ")[2])
        assert pages == [*one["pages"], *one["shown_on"]], one["id"]
        assert pages or not one["groups"], f"{one['id']} has a verdict and no evidence"


def test_the_box_of_a_page_has_its_claims_and_no_others(ledger, entries):
    box = ledger.box(entries, "swimmer", ["swimmer"])
    shown = set(re.findall(r"#([A-Z][\w-]*)'", box))
    assert shown == {one.id for one in read_claims() if "swimmer" in one.pages}
    assert ledger.box(entries, "four_conditions", []) == ""


def test_theory_is_shown_on_its_page(ledger, entries):
    assert "P1</a>" in ledger.box(entries, "proposition_1", [])
    assert "counter" not in ledger.box(entries, "swimmer", ["swimmer"])


def test_dots_lie_to_the_right_of_the_limit_where_the_claim_holds(ledger):
    assert ledger._margin(0.01, 0.05, at_least=False) > 0 > ledger._margin(0.1, 0.05, at_least=False)
    assert ledger._margin(0.95, 0.9, at_least=True) > 0 > ledger._margin(0.5, 0.9, at_least=True)
    assert ledger._margin(3, 0, at_least=False) < 0 == ledger._margin(0, 0, at_least=False)
    assert -1 < ledger._margin(1e-12, 0.9, at_least=True) < ledger._margin(0.8, 0.9, at_least=True)


@pytest.mark.parametrize(
    ("values", "text"), [([1.0, 3.0, 2.0], "2 (1 to 3)"), ([0.5], "0.5"), ([None], "none"), ([0.04, None], "0.04")]
)
def test_numbers(ledger, values, text):
    assert ledger.numbers(values) == text


def test_a_value_beside_its_limit_is_printed_apart_from_it(ledger, entries):
    """0.8988 was printed as 0.9, at least 0.9, in a network that fails."""
    one = next(entry for entry in entries if entry["id"] == "F2-S3")
    near = one | {"groups": [one["groups"][0] | {"values": [0.8988, 0.9003, 0.9]}]}
    assert "0.9 (0.899 to 0.9003)" in row(ledger.page([near]), "F2-S3")


def test_the_share_of_sites_stands_beside_the_worst_of_them(ledger, entries):
    one = next(entry for entry in entries if entry["id"] == "F2-S3")
    some = one | {"groups": [one["groups"][0] | {"shares": [0.5, 0.75, None]}]}
    assert "; holds at 50% to 75% of these sites" in row(ledger.page([some]), "F2-S3")
    without = one | {"groups": [{k: v for k, v in one["groups"][0].items() if k != "shares"}]}
    assert "of these sites" not in row(ledger.page([without]), "F2-S3")


COMPARED = {"text": "with biases", "pages": ["swimmer"], "keys": ["ab", "cd"], "holds": True, "enough": True,
            "counts": "5 of 5 networks", "numbers": "exposure: 0.13, at least 2.5 in 0 of 5"}  # fmt: skip


def test_why_and_under_what_it_holds_stand_beside_the_evidence_with_their_runs(ledger, entries):
    one = next(entry for entry in entries if entry["id"] == "F2-S3")
    also = COMPARED | {"text": "at another depth", "holds": False, "counts": "1 of 5 networks"}
    told = one | {"why": [COMPARED | {"text": "Decay is weak."}], "holds_under": [also, COMPARED]}
    *_, why, under = row(ledger.page([told]), "F2-S3").split(" | ")
    assert why.startswith(
        "Decay is weak.<br>*exposure: 0.13, at least 2.5 in 0 of 5*<br>[swimmer](pages/swimmer.ipynb)"
    )
    assert "<summary>2 runs</summary><code>ab</code> <code>cd</code>" in why
    assert under.startswith("**with biases** (5 of 5 networks)")
    assert "<br>*also not:* **at another depth** (1 of 5 networks)" in under


def test_what_rests_on_too_few_seeds_is_not_shown(ledger, entries):
    one = next(entry for entry in entries if entry["id"] == "F2-S3")
    few = COMPARED | {"enough": False}
    assert "with biases" not in row(ledger.page([one | {"why": [few], "holds_under": [few]}]), "F2-S3")
    without = [one | {"why": [], "verdict": verdict} for verdict in ("partly", "reproduced")]
    assert ["the cause was not found" in row(ledger.page([each]), "F2-S3") for each in without] == [True, False]


def test_the_share_of_all_combinations_and_later_changes_are_told(ledger, entries):
    one = next(entry for entry in entries if entry["id"] == "F2-S3")
    changed = one | {"changed": [{"date": "2026-11-27", "what": "all sites count"}]}
    shares = {"F2-S3": {"share": 0.25, "universes": 40, "matters_most": "bias"}}
    line = row(ledger.page([changed], shares=shares), "F2-S3")
    assert "*Changed on 2026-11-27: all sites count.*" in line
    assert "holds in 25%</a> of 40 combinations" in line


def test_the_score_says_what_the_verdicts_rest_on(ledger, entries):
    one = next(entry for entry in entries if entry["id"] == "F2-S1")
    theorem = one | {"about": "theorem", "groups": [one["groups"][0] | {"seeds": 1}], "moved": {}}
    failed = one | {"verdict": "not reproduced", "close": True}
    text = ledger.score([one, theorem, failed])
    assert "Of the 2 reproduced, 1 are about trained networks, 1 about theorems and 0 about data." in text
    assert "Of all 3 verdicts, 2 move with a threshold, 1 may change on another machine, and 2 rest on 3 seeds" in text


def test_thresholds_are_all_there_with_what_they_move(ledger, entries):
    table = ledger.thresholds_table(entries)
    line = next(line for line in table.splitlines() if "`noise_most`" in line)
    assert "F2-S1</a> not reproduced" in line
    assert table.count("\n") == len(ledger.read_thresholds()) + 1
