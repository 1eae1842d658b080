"""The ledger is complete, names the thresholds that it uses, and its verdicts follow from the numbers."""

import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from nrc_core import Results, Store, deep_nrc_mlp, run, stored
from nrc_core.claims import evidence, ledger
from nrc_core.claims.checks import CHECKS
from nrc_core.claims.checks.observation import Observation
from nrc_core.claims.claim import Claim, Queue
from nrc_core.claims.entries import read_claims
from nrc_core.claims.ledger import (
    NOT,
    PARTLY,
    REPRODUCED,
    SILENT,
    UNSURE,
    WAITING,
    PageResults,
    judge,
    judge_claim,
    regressions,
    verdict_of,
)
from nrc_core.cli.main import main
from nrc_core.results.thresholds import read_thresholds, thresholds
from nrc_core.sections.departures import shortfalls
from nrc_core.workflow.profiles import read_profile
from tests.fakes import network, results
from tests.fakes_classification import for_claim
from tests.known_checks import ON_CLASSIFIERS, ON_DESCENTS, checks_of

ROOT = Path(__file__).parent.parent
PAPER = ROOT / "book" / "profiles" / "paper.yml"
# Every claim of the papers and of the theory that was found to be checkable, by figure and section.
EXPECTED = {
    *(f"A0{i}" for i in range(1, 10)),
    *(f"F{figure}{i}" for figure in ("1-U", "1-C", "2-S", "2-H", "6-", "7-") for i in range(1, 5)),
    *(f"F8-{i}" for i in range(1, 7)),
    "T2-1",
    *(f"F3-{i}" for i in range(1, 9)),
    *(f"F4-{i}" for i in range(1, 12)),
    "F4-6b",
    *(f"F5-{i}" for i in range(1, 10)),
    *(f"F9-{i}" for i in range(1, 5)),
    *("P1", "P1b", "P1c"),
    *(f"B{i:02d}" for i in range(1, 42)),
    *("B27c", "C01", "C02", "C03", "C04"),
    *(f"O0{i}" for i in range(1, 6)),
    *(f"R0{i}" for i in range(1, 6)),
    "R04b",
    *(f"K0{i}" for i in range(1, 5)),
    *(f"U0{i}" for i in range(1, 9)),
    *(f"D{i:02d}" for i in range(1, 14)),
    *(f"G{i:02d}" for i in range(1, 12)),
    *("G01b", "G05b", "S01b", "S03b"),
    *(f"M{i:02d}" for i in range(1, 13)),
    *(f"N0{i}" for i in range(1, 9)),
    *(f"S0{i}" for i in range(1, 10)),
}


def claim(**fields) -> Claim:
    base = {"id": "X", "section": "deep_nrc", "source": "here", "statement": "s", "seeds": 5}
    return Claim(**base | {"configuration": "none", "stated": "all"} | fields)


def page(*networks, missing: int = 0, smaller: bool = False) -> PageResults:
    found = results(*networks)
    if not smaller:
        return PageResults(found, missing)
    provenance = {key: {"data": {"n_train": 1000}} for key in found.runs["key"]}
    found = dataclasses.replace(found, runs=found.runs.assign(exposure=1e-3), provenance=provenance)
    return PageResults(found, missing, "networks smaller than the paper's", experiment="deep_nrc_mlp")


def descents_of(name: str) -> Results:
    """The published results of a page of the theory."""
    (one,) = (page for page in read_profile(PAPER).pages if page.name == name)
    found, missing = stored(one.configs, store=Store(ROOT / "results"))
    assert found is not None
    assert missing == 0
    return found


def observation(**held: list[bool]):
    rows = [{"group": name, "seed": i, "value": 1.0, "holds": flag} for name, flags in held.items()
            for i, flag in enumerate(flags)]  # fmt: skip
    return Observation("q", 1.0, False, pd.DataFrame(rows))


def test_no_claim_is_missing():
    assert {one.id for one in read_claims()} == EXPECTED
    assert len(read_claims()) == len(EXPECTED)


class Recorder(dict):
    """Thresholds that record which of them were read."""

    def __init__(self, values):
        super().__init__(values)
        self.read = set()

    def __getitem__(self, name):
        self.read.add(name)
        return super().__getitem__(name)


