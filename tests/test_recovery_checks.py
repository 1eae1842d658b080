"""Checks of the rank that collapse shows, of linear teachers, depth and weight rank, on networks made by hand."""

import pytest

from nrc_core.claims.checks import CHECKS
from nrc_core.results.thresholds import thresholds
from tests.fakes import network, results
from tests.known_checks import checks_of

THREE = {"spectra": {"nrc1": [0.5, 0.1, 0.001, 0.0]}}  # k* = 3
TWO = {"spectra": {"nrc1": [0.5, 0.005, 0.0, 0.0]}}
ONE = {"spectra": {"nrc1": 0.0}}
LINEAR = {"dataset_options": {"teacher": "linear"}}
NOISY = {"nrc1": [0.9, 0.5, 0.2, 0.1]}


def from_site(first: int, sites: int) -> list[float]:
    return [0.9] * first + [0.01] * (sites - first)


def look(name: str, *networks: dict, **arguments):
    return CHECKS[name]({"page": results(*networks)}, thresholds(), **arguments)


CASES = [
    # check, arguments, networks, values, holds, number of networks that say nothing
    (
        "rank_estimate",
        {},
        [network(**TWO), network(seed=1, **THREE), network(seed=2, **ONE)],
        [1.0, 1.5, 0.5],
        [1, 0, 0],
        0,
    ),
    # Noise, over-collapse (the output has one direction), and no stored rank with little noise.
    (
        "rank_estimate",
        {},
        [network(**TWO, **NOISY), network(**ONE, feature_effective_rank=1), network(spectra={"nrc1": 0.02})],
        [],
        [],
        3,
    ),
    ("rank_estimate", {}, [network(target_effective_rank=1, **ONE)], [1.0], [1], 0),
    (
        "linear_teacher_collapses",
        {"bias": False},
        [
            network(**LINEAR),
            network(nrc3=[0.1, 0.1, 0.1, 0.95], **LINEAR),
            network(feature_effective_rank=1, **LINEAR),
            network(bias=True, **LINEAR),
            network(),
        ],
        [3, 0, 0],
        [1, 0, 0],
        0,
    ),
    ("linear_teacher_collapses", {"bias": True}, [network(**LINEAR), network(bias=True, **LINEAR)], [3], [1], 0),
    # From 4 to 12 layers: 2, 2 and 3 layers before collapse; then all eight additional layers.
    (
        "collapse_needs_no_more_layers",
        {},
        [
            *[network(depth=d, sites=d, nrc1=from_site(f, d)) for d, f in ((4, 2), (8, 2), (12, 3))],
            *[network(seed=1, depth=d, sites=d, nrc1=from_site(f, d)) for d, f in ((4, 2), (12, 10))],
        ],
        [1 / 8, 1.0],
        [1, 0],
        0,
    ),
    # One network alone; one that over-collapses beside another; a pair that differs in more than its depth.
    (
        "collapse_needs_no_more_layers",
        {},
        [
            *[network(depth=d, feature_effective_rank=rank) for d, rank in ((4, 2), (8, 1))],
            network(seed=1, depth=4),
            network(seed=1, depth=8, weight_decay=0.5),
        ],
        [],
        [],
        1,
    ),
    (
        "lowest_rank_is_collapsed",
        {},
        [
            network(weight_decay=0.0, weight_stable_rank=9.0, nrc3=0.1),
            network(weight_decay=1e-3, weight_stable_rank=2.0, train=0.015),
            network(weight_decay=1e-2, weight_stable_rank=1.0, train=0.5, nrc3=0.1),  # its loss is high
        ],
        [4],
        [1],
        0,
    ),
    (
        "lowest_rank_is_collapsed",
        {},
        [
            network(weight_decay=0.0, weight_stable_rank=1.0, nrc3=0.1),
            network(weight_decay=1e-3, weight_stable_rank=2.0),
        ],
        [0],
        [0],
        0,
    ),
    (
        "lowest_rank_is_collapsed",
        {},
        [network(weight_decay=0.0, nrc3=0.1), network(weight_decay=1e-3, feature_effective_rank=1)],
        [],
        [],
        1,
    ),
]


@pytest.mark.parametrize(("check", "arguments", "networks", "values", "holds", "silent"), CASES)
def test_each_check(check, arguments, networks, values, holds, silent):
    found = look(check, *networks, **arguments)
    assert found.rows["value"].tolist() == pytest.approx(values)
    assert found.rows["holds"].tolist() == [bool(flag) for flag in holds]
    assert found.silent == silent


def test_every_check_is_tested_here():
    assert {case[0] for case in CASES} == set(checks_of("recovery"))


def test_a_network_of_two_pages_counts_once():
    page = results(network("sgemm", **TWO))
    found = CHECKS["rank_estimate"]({"one": page, "other": page}, thresholds()).rows
    assert found["group"].tolist() == ["sgemm, 2 targets, 256 wide"]


def test_another_limit_of_the_noise_gives_another_estimate():
    found = CHECKS["rank_estimate"]({"page": results(network(**THREE))}, {**thresholds(), "k_star_noise_most": 0.1})
    assert found.rows["value"].tolist() == [1.0]
