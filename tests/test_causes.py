"""Checks that give reasons, on networks made by hand."""

import math

import pytest

from nrc_core.claims.checks import CHECKS
from nrc_core.results.thresholds import thresholds
from tests.fakes import network, results
from tests.known_checks import checks_of

# Two targets; k* is the least rank with a noise of at most 0.005.
THREE = {"nrc1": [0.4, 0.1, 0.005, 0.0], "nrc2": [0.1, 0.5, 0.95, 0.4], "nrc3": [0.2, 0.6, 0.97, 0.3]}
TWO = {"nrc1": [0.4, 0.004, 0.0, 0.0], "nrc2": [0.1, 0.7, 0.95, 0.4], "nrc3": [0.2, 0.8, 0.97, 0.3]}
UNKNOWN = {"nrc1": [0.4, 0.3, 0.2, 0.1]}
CASES = [
    # check, arguments, networks, values, holds
    ("exposure", {}, [network(exposure=2.5), network(exposure=0.13)], [2.5, 0.13], [1, 0]),
    # The only measured epoch is 90 or 50 of 100, with the same learning rate; the whole exposure is 3.
    ("exposure_at_onset", {}, [network(epochs=90), network(epochs=50)], [2.7, 1.5], [1, 0]),
    (
        "targets_learned",
        {},
        [network(train=0.2), network(train=0.495, target_variance=0.5), network(train=0.99)],
        [0.2, 0.99, 0.99],
        [1, 0, 0],
    ),
    (
        "directions_of_output",
        {},
        [network(), network(feature_effective_rank=1), network(target_effective_rank=1)],
        [1.0, 0.5, 2.0],
        [1, 0, 1],
    ),
    (
        "directions_of_features",
        {},
        [network(spectra=TWO), network(spectra=THREE), network(spectra=UNKNOWN)],
        [1.0, 1.5, math.nan],
        [1, 0, 0],
    ),
    ("conditions_at_k_star", {"condition": "nrc1"}, [network(spectra=THREE)], [0.005], [1]),
    (
        "conditions_at_k_star",
        {"condition": "nrc2"},
        [network(spectra=THREE), network(spectra=TWO), network(spectra=UNKNOWN)],
        [0.95, 0.7, math.nan],
        [1, 0, 0],
    ),
    (
        "conditions_at_k_star",
        {"condition": "nrc3"},
        [network(spectra=THREE), network(spectra=TWO)],
        [0.97, 0.8],
        [1, 0],
    ),
    # The worst of the collapsed sites fails, the last one does not.
    ("condition_at_site", {"condition": "nrc2"}, [network(nrc2=[0.9, 0.9, 0.5, 0.95])], [0.95], [1]),
    ("condition_at_site", {"condition": "nrc2", "from_last": 1}, [network(nrc2=[0.9, 0.9, 0.5, 0.95])], [0.5], [0]),
    # What is allowed is 2 x 0.01 + 0.01 x 1.
    ("condition_at_site", {"condition": "nrc4"}, [network(nrc4=0.015), network(nrc4=0.06)], [0.5, 2.0], [1, 0]),
    ("condition_at_site", {"condition": "nrc1"}, [network(nrc1=[0.0, 0.0, 0.0, 0.3])], [0.3], [0]),
]


def look(name, *networks, **arguments):
    return CHECKS[name]({"page": results(*networks)}, thresholds(), **arguments)


@pytest.mark.parametrize(("name", "arguments", "networks", "values", "holds"), CASES)
def test_a_reason_by_hand(name, arguments, networks, values, holds):
    found = look(name, *[one | {"columns": dict(one["columns"])} for one in networks], **arguments)
    assert found.rows["value"].tolist() == pytest.approx(values, nan_ok=True)
    assert found.rows["holds"].tolist() == [bool(flag) for flag in holds]
    assert found.silent == 0


def test_a_network_of_fewer_layers_has_no_such_site():
    found = look("condition_at_site", network(sites=4), network(sites=2), condition="nrc1", from_last=3)
    assert (len(found.rows), found.silent) == (1, 1)


def test_every_reason_has_a_case():
    assert {case[0] for case in CASES} == set(checks_of("causes"))


def test_a_reason_is_taken_at_the_weight_site_that_is_asked_for():
    page = results(network(spectra=TWO))
    last = page.spectra["site"] == 3
    page.spectra.loc[last & (page.spectra["k"] == 2), ["nrc1", "nrc3"]] = 0.1
    rows = {
        site: CHECKS["directions_of_features"]({"page": page}, thresholds(), from_last=site).rows for site in (0, 1)
    }
    assert [float(rows[site]["value"].iloc[0]) for site in (0, 1)] == [1.5, 1.0]


def test_exposure_is_spent_in_proportion_to_the_learning_rates():
    page = results(network(epochs=50))
    page.losses.loc[page.losses["epoch"] > 50, "learning_rate"] = 0.01
    found = CHECKS["exposure_at_onset"]({"page": page}, thresholds())
    assert found.rows["value"].tolist() == pytest.approx([3 * 5 / 5.5])


@pytest.mark.parametrize("without", [{"nrc1": 0.5}, {"feature_effective_rank": 1}], ids=["none", "over-collapsed"])
def test_a_network_without_genuine_collapse_has_no_onset(without):
    assert look("exposure_at_onset", network(**without)).rows.empty


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("exposure", {}, "exposure to weight decay"),
        (
            "directions_of_features",
            {},
            "directions k* of the features at the penultimate weight site, over the number of targets",
        ),
        (
            "conditions_at_k_star",
            {"condition": "nrc3", "from_last": 0},
            "NRC3 of the k* directions of the features at the last weight site",
        ),
        ("condition_at_site", {"condition": "nrc2", "from_last": 2}, "NRC2 at the weight site 2 before the last"),
    ],
)
def test_the_words_name_condition_and_site(name, arguments, words):
    assert look(name, network(spectra=TWO), **arguments).quantity == words