def test_a_claim_names_exactly_the_thresholds_its_check_reads():
    two = [network("sgemm", int(bool(s)), weight_decay=w, shuffled=s) for w in (0.0, 1e-3, 5e-3) for s in (None, True)]
    regression = {"page": results(*two)}
    two = [network("sgemm", weight_decay=w, spectra={"nrc1": 0.001}) for w in (1e-3, 5e-3)]
    others = [network("sgemm", depth=4), network("sgemm", dataset_options={"teacher": "linear"})]
    variants = {"page": results(*two, *others)}
    for one in read_claims():
        if one.check is None:
            continue
        evidence = for_claim(one) if one.check in ON_CLASSIFIERS else regression
        evidence = variants if one.check in checks_of("recovery") else evidence
        if one.check in ON_DESCENTS:
            evidence = {name: descents_of(name) for name in one.pages}
        limits = Recorder(thresholds())
        rows = CHECKS[one.check](evidence, limits, **one.arguments).rows
        assert evidence is regression or not rows.empty, one.id
        unread = {"settled_change_most", "noise_most"} if one.check == "collapse_after_settling" else set()
        # All conditions are computed together, so `holds` also reads thresholds that have no effect.
        assert set(one.thresholds) - unread <= limits.read, one.id
        for name in set(limits.read) - set(one.thresholds):
            moved = [
                CHECKS[one.check](evidence, {**thresholds(), name: other}, **one.arguments).rows["holds"].tolist()
                for other in (thresholds()[name], *read_thresholds()[name].others)
            ]
            assert all(flags == moved[0] for flags in moved), f"{one.id} depends on {name}"


@pytest.mark.parametrize(
    ("held", "verdict"),
    [
        ({"a": [True] * 5}, REPRODUCED),
        ({"a": [True] * 4 + [False]}, REPRODUCED),
        ({"a": [True] * 3 + [False] * 2}, PARTLY),
        ({"a": [True] + [False] * 4}, NOT),
        ({"a": [True] * 5, "b": [False] * 5}, PARTLY),
        ({"a": [True] * 5, "b": [True] * 3 + [False] * 2}, PARTLY),
        ({"a": [False] * 5, "b": [False] * 2}, NOT),
        ({}, WAITING),
    ],
)
def test_the_verdict_follows_from_the_shares(held, verdict):
    assert verdict_of(observation(**held).rows, claim(), thresholds()) == verdict


def test_a_claim_of_existence_needs_one_data_set():
    held = observation(a=[True] * 5, b=[False] * 5).rows
    assert verdict_of(held, claim(holds_in="any"), thresholds()) == REPRODUCED
    assert verdict_of(held, claim(), thresholds()) == PARTLY


def test_intervals_are_exact():
    """Five of five: the share p at which p^5 = 2.5 %."""
    group = ledger.Group("a", 5, 5, (1.0,) * 5)
    assert group.interval == pytest.approx((0.025**0.2, 1.0))
    assert ledger.Group("a", 5, 0, (1.0,) * 5).interval == pytest.approx((0.0, 1 - 0.025**0.2))


def toy_profile(tmp_path: Path, **parameters) -> Path:
    values = {"dataset": "synthetic", "samples": 60, "width": 8, "epochs": 3, "measurements": 2} | parameters
    page = {"title": "Synthetic", "notebook": "deep_nrc_mlp", "parameters": values}
    path = tmp_path / "profile.yml"
    profile = {"name": "toy", "note": "n", "store": str(tmp_path / "store"), "headline": "synthetic"}
    path.write_text(yaml.safe_dump(profile | {"pages": {"synthetic": page}}))
    return path


def test_an_empty_store_has_no_verdicts_but_those_of_theory(tmp_path):
    judged = judge(read_profile(toy_profile(tmp_path)), Store(tmp_path / "store"))
    assert {one.claim.id for one in judged if one.verdict != WAITING} == {
        "A05",
        "P1",
        "B26",
        "B32",
        "B34",
        "B35",
        "C03",
        "G11",
        *("K01", "K02", "R01", "R03", "R04", "R04b"),
    }
    assert all(one.reason for one in judged if one.verdict == WAITING)


@pytest.fixture
def judged(tmp_path):
    profile = toy_profile(tmp_path, seeds=[0, 1])
    store = Store(tmp_path / "store")
    run(deep_nrc_mlp("synthetic", samples=60, width=8, epochs=3, measurements=2, seeds=[0, 1]), store=store)
    return {one.claim.id: one for one in judge(read_profile(profile), store)}


