"""The published runs are complete, sufficient for every page, and judged as recorded."""

import json
from pathlib import Path

from nrc_core import EXPERIMENTS, Store, stored
from nrc_core.claims.ledger import judge
from nrc_core.workflow.profiles import read_profile

ROOT = Path(__file__).parent.parent
PAPER = ROOT / "book" / "profiles" / "paper.yml"


def test_the_published_verdicts_are_those_of_the_committed_results():
    """The committed store is judged by the current code; a changed verdict must be recorded on purpose."""
    profile = read_profile(PAPER)
    recorded = json.loads(PAPER.with_suffix(".verdicts.json").read_text())
    now = {one.claim.id: one.decision.in_words for one in judge(profile, Store(ROOT / profile.store), moved=False)}
    assert now == recorded


def test_the_published_book_needs_no_training():
    profile = read_profile(PAPER)
    store = Store(ROOT / profile.store)
    for page in profile.pages:
        # These pages need data that most readers do not have; the pages state how to get the data.
        if page.experiment is not None and page.name not in ("carla2d", "collapse_svhn", "collapse_stl10"):
            assert stored(EXPERIMENTS[page.experiment](**page.parameters), store=store)[1] == 0, page.name


def test_the_committed_results_are_whole():
    store = Store(ROOT / "results")
    assert store.all_keys()
    for key in store.all_keys():
        result = store.load(key)
        assert result is not None, key
        assert result.provenance["key"] == key
        assert result.failure or {"measurements", "downstream", "descent"} & set(result.tables)
