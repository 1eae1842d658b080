from importlib import import_module

import pandas as pd
import pytest

from nrc_core.claims.multiverse_curves import Curve
from nrc_core.claims.multiverse_table import Networks

ENTRY = {"id": "F2-S3", "statement": "It aligns.", "verdict": "not reproduced"}


@pytest.fixture(scope="module")
def builder():
    return import_module("book.builder.multiverse")


def made(holds: list, claim: str = "F2-S3") -> Curve:
    """A curve of networks without and with a bias in turn, each at two thresholds; the threshold decides nothing."""
    n = len(holds)
    rows = pd.DataFrame(
        {
            "bias": (["without a bias", "without a bias", "with a bias", "with a bias"] * n)[:n],
            "alignment_least": (["0.9", "0.8"] * n)[:n],
            "network": [place // 2 for place in range(n)],
            "own": [place == 0 for place in range(n)],
            "value": [0.99 if one else 0.1 for one in holds],
            "limit": 0.9,
            "holds": holds,
        }
    )
    return Curve(claim, rows, ("bias", "alignment_least"), "lowest alignment", True)


@pytest.fixture
def page(builder, monkeypatch, tmp_path):
    def of(*curves: Curve) -> str:
        monkeypatch.setattr(builder, "curves", lambda networks: {one.claim: one for one in curves})
        monkeypatch.setattr(builder, "_trained", lambda networks: "")
        return builder.page(None, [ENTRY], tmp_path)

    return of


def test_without_networks_the_page_says_so(builder, tmp_path):
    assert "`nrc multiverse` trains them" in builder.page(Networks.read(tmp_path / "none"), [], tmp_path)


def test_the_table_has_the_share_and_the_choice_that_matters_most(page):
    text = page(made([False, False, True, True]), made([True] * 4, "F2-S4"))
    assert "| [F2-S3](#multiverse-f2-s3) | not reproduced | 50% | 4 (2) | bias | 1.00 |" in text
    assert "| 1.00 | without a bias: 0%, with a bias: 100% |" in text
    assert "| [F2-S4](#multiverse-f2-s4) | - | 100% | 4 (2) | - | - | - |" in text
    assert "**1 of 2 claims hold in at least 80% of their universes, 0 in at most 20%" in text
    assert "for the other 1 the choices decide.**" in text


def test_each_claim_has_a_figure_with_a_text(page, tmp_path):
    text = page(made([False, False, True, True, None, None]))
    assert (
        ":alt: F2-S3 holds in 50% of 4 universes. What matters most is bias: without a bias 0%, with a bias 100%."
        in text
    )
    assert "2 universes more say nothing about it." in text
    assert "It aligns." in text and "ledger.html#F2-S3" in text
    assert (tmp_path / "multiverse_F2-S3.svg").read_text().startswith("<?xml")


def test_universes_that_fail_come_first_and_the_worst_of_them_before_the_others(builder):
    one = made([True, False, True, False])
    rows = one.rows.assign(value=[0.95, 0.5, 0.99, 0.1])
    ordered = builder._sorted(Curve(one.claim, rows, one.choices, one.quantity, one.at_least))
    assert ordered["value"].tolist() == [0.1, 0.5, 0.95, 0.99]
    less = builder._sorted(Curve(one.claim, rows, one.choices, one.quantity, False))
    assert less["value"].tolist() == [0.5, 0.1, 0.99, 0.95]


def test_a_curve_of_one_universe_is_drawn(builder):
    assert builder.figure(made([True])).alt == "F2-S3 holds in 100% of 1 universe."


def test_a_curve_without_the_networks_of_the_pages_is_drawn(builder):
    one = made([True, False, True, False])
    drawn = builder.figure(Curve(one.claim, one.rows.assign(own=False), one.choices, one.quantity, one.at_least))
    assert drawn.alt.startswith("F2-S3 holds in 50% of 4 universes.")


def test_the_choices_are_listed_with_the_reason_why_they_are_open(page):
    text = page(made([False, False, True, True]))
    assert "| bias | without a bias; with a bias | training | The paper does not say whether layers have a bias" in text
    assert "| threshold `alignment_least` | 0.9; 0.8; 0.95 | analysis |" in text


def test_what_was_trained_is_counted_by_data_set(builder, monkeypatch):
    from nrc_core.sections.deep_nrc_mlp.experiment import deep_nrc_mlp

    one, two = deep_nrc_mlp("swimmer", seeds=[0, 1])
    record = {"seconds": 1800.0, "date": "2026-01-02T03:04:05", "device": "CPU (a Xeon), one thread", "data": {}}
    empty = Networks(pd.DataFrame(), {})
    networks = empty.with_run(one, "k", {**record, "failure": "the loss is no longer finite"}, None)
    monkeypatch.setattr(builder, "planned", lambda: [one, two])
    text = builder._trained(networks)
    assert text.startswith("1 network of 2 that are planned, 0.5 hours of one core, 2026-01-02, on CPU (a Xeon)")
    assert "1 diverged, and says nothing." in text
    assert "| swimmer | 72 | 32 | 2 | 1 |" in text
