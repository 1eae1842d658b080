"""Networks whose output has lost some of the targets are never counted as collapsed, whatever their conditions say."""

import pytest

from nrc_core.claims.checks import CHECKS
from nrc_core.results.thresholds import thresholds
from tests.fakes import network, results

ONE = {"feature_effective_rank": 1}  # an output of one direction for targets of two; all four conditions hold
FAILS = [
    # check, arguments, the value of the network
    ("condition_once_collapsed", {"condition": "nrc1"}, 0.01),
    ("sites_below_the_last", {}, 0),
    ("sites_below_the_last", {"condition": "nrc1"}, 0),
    ("noise_at_rank", {}, 0.01),
    ("intrinsic_dimension", {}, 1.0),
]
SILENT = [
    *(("condition_once_collapsed", {"condition": condition}) for condition in ("nrc2", "nrc3", "nrc4")),
    ("conditions_together", {}),
    ("feature_rank_of_targets", {}),
    ("low_rank_weights", {}),
    ("rank_of_low_rank_targets", {"most": "rank_one_deviation_most"}),
    ("alignment_at_rank", {}),
]
AT_1 = {"weight_decay": 1.0}
# Checks of several weight decays: what is over-collapsed is the network at 1, or the network at 0.
SWEEPS = [
    # check, arguments, options of the network at 0 and at 1, value, holds
    ("noise_and_alignment_at", AT_1, {}, ONE, 0, False),
    ("noise_at_every", {"excluded": 0.0}, {}, ONE, 0.01, False),
    ("noise_at_every", {"excluded": 1.0}, {}, ONE, 0.01, True),
    ("earlier_collapse_at", AT_1, {"nrc1": [0.9, 0.9, 0.01, 0.01]}, ONE, -2, False),
    ("earlier_collapse_at", AT_1, ONE, {"nrc1": [0.9, 0.9, 0.01, 0.01]}, 2, True),
    ("alignment_only_at", AT_1, {"nrc3": [0, 0, 0, 1]}, ONE, -1, False),
    ("noisier_than_at", AT_1, {"nrc1": 0.5}, ONE, 50.0, False),
    ("misaligned_but_at", AT_1, {"nrc3": 0.3}, ONE, 0.3, False),
]


def look(name, *networks, **arguments):
    return CHECKS[name]({"page": results(*networks)}, thresholds(), **arguments)


@pytest.mark.parametrize(("name", "arguments", "value"), FAILS)
def test_a_claim_about_noise_fails(name, arguments, value):
    (row,) = look(name, network("sgemm", **ONE), **arguments).rows.to_dict("records")
    assert (row["value"], row["holds"]) == (value, False)
    good = network("sgemm", spectra={"nrc1": [0.01, 0.001, 0.001, 0.0]})
    assert look(name, good, **arguments).rows["holds"].tolist() == [True]


@pytest.mark.parametrize(("name", "arguments"), SILENT)
def test_a_claim_about_collapsed_layers_says_nothing(name, arguments):
    found = look(name, network("sgemm", **ONE), **arguments)
    assert found.rows.empty
    assert (found.silent, found.needs) == (1, "a collapsed layer")


@pytest.mark.parametrize(("name", "arguments", "at_0", "at_1", "value", "holds"), SWEEPS)
def test_a_weight_decay_that_loses_targets_does_not_collapse_features(name, arguments, at_0, at_1, value, holds):
    both = [network(weight_decay=0.0, **at_0), network(weight_decay=1.0, **at_1)]
    (row,) = look(name, *both, **arguments).rows.to_dict("records")
    assert row["value"] == pytest.approx(value)
    assert row["holds"] is holds


def test_shuffled_targets_that_were_not_learned_show_nothing():
    noisy = {"shuffled": True, "spectra": {"nrc1": 0.3}}
    found = look(
        "shuffled_targets_do_not_collapse", network("sgemm", **noisy), network("sgemm", seed=1, **ONE, **noisy)
    )
    assert found.rows["holds"].tolist() == [True]
    assert (found.silent, found.needs) == (1, "an output with all directions of its targets")


def test_a_small_gap_of_a_network_that_learned_little_is_left_out():
    """Among the others less noise goes with a larger gap; the network at 3, which has neither, would hide this."""
    noise, gap = (0.3, 0.1, 0.2), (0.1, 0.3, 0.2)
    learned = [network(weight_decay=float(i), nrc1=noise[i], test=0.01 + gap[i]) for i in range(3)]
    lost = network(weight_decay=3.0, nrc1=0.0, test=0.01, **ONE)
    assert look("collapse_and_gap", *learned, lost).rows["value"].tolist() == pytest.approx([-1.0])
