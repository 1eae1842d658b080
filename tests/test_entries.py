"""The entries of the ledger and the thresholds as data."""

from pathlib import Path

import pytest

from nrc_core import ConfigError
from nrc_core.claims import entries
from nrc_core.claims.entries import read_claims
from nrc_core.results.thresholds import read_thresholds
from nrc_core.workflow.profiles import read_profile

PAPER = Path(__file__).parent.parent / "book" / "profiles" / "paper.yml"


def test_every_claim_has_a_check_or_a_reason_why_it_has_none():
    pages = {page.name for page in read_profile(PAPER).pages}
    for one in read_claims():
        assert (one.check is None) == bool(one.reason), one.id
        assert set(one.pages) <= pages, one.id
        assert one.stated in ("all", "partly", "none"), one.id
        assert one.holds_in in ("all", "any"), one.id
        assert one.seeds >= 1, one.id


def test_thresholds_have_reasons_and_others_on_both_sides():
    for name, threshold in read_thresholds().items():
        assert len(threshold.reason) > 20, name
        assert min(threshold.others) < threshold.value < max(threshold.others), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"check": "nothing"}, "X: no check 'nothing'"),
        ({"thresholds": ["none"]}, "unknown thresholds \\['none'\\]"),
        ({"colour": "red"}, "unexpected keyword argument 'colour'"),
    ],
)
def test_a_wrong_entry_of_the_ledger_is_named(monkeypatch, change, message):
    entry = {"id": "X", "section": "s", "source": "s", "statement": "s", "seeds": 1, "configuration": "c"}
    altered = [entry | {"stated": "all"} | change]
    monkeypatch.setattr(entries, "read_entries", lambda: altered)
    with pytest.raises(ConfigError, match=message):
        read_claims()
