"""What a check makes of the values of networks."""

import math

import pytest

from nrc_core.claims.checks.observation import CHECKS, check
from nrc_core.claims.checks.subjects import networks
from nrc_core.results.thresholds import thresholds
from tests.fakes import network, results


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


def test_without_a_share_it_is_missing(seen):
    @check(limit="noise_most", over=networks)
    def last(rows):
        """Noise at the last site."""
        return rows["nrc1"].iloc[-1]

    found = seen(last)
    assert all(math.isnan(share) for share in found.rows["share"])
    assert found.unsure == ""


def test_a_check_may_say_that_its_numbers_cannot_decide(seen):
    def few(rows, evidence, most):
        return f"{len(rows)} networks of {len(evidence)} page" if len(rows) <= most else ""

    @check(limit=0.1, over=networks, unsure=few)
    def undecided(rows):
        """Noise at the last site."""
        return rows["nrc1"].iloc[-1]

    CHECKS["undecided"] = undecided
    assert seen(undecided, most=2).unsure == "2 networks of 1 page"
    CHECKS["undecided"] = undecided
    found = seen(undecided, most=1)
    assert (found.unsure, len(found.rows)) == ("", 2)
