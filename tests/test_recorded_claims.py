"""A change of the code that changes the values of a claim on the published runs is noticed."""

import json
from collections import Counter

import pytest

from nrc_core.claims.ledger import VERDICTS, score
from tests import recorded_claims


def alike(found, recorded) -> bool:
    """Whether two values are equal, numbers up to rounding."""
    if isinstance(recorded, dict):
        return found.keys() == recorded.keys() and all(alike(found[name], recorded[name]) for name in recorded)
    if isinstance(recorded, list):
        return len(found) == len(recorded) and all(map(alike, found, recorded))
    if isinstance(recorded, float):
        return found == pytest.approx(recorded, rel=1e-6, abs=1e-9)
    return found == recorded


@pytest.fixture(scope="module")
def judged():
    return recorded_claims.judged()


def test_claims_measure_what_they_did(judged):
    recorded = recorded_claims.read()
    found = json.loads(json.dumps([recorded_claims.measured(one) for one in judged]))
    assert [one["id"] for one in found] == [one["id"] for one in recorded]
    for one, other in zip(found, recorded, strict=True):
        assert alike(one, other), f"{one['id']}: {one} was {other}"


def test_the_score_counts_the_verdicts(judged):
    assert score(judged) == {name: Counter(one.verdict for one in judged)[name] for name in VERDICTS}
    assert sum(score(judged).values()) == len(judged)


def test_everything_behind_a_verdict_is_told(judged):
    names = {
        "id", "section", "source", "statement", "seeds", "note", "configuration", "stated", "pages", "shown_on",
        "check", "verdict", "reason", "quantity", "limit", "at_least", "groups", "thresholds", "moved", "weaker",
        "keys", "change", "close", "about", "reduced", "why", "holds_under", "changed", "queue",
    }  # fmt: skip
    assert all(one.as_dict().keys() == names for one in judged)
