"""What a check makes of the values of networks."""

import dataclasses
import math

import pandas as pd
import pytest

from nrc_core.claims.checks.observation import CHECKS, READERS, check
from nrc_core.claims.checks.subjects import networks, rank_correlation
from nrc_core.claims.entries import read_claims
from nrc_core.results.thresholds import thresholds
from tests.fakes import network, results
from tests.fakes_complexity import ideal_networks


@pytest.fixture
def seen():
    """Function from a check, which is not registered, to its observation of two networks."""

    def look(function, **arguments):
        CHECKS.pop(function.__name__)
        return function({"page": results(network(), network(seed=1, nrc1=0.2))}, thresholds(), **arguments)

    return look


def test_a_network_may_tell_the_share_of_its_sites(seen):
    @check(limit="noise_most", over=networks)
    def worst(rows, limits):
        """Largest noise."""
        return rows["nrc1"].max(), True, (rows["nrc1"] <= limits["noise_most"]).mean()

    rows = seen(worst).rows
    assert rows["holds"].tolist() == [True, False]
    assert rows["share"].tolist() == [1.0, 0.0]


HALF = [0.9, 0.9, 0.01, 0.01]  # collapsed at sites 2 and 3
OF_TWO = {"most": "stable_rank_deviation_most"}


@pytest.mark.parametrize(
    ("name", "arguments", "columns", "value"),
    [
        ("condition_once_collapsed", {"condition": "nrc2"}, {"nrc2": [0, 0, 0.5, 0.95]}, 0.5),
        ("condition_once_collapsed", {"condition": "nrc3"}, {"nrc3": [1, 1, 0.95, 0.8]}, 0.8),
        ("condition_once_collapsed", {"condition": "nrc4"}, {"nrc4": [0, 0, 0.01, 0.06]}, 2.0),
        ("feature_rank_of_targets", {}, {"feature_stable_rank": [9, 9, 3.0, 1.5]}, 1.0),
        ("low_rank_weights", {}, {"weight_stable_rank": [9, 8, 5, 2]}, 2.5),
        ("rank_of_low_rank_targets", OF_TWO, {"feature_stable_rank": [9, 9, 3.0, 1.5]}, 1.0),
    ],
)
def test_the_share_is_of_the_collapsed_sites(name, arguments, columns, value):
    """One of the two collapsed sites meets the condition; the worst decides."""
    low_rank = {"dataset": "sgemm"} if name == "rank_of_low_rank_targets" else {}
    page = results(network(**low_rank, nrc1=HALF, **columns))
    if low_rank:  # the noise by rank, by which these sites are chosen
        page.spectra["nrc1"] = page.spectra["site"].map(lambda site: HALF[min(site, 3)])
    (row,) = CHECKS[name]({"page": page}, thresholds(), **arguments).rows.to_dict("records")
    assert (row["value"], row["holds"], row["share"]) == (pytest.approx(value), False, 0.5)


def test_the_share_of_aligned_sites_needs_cosine_and_sine():
    page = results(network("sgemm"))
    page.spectra["nrc3_sine"] = page.spectra["site"].map({0: 0.5, 1: 0.1, 2: 0.1, 3: 0.1, 4: 0.1})
    (row,) = CHECKS["alignment_at_rank"]({"page": page}, thresholds()).rows.to_dict("records")
    assert (row["holds"], row["share"]) == (False, 0.75)


def test_without_a_share_it_is_missing(seen):
    @check(limit="noise_most", over=networks)
    def last(rows):
        """Noise at the last site."""
        return rows["nrc1"].iloc[-1]

    found = seen(last)
    assert all(math.isnan(share) for share in found.rows["share"])
    assert found.unsure == ""


@pytest.mark.parametrize("name", ["generalisation_gap", "rank_estimate"])
def test_a_check_of_all_pages_together_finds_nothing_without_a_page(name):
    assert CHECKS[name]({}, thresholds()).rows.empty


def test_a_group_in_which_most_networks_say_nothing_says_nothing():
    """Before, one collapsed network of five reproduced a claim on collapsed layers."""
    noisy = [network(seed=seed, nrc1=0.5) for seed in (1, 2)]
    hopper = [network("hopper", seed=0), network("hopper", seed=1, nrc1=0.5)]
    page = {"page": results(network(seed=0), *noisy, *hopper)}
    found = CHECKS["condition_once_collapsed"](page, thresholds(), condition="nrc2")
    assert (len(found.rows), found.silences) == (2, {"swimmer": 2, "hopper": 1})
    heard = found.heard()
    assert (heard.rows["group"].tolist(), heard.silences, heard.silent) == (["hopper"], {"swimmer": 3, "hopper": 1}, 4)
    assert heard.heard() is heard


@pytest.mark.parametrize("name", sorted(READERS["descent"]))
def test_a_page_without_the_table_that_a_check_reads_says_nothing(name):
    """A claim may name a page whose runs have failed."""
    networks = ideal_networks()
    page = dataclasses.replace(networks, descent=networks.descent.iloc[:0])
    given = next((dict(one.arguments) for one in read_claims() if one.check == name), {})
    assert CHECKS[name]({"page": page}, thresholds(), **given).rows.empty


@pytest.mark.parametrize(
    ("order", "expected"),
    [([1, 2, 3, 5, 4], 0.9), ([5, 4, 3, 2, 1], -1.0), ([1, 2, 2, 2, 3], 0.894427191), ([7] * 5, 0.0)],
)
def test_rank_correlations_that_meet_a_limit_by_hand_meet_it_here(order, expected):
    """One swap among five is 0.9 by 1 - 6 * 2 / (5 * 24), in double precision a little less."""
    assert rank_correlation(pd.Series(range(5)), pd.Series(order)) == expected
