"""Every verdict against a claim has a reason in the committed results, and what was not run says what it waits for."""

import re
from pathlib import Path

import pytest

from nrc_core import Store
from nrc_core.claims import ledger
from nrc_core.claims.comparisons import compare
from nrc_core.claims.entries import read_claims
from nrc_core.claims.ledger import NOT, PARTLY, REDUCED, UNSURE, WAITING, judge_claim
from nrc_core.results.thresholds import thresholds
from nrc_core.workflow.profiles import read_profile

ROOT = Path(__file__).parent.parent
AGAINST = (NOT, PARTLY, UNSURE)
CLAIMS = read_claims()


@pytest.fixture(scope="module")
def evidence():
    profile = read_profile(ROOT / "book" / "profiles" / "paper.yml")
    return ledger._evidence(profile, Store(ROOT / "results"), CLAIMS, compared=True)


@pytest.fixture(scope="module")
def judged(evidence):
    return {one.id: judge_claim(one, evidence, moved=False) for one in CLAIMS}


def test_every_verdict_against_a_claim_has_a_why(judged):
    against = {
        name
        for name, one in judged.items()
        if one.verdict in AGAINST or (one.verdict == REDUCED and one.decision.reduced in AGAINST)
    }
    assert not {name for name in against if not judged[name].claim.why}


@pytest.mark.parametrize("one", [claim for claim in CLAIMS if claim.comparisons], ids=lambda claim: claim.id)
def test_every_comparison_is_of_stored_networks_with_enough_seeds(one, evidence):
    there = {name: page.results for name, page in evidence.items() if page.results is not None}
    for comparison in one.comparisons:
        found = compare(one, comparison, there, thresholds())
        assert found is not None, f"the store has no networks for: {comparison.text}"
        assert found.enough, f"too few seeds: {comparison.text}"
        assert found.keys or one.about == "theorem"


def test_the_pages_of_comparisons_are_in_the_profile():
    pages = {page.name for page in read_profile(ROOT / "book" / "profiles" / "paper.yml").pages}
    for one in CLAIMS:
        for comparison in one.comparisons:
            assert set(comparison.pages) <= pages, one.id


def test_what_was_not_run_names_its_place_in_the_queue_or_its_data(judged):
    for name, one in judged.items():
        if one.verdict == WAITING:
            waits = r"place \d+ in the queue, [\d.]+ core-hours: |needs .*, which could not be had"
            assert re.search(waits, one.reason), name
            assert not one.groups, name


def test_sentences_state_no_results():
    """Numbers are computed; a weight decay that names networks is no result."""
    for one in CLAIMS:
        for text in [*(comparison.text for comparison in one.comparisons), *(later.what for later in one.changed)]:
            assert not re.search(r"\d", text.replace("weight decay of 0.005", "")), f"{one.id}: {text}"