def test_a_verdict_comes_with_its_evidence(judged):
    one = judged["F8-1"]
    assert one.verdict == WAITING
    assert one.reason.startswith("networks smaller than the paper's (2 of 2 with a loss that has not settled, 2 of 2 ")
    assert (one.groups, one.keys) == ((), ())
    assert one.weaker == {"synthetic": "networks smaller than the paper's"}
    plain = one.as_dict()
    assert json.loads(json.dumps(plain))["thresholds"] == {"noise_most": 0.05}


def test_verdicts_that_move_with_a_threshold_are_named(tmp_path, monkeypatch):
    pages = {"synthetic": page(*[network("synthetic", s, nrc1=0.03) for s in range(5)])}
    (one,) = [c for c in read_claims() if c.id == "F8-1"]
    found = judge_claim(one, pages)
    assert found.verdict == REPRODUCED
    assert found.moved == {"noise_most = 0.01": NOT}


def test_smaller_networks_give_no_verdict():
    (one,) = [c for c in read_claims() if c.id == "A04"]
    good, bad = network("swimmer"), network("hopper", nrc1=0.5)
    only = judge_claim(one, {"swimmer": page(good, smaller=True)})
    assert (only.verdict, only.groups) == (WAITING, ())
    both = judge_claim(one, {"swimmer": page(good), "hopper": page(bad, smaller=True)})
    assert (both.verdict, list(both.weaker)) == (REPRODUCED, ["hopper"])
    assert [group.name for group in both.groups] == ["swimmer"]


def test_smaller_networks_come_second_where_the_others_say_nothing():
    one = next(claim for claim in read_claims() if claim.id == "F3-8")
    without_control = page(network("sgemm"))
    control = page(network("synthetic", shuffled=True), network("synthetic"), smaller=True)
    judged = judge_claim(one, {"low_rank_sgemm": without_control, "low_rank_control": control})
    assert judged.verdict == WAITING
    assert judged.reason.startswith(
        "networks smaller than the paper's (2 of 2 without an exposure within a factor of 2"
    )
    alone = judge_claim(one, {"low_rank_sgemm": without_control})
    assert "say nothing about it" in alone.reason


def test_numbers_that_cannot_decide_are_inconclusive(monkeypatch):
    """Unless the claim is reproduced by them all the same."""
    good, bad = (dataclasses.replace(observation(a=held), unsure="too few to tell") for held in ([True], [False]))
    for seen, verdict in ((good, REPRODUCED), (bad, UNSURE)):
        monkeypatch.setitem(CHECKS, "unsure", lambda evidence, limits, seen=seen: seen)
        judged = judge_claim(claim(check="unsure"), {}, 0.3)
        assert (judged.verdict, judged.reason) == (verdict, "too few to tell" if verdict == UNSURE else "")
    assert judged.change is None


def test_what_counts_as_smaller(tmp_path):
    store = Store(tmp_path)
    (base,) = deep_nrc_mlp("synthetic", samples=60, width=8, epochs=3, measurements=1)
    small = run([base], store=store)
    assert shortfalls(small.runs, "deep_nrc_mlp")
    runs = small.runs.assign(epochs=500, width=256, dataset_options=[{}])
    assert not shortfalls(runs, "deep_nrc_mlp")
    assert shortfalls(runs.assign(width=64), "deep_nrc_mlp") == [("width", 64, 256)]
    assert shortfalls(runs, "low_rank_targets")
    low = runs.assign(epochs=300, width=1024, depth=10)
    assert not shortfalls(low, "low_rank_targets")


def test_fewer_pixels_count_as_smaller_and_a_stand_in_as_a_stand_in():
    few = results(network("car_racing", epochs=250, width=64, depth=18))
    on = {
        kind: dataclasses.replace(few, provenance={"0" * 16: {"data": {"kind": kind}}}) for kind in ("real", "stand-in")
    }
    assert evidence.weakness(on["real"], "deep_nrc_resnet") == ""
    assert evidence.weakness(on["stand-in"], "deep_nrc_resnet") == "networks on a stand-in for its data"
    runs = few.runs.assign(dataset_options=[{"image_size": 42}])
    small = dataclasses.replace(on["stand-in"], runs=runs)
    assert evidence.weakness(small, "deep_nrc_resnet") == "networks smaller than the paper's on a stand-in for its data"
    shallow = few.runs.assign(dataset="utkface", epochs=100)
    assert shortfalls(shallow, "deep_nrc_resnet") == [("depth", 18, 34)]


