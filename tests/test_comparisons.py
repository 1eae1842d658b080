"""Why a claim has its verdict, and under what else it holds: sentences with the networks that show them."""

import dataclasses
import json

import pandas as pd
import pytest

from nrc_core.claims import entries
from nrc_core.claims.claim import Claim, Comparison
from nrc_core.claims.comparisons import matching
from nrc_core.claims.entries import read_claims
from nrc_core.claims.evidence import PageResults
from nrc_core.claims.ledger import judge_claim
from nrc_core.errors import ConfigError
from nrc_core.results.results import Results
from tests.fakes import network, results

BIASED = Comparison("with biases", ("twins",), {"bias": True})


def twins(*, seeds: int = 5, nrc2: float = 0.95) -> Results:
    """Networks without biases that miss the targets, and networks with biases that have this alignment."""
    both = [network("swimmer", seed, nrc2=value) for value in (0.5, nrc2) for seed in range(seeds)]
    found = results(*both)
    return dataclasses.replace(found, runs=found.runs.assign(bias=[False] * seeds + [True] * seeds))


def claim(**fields) -> Claim:
    base = {"id": "X", "section": "deep_nrc", "source": "here", "statement": "s", "seeds": 5, "configuration": "c"}
    given = {"stated": "all", "check": "condition_once_collapsed", "arguments": {"condition": "nrc2"}, "pages": ("p",)}
    return Claim(**base | given | fields)


def judged(one: Claim, compared: Results):
    alone = matching(compared, {"bias": False})
    return judge_claim(one, {"p": PageResults(alone), "twins": PageResults(compared)})


def test_the_claims_own_check_is_applied_to_other_networks():
    found = judged(claim(holds_under=(BIASED,)), twins())
    (under,) = found.holds_under
    assert (found.verdict, under.holds, under.enough) == ("not reproduced", True, True)
    assert under.counts == "5 of 5 networks"
    assert under.keys == tuple(f"{number:016x}" for number in range(5, 10))


def test_a_condition_that_does_not_help_is_known_as_such():
    (under,) = judged(claim(holds_under=(BIASED,)), twins(nrc2=0.8)).holds_under
    assert (under.holds, under.counts) == (False, "0 of 5 networks")


def test_two_seeds_are_not_enough():
    (under,) = judged(claim(holds_under=(BIASED,)), twins(seeds=2)).holds_under
    assert (under.holds, under.enough) == (True, False)


def test_of_a_theorem_no_seeds_are_asked():
    (under,) = judged(claim(holds_under=(BIASED,), about="theorem"), twins(seeds=1)).holds_under
    assert under.enough


def test_a_reason_has_a_check_of_its_own_on_the_claims_networks_and_its_numbers():
    why = Comparison("Depth does not help.", check="trend_with_depth")
    (found,) = judged(claim(why=(why,)), twins()).why
    assert (found.comparison.pages, found.comparison.arguments) == (("p",), {})
    assert found.numbers.endswith(": 0, at least 0.5 in 0 of 5")
    assert json.loads(json.dumps(found.as_dict()))["groups"][0]["networks"] == 5


def test_arguments_replace_those_of_the_claim():
    given = claim(holds_under=(Comparison("for noise", arguments={"condition": "nrc1"}),))
    (one,) = given.comparisons
    assert (one.check, one.arguments) == ("condition_once_collapsed", {"condition": "nrc1"})


def test_networks_that_the_store_lacks_show_nothing():
    absent = (Comparison("elsewhere", ("other",)), Comparison("deeper", ("twins",), {"depth": 99}))
    assert judged(claim(holds_under=absent), twins()).holds_under == ()
    assert judged(claim(why=absent[:1]), twins()).why == ()


def test_what_is_not_asked_for_is_not_compared():
    found = judge_claim(claim(holds_under=(BIASED,)), {"p": PageResults(twins())}, moved=False)
    assert found.holds_under == ()


def test_networks_are_found_by_options_of_their_data_and_usual_ones_need_not_be_given():
    found = results(network("synthetic", 0), network("synthetic", 1))
    runs = found.runs.assign(dataset_options=[{}, {"target_scale": "raw"}])
    given = dataclasses.replace(found, runs=runs)
    for scale, seed in (("standardised", 0), ("raw", 1)):
        assert list(matching(given, {"target_scale": scale}).runs["seed"]) == [seed]
    assert matching(given, {"nothing": 1}).runs.empty
    assert matching(given, {}) is given
    assert isinstance(matching(given, {"target_scale": "raw"}).measurements, pd.DataFrame)


ENTRY = {
    "id": "X", "section": "s", "source": "s", "statement": "s", "seeds": 1, "configuration": "c", "stated": "all",
    "check": "trend_with_depth",
}  # fmt: skip


def test_an_entry_gives_objects(monkeypatch):
    more = {
        "why": {"text": "t", "pages": ["a"]},
        "holds_under": {"text": "u", "where": {"bias": True}},
        "changed": [{"date": "2026-11-27", "what": "w"}],
        "queue": {"order": 1, "core_hours": 2, "what": "q"},
    }
    monkeypatch.setattr(entries, "read_entries", lambda: [ENTRY | more])
    (one,) = read_claims()
    assert one.comparisons[0] == Comparison("t", ("a",), {}, "trend_with_depth", {})
    assert one.holds_under == (Comparison("u", where={"bias": True}),)
    assert (one.changed[0].what, one.queue.core_hours) == ("w", 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"why": {"text": "t", "check": "nothing"}}, "X: no check 'nothing'"),
        ({"why": {"text": "t", "words": "t"}}, "unexpected keyword argument 'words'"),
        ({"about": "fish"}, "about must be networks, theorem, data: got 'fish'"),
    ],
)
def test_a_wrong_comparison_is_named(monkeypatch, change, message):
    monkeypatch.setattr(entries, "read_entries", lambda: [ENTRY | change])
    with pytest.raises(ConfigError, match=message):
        read_claims()
