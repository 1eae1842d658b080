"""Every check, on networks made by hand: one where it holds, one where it fails, and the number it reports."""

import math

import pytest

from nrc_core.claims.checks import CHECKS
from nrc_core.results.thresholds import thresholds
from tests.fakes import network, results
from tests.known_checks import ON_CLASSIFIERS, ON_DESCENTS, checks_of


def look(name: str, *networks: dict, pages: list | None = None, **arguments):
    evidence = {"page": results(*networks)} if pages is None else {str(i): page for i, page in enumerate(pages)}
    return CHECKS[name](evidence, thresholds(), **arguments)


def sweep(**by_weight_decay: dict) -> list[dict]:
    return [
        network(weight_decay=float(name[1:].replace("m", "-")), **options) for name, options in by_weight_decay.items()
    ]


NOISY = [0.9, 0.5, 0.2, 0.1]
HALF = [0.9, 0.5, 0.01, 0.01]  # collapsed from site 2 on
RANK = {rank: {"weight_stable_rank": float(rank)} for rank in (2, 4, 8)}
ONE, SEVERAL = {"most": "rank_one_deviation_most"}, {"most": "stable_rank_deviation_most"}
CASES = [
    # check, arguments, networks, values, holds
    ("condition_once_collapsed", {"condition": "nrc1"}, [network(nrc1=HALF), network(nrc1=NOISY)], [0.01, 0.1], [1, 0]),
    (
        "condition_once_collapsed",
        {"condition": "nrc2"},
        [
            network(nrc1=HALF, nrc2=[0.1, 0.1, 0.95, 0.97]),
            network(nrc1=HALF, nrc2=[0.1, 0.1, 0.8, 0.97]),
            network(nrc1=NOISY, nrc2=0.99),  # no layer is collapsed
        ],
        [0.95, 0.8],
        [1, 0],
    ),
    # What is allowed is 2 x 0.01 + 0.01 x 1.
    (
        "condition_once_collapsed",
        {"condition": "nrc4"},
        [network(nrc1=HALF, nrc4=[9, 9, 0.03, 0.015]), network(nrc1=HALF, nrc4=[0, 0, 0.06, 0.0])],
        [1.0, 2.0],
        [1, 0],
    ),
    ("sites_below_the_last", {}, [network(nrc3=[0.1, 0.95, 0.95, 0.95]), network(nrc3=[1, 1, 0.1, 1])], [2, 0], [1, 0]),
    ("sites_below_the_last", {"condition": "nrc1"}, [network(nrc1=HALF), network(nrc1=NOISY)], [1, 0], [1, 0]),
    (
        "trend_with_depth",
        {},
        [
            network(nrc1=NOISY, nrc2=[0.1, 0.2, 0.3, 0.4], nrc3=[0.1, 0.2, 0.3, 0.4]),
            network(nrc1=NOISY, nrc2=[0.4, 0.3, 0.2, 0.1], nrc3=[0.1, 0.2, 0.3, 0.4]),
            network(),
        ],
        [1.0, -1.0, 0.0],
        [1, 0, 0],
    ),
    (
        "conditions_together",
        {},
        [network(nrc1=HALF), network(nrc1=HALF, nrc3=[1, 1, 0.5, 1]), network(nrc1=NOISY)],
        [1.0, 0.5],
        [1, 0],
    ),
    ("collapsed_means_predictive", {}, [network(), network(nrc4=[9, 0, 9, 0])], [0, 2], [1, 0]),
    ("collapsed_means_predictive", {}, [network(nrc1=1.0, nrc4=9.0)], [0], [1]),
    (
        "feature_rank_of_targets",
        {},
        [
            network(nrc1=HALF, feature_stable_rank=[9, 9, 1.8, 1.5]),
            network(nrc1=HALF, feature_stable_rank=[9, 9, 3.0, 1.5]),
        ],
        [0.2, 1.0],
        [1, 0],
    ),
    (
        "low_rank_weights",
        {},
        [
            network(nrc1=HALF, weight_stable_rank=[9, 8, 4, 2]),
            network(nrc1=HALF, weight_stable_rank=[9, 8, 5, 2]),
            network(nrc1=HALF, weight_stable_rank=[1, 2, 3, 4]),
            network(nrc1=NOISY, weight_stable_rank=[9, 8, 4, 2]),  # no layer is collapsed
        ],
        [2.0, 2.5, 2.0],
        [1, 0, 0],
    ),
    ("rank_one_targets", {}, [network(target_stable_rank=1.0001)], [1 / 1.0001], [1]),
    ("rank_one_targets", {}, [network(target_stable_rank=1.25)], [0.8], [0]),
    (
        "losses_settle",
        {},
        [
            network(train=0.1, test=0.12),
            network(train=0.1, test=0.3),
            network(losses=[0.99**i for i in range(100)]),
        ],
        [0.02, 0.2, 0.01],
        [1, 0, 0],
    ),
    ("generalisation_gap", {}, [network(train=0.1, test=0.15), network(train=0.1, test=0.2)], [0.05, 0.1], [1, 0]),
    (
        "no_collapse_without_weight_decay",
        {},
        [*sweep(w0={"nrc3": [0, 0, 0, 1]}, w1={}), *sweep(w0={"seed": 1, "nrc3": 0.0}, w1={"seed": 1})],
        [1, 0],
        [0, 1],
    ),
    # No weight decay shows all four conditions, so nothing follows from their absence at 0.
    ("no_collapse_without_weight_decay", {}, sweep(w0={"nrc3": 0.0}, w1={"nrc2": 0.0}), [], []),
    ("no_collapse_without_weight_decay", {}, sweep(w0={"nrc3": 0.0}, w1={"feature_effective_rank": 1}), [], []),
    ("noise_and_alignment_at", {"weight_decay": 1.0}, sweep(w0={}, w1={"nrc3": [0, 0, 1, 1]}), [2], [1]),
    ("noise_and_alignment_at", {"weight_decay": 0.0}, sweep(w0={"nrc3": [0, 0, 0, 1]}, w1={}), [1], [0]),
    # The training loss is five times the lowest, the test loss only one and a half times.
    ("loss_at", {"weight_decay": 1.0, "split": "train"}, sweep(w0={}, w1={"train": 0.05, "test": 0.03}), [5.0], [1]),
    ("loss_at", {"weight_decay": 1.0, "split": "test"}, sweep(w0={}, w1={"train": 0.05, "test": 0.03}), [1.5], [0]),
    ("nothing_learned_beyond_targets", {}, sweep(w0={}, w1={"train": 0.995}), [0.995], [1]),
    ("nothing_learned_beyond_targets", {}, sweep(w1={"train": 0.5}, w0={"train": 1.0}), [0.5], [0]),
    (
        "nothing_learned_beyond_targets",
        {},
        sweep(w0={"target_variance": 0.5}, w1={"train": 0.4975, "target_variance": 0.5}),
        [0.995],
        [1],
    ),
    # Zero is the optimum from (sqrt(4 / 3) 2 / 3)^(3 / 2) / 2 = 0.338 on: below it nothing is said.
    ("nothing_learned_beyond_targets", {}, [network(weight_decay=0.0), network(weight_decay=0.33)], [], []),
    ("nothing_learned_beyond_targets", {}, [network(weight_decay=0.0), network(weight_decay=0.34)], [0.01], [0]),
    ("noise_without_alignment", {}, sweep(w0={"nrc3": 0.3}, w1={}), [0.3], [1]),
    ("noise_without_alignment", {}, sweep(w0={"nrc3": 0.3, "nrc1": 0.2}, w1={}), [math.nan], [0]),
    # The recipe of Swimmer has a weight decay of 0.005, so 1 is not too little: it says nothing here.
    ("noise_without_alignment", {}, sweep(w0={"nrc3": 0.98}, w1={"nrc3": 0.3}), [0.98], [0]),
    # An output of one direction for targets of two is over-collapsed.
    ("noise_without_alignment", {}, sweep(w0={"nrc3": 0.3, "feature_effective_rank": 1}, w1={}), [math.nan], [0]),
    ("collapse_without_targets", {}, sweep(w0={}, w1={"nrc2": 0.5}), [0.5], [1]),
    ("collapse_without_targets", {}, sweep(w0={}, w1={"nrc2": 0.5, "nrc3": 0.2}), [math.nan], [0]),
    ("collapse_without_targets", {}, sweep(w0={"nrc2": 0.5}, w1={}), [0.99], [0]),
    # An inner site counts too, although the last site has the targets.
    ("collapse_without_targets", {}, sweep(w0={}, w1={"nrc2": [0.99, 0.6, 0.99, 0.99]}), [0.6], [1]),
    ("collapse_without_targets", {}, sweep(w0={}, w1={"nrc2": 0.5, "feature_effective_rank": 1}), [math.nan], [0]),
    (
        "collapse_and_gap",
        {},
        sweep(w0={"nrc1": 0.5, "test": 0.9}, w1={"nrc1": 0.1, "test": 0.5}, w2={"nrc1": 0.2, "test": 0.7}),
        [1.0],
        [1],
    ),
    ("noise_at_every", {"excluded": 1.0}, sweep(w0={}, w1={"nrc1": 0.9}), [0.01], [1]),
    ("noise_at_every", {"excluded": 0.0}, sweep(w0={}, w1={"nrc1": 0.9}), [0.9], [0]),
    ("earlier_collapse_at", {"weight_decay": 1.0}, sweep(w0={"nrc1": HALF}, w1={}), [2], [1]),
    ("earlier_collapse_at", {"weight_decay": 1.0}, sweep(w0={"nrc1": NOISY}, w1={"nrc1": NOISY}), [0], [0]),
    # No collapse counts as one site after the last.
    ("earlier_collapse_at", {"weight_decay": 1.0}, sweep(w0={"nrc1": NOISY}, w1={"nrc1": HALF}), [2], [1]),
    ("alignment_only_at", {"weight_decay": 1.0}, sweep(w0={"nrc3": [0, 0, 0, 1]}, w1={}), [3], [1]),
    ("alignment_only_at", {"weight_decay": 1.0}, sweep(w0={"nrc3": [0, 0, 1, 1]}, w1={}), [2], [0]),
    ("lower_weight_rank_at", {"weight_decay": 1.0}, sweep(w0=RANK[4], w1=RANK[2]), [0.5], [1]),
    ("lower_weight_rank_at", {"weight_decay": 1.0}, sweep(w0=RANK[2], w1=RANK[2]), [1.0], [0]),
    # Means over the last four sites: 0.425 and 0.01; the least of the others counts.
    ("noisier_than_at", {"weight_decay": 1.0}, sweep(w0={"nrc1": NOISY}, w1={}, w2={"nrc1": 0.5}), [42.5], [1]),
    ("noisier_than_at", {"weight_decay": 1.0}, sweep(w0={"nrc1": NOISY}, w1={}, w2={"nrc1": 0.03}), [3.0], [0]),
    ("misaligned_but_at", {"weight_decay": 1.0}, sweep(w0={"nrc3": [0, 0, 1, 1]}, w1={}, w2={"nrc3": 0.6}), [0.6], [1]),
    ("misaligned_but_at", {"weight_decay": 1.0}, sweep(w0={"nrc3": [0, 1, 1, 1]}, w1={}), [0.75], [0]),
    ("misaligned_but_at", {"weight_decay": 1.0}, sweep(w0={"nrc3": 0.3}, w1={"nrc3": 0.8}), [0.3], [0]),
    ("weight_rank_falls", {}, sweep(w2=RANK[2], w0=RANK[8], w1=RANK[4]), [0], [1]),
    ("weight_rank_falls", {}, sweep(w0=RANK[8], w1=RANK[2], w2=RANK[4]), [1], [0]),
    ("loss_as_low_as_at", {"weight_decay": 1.0}, sweep(w0={"test": 0.03}, w1={}, w2={"train": 0.015}), [1.5], [1]),
    ("loss_as_low_as_at", {"weight_decay": 1.0}, sweep(w0={"test": 0.05}, w1={}, w2={"train": 0.015}), [2.5], [0]),
    ("noise_at_rank", {}, [network("sgemm"), network("sgemm", spectra={"nrc1": 0.3})], [0.01, 0.3], [1, 0]),
    ("rank_of_low_rank_targets", ONE, [network("sgemm", feature_stable_rank=1.8)], [0.2], [0]),
    ("rank_of_low_rank_targets", SEVERAL, [network("sgemm", feature_stable_rank=1.8)], [0.2], [1]),
    (
        "alignment_at_rank",
        {},
        [network("sgemm"), network("sgemm", spectra={"nrc3": 0.5}), network("sgemm", spectra={"nrc3_sine": 0.5})],
        [0.98, 0.5, 0.98],
        [1, 0, 0],
    ),
    (
        "intrinsic_dimension",
        {},
        [
            network("synthetic", spectra={"nrc1": [0.4, 0.01, 0.001, 0.0]}),
            network("sgemm", spectra={"nrc1": [0.04, 0.02, 0.01, 0.0]}),  # three directions for one
            network("sgemm", spectra={"nrc1": [0.01, 0.01, 0.0, 0.0]}),
            network("synthetic", spectra={"nrc1": 0.0}),  # fewer directions than the targets have
        ],
        [1.0, 3.0, 1.0, 0.5],
        [1, 0, 1, 0],
    ),
    (
        "shuffled_targets_do_not_collapse",
        {},
        [network("sgemm", shuffled=True, spectra={"nrc1": 0.3}), network("sgemm", shuffled=True), network("sgemm")],
        [0.3, 0.01],
        [1, 0],
    ),
    # CKA 0.8 of targets of rank 2 and stable rank 1.5 allows sqrt(2 / 1.5) x 0.6.
    ("reverse_bound_on_networks", {}, [network(nrc2=0.8, nrc4_unexplained=0.5)], [0.5 - 0.6 * (4 / 3) ** 0.5], [1]),
    ("reverse_bound_on_networks", {}, [network(nrc2=0.8, nrc4_unexplained=0.7)], [0.7 - 0.6 * (4 / 3) ** 0.5], [0]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "networks", "values", "holds"), CASES)
