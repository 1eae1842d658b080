import pytest

from nrc_core.claims.checks import CHECKS
from nrc_core.results.thresholds import thresholds
from tests.fakes import network, results


@pytest.mark.parametrize(
    ("sites", "value", "holds"), [("every", 0.5, False), ("half", 0.95, True), ("last", 0.6, False)]
)
def test_a_condition_can_be_asked_of_half_of_the_collapsed_sites_or_of_the_last(sites, value, holds):
    one = results(network(nrc3=[0.5, 0.99, 0.95, 0.6]))
    seen = CHECKS["condition_once_collapsed"]({"page": one}, thresholds(), condition="nrc3", sites=sites)
    assert seen.rows[["value", "holds"]].values.tolist() == [[value, holds]]


def test_half_of_the_sites_are_the_better_half_where_less_is_better():
    one = results(network(nrc4=[0.01, 0.9, 0.02, 0.8], train=0.01))
    seen = CHECKS["condition_once_collapsed"]({"page": one}, thresholds(), condition="nrc4", sites="half")
    assert seen.rows["holds"].tolist() == [True]