def test_what_was_not_run_names_its_place_in_the_queue_or_its_data():
    one = next(claim for claim in read_claims() if claim.id == "F1-C1")
    weaker = "networks on a stand-in for its data"
    there = PageResults(results(network("car_racing", nrc1=0.01)), 0, weaker, True, datasets=("car_racing",))
    judged = judge_claim(one, {"car_racing": there, "carla2d": PageResults(None, 1, datasets=("carla2d",))})
    assert (judged.verdict, judged.groups) == (WAITING, ())
    assert judged.reason == f"{weaker}; needs CARLA, which could not be had"
    queued = claim(check="trend_with_depth", pages=("p",), queue=Queue(2, 3.5, "five networks"))
    judged = judge_claim(queued, {"p": PageResults(None, 1, datasets=("hopper",))})
    assert judged.reason == "none of its networks is in the store; place 2 in the queue, 3.5 core-hours: five networks"


def test_networks_that_lack_what_a_claim_speaks_of_give_no_verdict():
    one = next(claim for claim in read_claims() if claim.id == "F8-2")
    noisy = [network("synthetic", seed, nrc1=0.5, nrc2=0.1) for seed in range(2)]
    found = judge_claim(one, {"synthetic": page(*noisy)})
    assert (found.verdict, found.reason) == (SILENT, "2 networks say nothing about it, for lack of a collapsed layer")
    found = judge_claim(one, {"synthetic": page(*noisy[:1], network("synthetic", 2))})
    assert (found.verdict, found.reason) == (
        REPRODUCED,
        "1 network says nothing about it, for lack of a collapsed layer",
    )
    found = judge_claim(one, {"synthetic": page(*noisy, smaller=True)})
    assert found.verdict == WAITING


def test_networks_that_diverged_are_told():
    (one,) = [c for c in read_claims() if c.id == "F8-1"]
    there = page(network("synthetic"))
    assert there.results is not None
    there.results.failures["synthetic, seed 3"] = "the loss became nan"
    found = judge_claim(one, {"synthetic": there})
    assert (found.verdict, found.reason) == (REPRODUCED, "1 of its networks diverged")


def test_evidence_that_is_mostly_missing_gives_no_verdict():
    (one,) = [c for c in read_claims() if c.id == "F8-1"]
    found = judge_claim(one, {"synthetic": page(network("synthetic"), missing=4)})
    assert found.verdict == WAITING
    assert found.reason == "4 of its networks are not in the store"


def test_what_no_longer_holds_is_an_error(tmp_path, capsys, judged):
    profile, recorded = tmp_path / "profile.yml", tmp_path / "verdicts.json"
    assert main(["claims", "--profile", str(profile), "--record", str(recorded)]) == 0
    assert main(["claims", "--profile", str(profile), "--against", str(recorded)]) == 0
    verdicts = json.loads(recorded.read_text())
    changed = next(name for name, verdict in verdicts.items() if verdict != REPRODUCED)
    recorded.write_text(json.dumps(verdicts | {changed: REPRODUCED}))
    capsys.readouterr()
    assert main(["claims", "--profile", str(profile), "--against", str(recorded)]) == 1
    assert f"{changed}: was reproduced, is" in capsys.readouterr().err
    assert regressions(list(judged.values()), {"gone": REPRODUCED}) == ["gone: was reproduced, is gone"]


def test_json_has_every_claim(tmp_path, capsys, judged):
    assert main(["claims", "--json", "--profile", str(tmp_path / "profile.yml")]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["id"] for entry in entries] == [one.id for one in read_claims()]


@pytest.mark.parametrize("content", ["[1, 2]", "{", None])
def test_recorded_verdicts_that_cannot_be_read(tmp_path, capsys, content):
    path = tmp_path / "verdicts.json"
    if content is not None:
        path.write_text(content)
    assert main(["claims", "--profile", str(toy_profile(tmp_path)), "--against", str(path)]) == 2
    assert "nrc claims --record" in capsys.readouterr().err