def test_a_check_by_hand(name, arguments, networks, values, holds):
    rows = look(name, *[one | {"columns": dict(one["columns"])} for one in networks], **arguments).rows
    assert rows["value"].tolist() == pytest.approx(values, nan_ok=True)
    assert rows["holds"].tolist() == [bool(flag) for flag in holds]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *(("condition_once_collapsed", {"condition": condition}) for condition in ("nrc2", "nrc3", "nrc4")),
        ("conditions_together", {}),
        ("feature_rank_of_targets", {}),
        ("low_rank_weights", {}),
        ("rank_of_low_rank_targets", ONE),
        ("alignment_at_rank", {}),
    ],
)
def test_networks_without_a_collapsed_layer_say_nothing_about_collapsed_layers(name, arguments):
    """The numbers of the last site of such a network fail the claim, but it is not a collapsed site."""
    bad = {"nrc1": NOISY, "nrc2": 0.1, "nrc3": 0.1, "nrc4": 9.0, "feature_stable_rank": 9.0}
    found = look(name, network("sgemm", spectra={"nrc1": 0.3}, **bad), **arguments)
    assert found.rows.empty
    assert (found.silent, found.needs) == (1, "a collapsed layer")


def test_every_check_has_a_case_by_hand():
    theory = {"printed_bound", "zero_loss_without_alignment", "collapse_after_settling"}
    elsewhere = {*ON_CLASSIFIERS, *ON_DESCENTS, *checks_of("causes", "recovery")}  # see the tests of these modules
    assert {case[0] for case in CASES} | theory | elsewhere == set(CHECKS)


def test_the_printed_bound_of_proposition_1_fails():
    rows = look("printed_bound").rows
    assert not rows["holds"].any()
    # At delta = 0.5: 0.707 over the root of 1 - 1 / sqrt(2 (1 + 1 / 16)).
    assert rows["value"].iloc[0] == pytest.approx(0.5**0.5 / (1 - (2 * (1 + 1 / 16)) ** -0.5) ** 0.5)


def test_zero_loss_needs_no_alignment():
    (row,) = look("zero_loss_without_alignment").rows.to_dict("records")
    assert row["holds"]
    assert 0 <= row["value"] < 0.7


def test_groups_are_data_sets():
    pages = [results(network("swimmer")), results(network("hopper", 3))]
    rows = look("trend_with_depth", pages=pages).rows
    assert rows[["group", "seed"]].to_numpy().tolist() == [["swimmer", 0], ["hopper", 3]]


def test_one_weight_decay_says_nothing_about_weight_decay():
    for name, arguments in (("no_collapse_without_weight_decay", {}), ("noise_at_every", {"excluded": 1.0})):
        assert look(name, network(weight_decay=0.0), **arguments).rows.empty


def test_an_argument_that_a_check_does_not_take_is_refused():
    evidence = {"page": results(network())}
    with pytest.raises(TypeError, match="noise_at_every takes no argument weight_decay"):
        CHECKS["noise_at_every"](evidence, thresholds(), weight_decay=0.1)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("zero_loss_without_alignment", {}, "NRC3 of a solution of zero loss"),
        ("trend_with_depth", {}, "weakest rank correlation of depth with less noise, NRC2 and NRC3"),
        ("noise_at_every", {"excluded": 1e-3}, "largest noise at the last site, weight decays other than 0.001"),
        (
            "noisier_than_at",
            {"weight_decay": 0.1},
            "least noise at any other weight decay over that at 0.1, means over the last 4 sites",
        ),
        (
            "condition_once_collapsed",
            {"condition": "nrc1"},
            "noise at the last site (the output must have all directions of the targets too)",
        ),
    ],
)
def test_the_quantity_is_the_beginning_of_the_docstring(name, arguments, words):
    assert CHECKS[name]({"page": results(network())}, thresholds(), **arguments).quantity == words
