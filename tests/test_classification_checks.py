"""Checks of classifiers made by hand: a network for which the claim holds, one for which it fails, and the value."""

import math

import pytest

from nrc_core.claims.checks import CHECKS
from nrc_core.claims.checks.constructed import MAKERS
from nrc_core.claims.entries import Claim, read_claims
from nrc_core.claims.ledger import NOT, REPRODUCED, WAITING, PageResults, judge_claim
from nrc_core.results.thresholds import thresholds
from tests import fakes
from tests.fakes_classification import classifier, results
from tests.known_checks import ON_CLASSIFIERS, checks_of

RESNET = {"architectures": ["resnet"]}
MLP = {"dataset": "mnist", "architecture": "mlp", "depth": 4, "width": 1024}
SIZES = (1250, 2500, 3000, 4000, 5000)
DOWN, UP = (2.0, 1.8, 1.6, 1.4, 1.2), (0.1, 0.2, 0.3, 0.4, 0.5)
SWAPPED = (0.1, 0.2, 0.4, 0.3, 0.5)  # rank correlation 0.9 with the sizes
ODD = (0.1, 0.4, 0.3, 0.2, 0.5)  # and 0.6


def by_size(train=UP, strong=DOWN, sizes=SIZES, proportional=False, **fields) -> list[dict]:
    """One network for each size, with the given variances at its end."""
    horizon = 80_000
    return [
        classifier(
            train=(2.0, one), strong=(3.0, other), options={"train_per_class": size},
            iterations=horizon * size // max(sizes) if proportional else horizon, **fields,
        )
        for one, other, size in zip(train, strong, sizes, strict=True)
    ]  # fmt: skip


UNTIL = {"stop_loss": 1e-6}
# Three hidden layers: the first, the penultimate, the last.
CASCADE = {"train": (10.0, 1.0, 0.5), "times": (1, 11, 101), "strong": (1,) * 3, "weak": (1,) * 3, **MLP}
TIMES = ((10.0, 9.0, 6.0), (10.0, 8.0, 2.0))
CASES = [
    # check, arguments, networks, values, holds
    (
        "train_collapses_test_does_not",
        RESNET,
        [
            classifier(train=(2.0, 0.1), strong=(2.0, 0.4)),
            classifier(train=(2.0, 0.1), strong=(2.0, 0.2)),
            classifier(train=(2.0, 0.3), strong=(2.0, 1.5)),
            classifier(architecture="vgg"),
        ],
        [4.0, 2.0, 5.0],
        [1, 0, 0],
    ),
    (
        "test_variance_remains",
        RESNET,
        [classifier(weak=(1, 0.2)), classifier(weak=(1, 0.05)), classifier(weak=(1, 0.2), strong=(1, 0.25))],
        [0.2, 0.05, 0.2],
        [1, 0, 0],
    ),
    # Moments in the first quarter of the training do not count.
    (
        "weak_below_strong",
        RESNET,
        [
            classifier(times=(1, 24, 25, 100), train=(1,) * 4, strong=(1, 1, 1, 1), weak=(2, 2, 0.5, 0.5)),
            classifier(times=(1, 24, 25, 100), train=(1,) * 4, strong=(1, 1, 1, 1), weak=(0, 0, 0.5, 1.0)),
        ],
        [1.0, 0.5],
        [1, 0],
    ),
    (
        "weak_follows_strong",
        RESNET,
        [
            classifier(times=(1, 2, 3), train=(1,) * 3, strong=(3, 2, 1), weak=(2, 1, 0.5)),
            classifier(times=(1, 2, 3), train=(1,) * 3, strong=(3, 2, 1), weak=(2, 0.5, 1)),
        ],
        [1.0, 0.5],
        [1, 0],
    ),
    (
        "test_variance_stays_above",
        {"datasets": ["cifar10"], "architectures": ["resnet"]},
        [
            classifier(train=(2.0, 1.0), strong=(2.0, 1.3)),
            classifier(train=(2.0, 1.0), strong=(2.0, 1.1)),
            classifier(train=(2.0, 0.1), strong=(2.0, 0.2)),
            classifier(dataset="mnist"),
            classifier(architecture="vgg"),
        ],
        [1.3, 1.1, 2.0],
        [1, 0, 0],
    ),
    (
        "training_data_fitted",
        {},
        [classifier(), classifier(final_loss=1e-4), classifier(errors=(0.001, 0.1))],
        [1e-6, 1e-4, 1e-6],
        [1, 0, 0],
    ),
    # The second one ends at iteration 100.
    (
        "training_data_fitted",
        {"iterations": 101},
        [classifier(times=(1, 101)), classifier(final_loss=1e-4)],
        [1e-6],
        [1],
    ),
    (
        "train_variance_remains",
        {"architectures": ["vgg", "densenet"]},
        [classifier(), classifier(architecture="vgg", train=(2.0, 0.2))],
        [0.2],
        [1],
    ),
    (
        "train_variance_remains",
        {"datasets": ["cifar10", "svhn"]},
        [classifier(train=(2.0, 0.1)), classifier(dataset="svhn", train=(2.0, 0.2)), classifier(dataset="mnist")],
        [0.1, 0.2],
        [0, 1],
    ),
    # Of ten classes.
    (
        "random_labels_collapse",
        {},
        [
            classifier(options={"labels": "random"}, errors=(0.0, 0.88)),
            classifier(options={"labels": "random"}, errors=(0.0, 0.8)),
            classifier(options={"labels": "random"}, errors=(0.0, 0.9), train=(2.0, 0.3)),
            classifier(errors=(0.0, 0.9)),
        ],
        [0.05, 0.05, 0.15],
        [1, 0, 0],
    ),
    # Around the means of the moment less is left than around the final means, which have to move first.
    (
        "random_labels_collapse",
        {"means": "moment"},
        [classifier(options={"labels": "random"}, errors=(0.0, 0.9), train=(2.0, 0.3), current=(10.0, 0.3))],
        [0.03],
        [1],
    ),
    ("trend_with_size", {"of": "strong"}, by_size(**UNTIL) + by_size(strong=UP, seed=1, **UNTIL), [1.0, -1.0], [1, 0]),
    # One pair of neighbours may be the wrong way round.
    (
        "trend_with_size",
        {"of": "train"},
        by_size(train=SWAPPED, **UNTIL) + by_size(train=ODD, seed=1, **UNTIL),
        [0.9, 0.6],
        [1, 0],
    ),
    ("trend_with_size", {"of": "both"}, by_size(**UNTIL) + by_size(train=ODD, seed=1, **UNTIL), [1.0, 0.6], [1, 0]),
    ("trend_with_size", {"of": "strong"}, by_size(train=UP[:2], strong=DOWN[:2], sizes=SIZES[:2], **UNTIL), [], []),
    # The largest network belongs to both rules: of equal iterations and of equal epochs.
    (
        "trend_of_the_stopping",
        {},
        by_size(**UNTIL) + by_size()[:-1] + by_size(train=DOWN, proportional=True),
        [-1.0],
        [1],
    ),
    ("trend_of_the_stopping", {}, by_size(train=DOWN)[:-1] + by_size(proportional=True), [1.0], [0]),
    (
        "trend_with_size",
        {"of": "train", "rule": "iterations"},
        by_size()[:-1] + by_size(train=(*DOWN[:-1], 0.6), proportional=True),
        [1.0],
        [1],
    ),
    (
        "cascade_in_size",
        {},
        [
            classifier(before=((10.0, 9.0, 6.0), (10.0, 8.0, 2.0)), **CASCADE),
            classifier(before=((10.0, 9.0, 1.0), (10.0, 8.0, 2.0)), **CASCADE),
            classifier(before=((10.0, 9.0, 2.0), (10.0, 8.0, 2.0)), **CASCADE),
            classifier(before=((10.0, 8.0, 2.0),), **CASCADE),
        ],
        [3.0, 0.5, 1.0],
        [1, 0, 0],
    ),
    # By logarithms of time: half of 10 -> 2 is gone a third of the way from 11 to 101, half of 10 -> 6 as well,
    # half of 10 -> 1 by way of 2 at 4.5 eighths of the way from 1 to 11; the last layer is before all of them.
    (
        "cascade_in_time",
        {},
        [
            classifier(before=TIMES, **CASCADE),
            classifier(before=((10.0, 2.0, 1.0), (10.0, 8.0, 2.0)), **CASCADE),
            classifier(before=((10.0, 9.0, 11.0), (10.0, 8.0, 2.0)), **CASCADE),
        ],
        [1.0, 11 ** (4.5 / 8) / (11 * (101 / 11) ** (1 / 3)), math.nan],
        [1, 0, 0],
    ),
    # By the final means the first layer falls before the others, by the means of the moment all fall together.
    (
        "cascade_in_time",
        {"means": "moment"},
        [classifier(before=((10.0, 2.0, 1.0), (10.0, 8.0, 2.0)), current=(8.0, 4.0, 2.0), **CASCADE)],
        [1.0],
        [1],
    ),
    (
        "one_hot_conditions_agree",
        {},
        [
            classifier(loss="mse", sites={"nrc1": [3, 2, 1], "nc1_share": [0.9, 0.5, 0.4], "nrc2": [1, 2, 3],
                                          "nc2_cka": [0.1, 0.2, 0.3]}),
            classifier(loss="mse", sites={"nrc1": [3, 2, 1], "nc1_share": [0.9, 0.5, 0.4], "nrc2": [1, 2, 3],
                                          "nc2_cka": [0.3, 0.2, 0.1]}),
            classifier(sites={"nrc1": [3, 2, 1], "nc1_share": [0, 0, 0], "nrc2": [1, 2, 3], "nc2_cka": [1, 2, 3]}),
        ],
        [1.0, -1.0],
        [1, 0],
    ),
]  # fmt: skip


def look(name: str, *networks: dict, **arguments):
    return CHECKS[name]({"page": results(*networks)}, thresholds(), **arguments).rows


@pytest.mark.parametrize(("name", "arguments", "networks", "values", "holds"), CASES)
def test_a_check_by_hand(name, arguments, networks, values, holds):
    rows = look(name, *networks, **arguments)
    assert rows["value"].tolist() == pytest.approx(values, nan_ok=True)
    assert rows["holds"].tolist() == [bool(flag) for flag in holds]


def test_every_check_is_tested_here():
    of_other_tests = checks_of("transfer", "generalisation", "margins", "stochasticity")
    elsewhere = {*of_other_tests, "weak_collapse_of_decisions"}
    assert {case[0] for case in CASES} | elsewhere == set(ON_CLASSIFIERS)


def test_groups_tell_data_architecture_and_weight_decay():
    rows = look("training_data_fitted", classifier(seed=3), classifier(weight_decay=5e-4), classifier(**MLP))
    assert rows["group"].tolist() == [
        "cifar10, ResNet, weight decay 0", "cifar10, ResNet, weight decay 0.0005", "mnist, MLP, weight decay 0",
    ]  # fmt: skip
    assert rows["seed"].tolist() == [3, 0, 0]


@pytest.fixture
def made_anew(monkeypatch, tmp_path):
    """Make constructed cases again instead of using the recorded cases."""
    monkeypatch.setattr("nrc_core.claims.checks.constructed.recorded_file", lambda: tmp_path / "none")


def test_theory(made_anew):
    (cap,) = look("superclass_cap", classifier()).to_dict("records")
    assert (cap["value"], cap["holds"]) == (0.2, True)
    decisions = look("weak_collapse_of_decisions", classifier())
    assert decisions["value"].tolist() == [0, 0, 0]
    assert decisions["holds"].all()


def test_a_collapse_that_is_not_complete_would_be_seen(made_anew, monkeypatch):
    from nrc_core.metrics import classes

    monkeypatch.setattr(classes, "weak_test_variance", lambda *_: 0.1)
    assert not look("weak_collapse_of_decisions", classifier())["holds"].any()
    monkeypatch.setattr(classes, "weak_test_variance", lambda *_: 0.0)
    monkeypatch.setattr(classes, "strong_test_variance", lambda *_: 0.0)
    assert look("weak_collapse_of_decisions", classifier())["holds"].tolist() == [True, False, False]
    monkeypatch.setattr(classes, "weak_test_variance", lambda *_: 0.1)
    with pytest.raises(ArithmeticError):
        look("superclass_cap", classifier())


@pytest.mark.parametrize("name", [name for name in ON_CLASSIFIERS if name not in MAKERS])
def test_regression_networks_say_nothing(name):
    arguments = next((dict(one.arguments) for one in read_claims() if one.check == name), {})
    assert CHECKS[name]({"page": fakes.results(fakes.network())}, thresholds(), **arguments).rows.empty


def one(name: str) -> Claim:
    return next(claim for claim in read_claims() if claim.id == name)


def test_a_claim_is_judged_on_the_networks_of_its_architecture():
    three = [classifier(train=(2.0, 0.15), strong=(2.0, 0.8), seed=seed, weight_decay=w) for seed in range(3)
             for w in (0.0, 5e-4)]  # fmt: skip
    page = PageResults(results(*three, classifier(architecture="vgg", train=(2.0, 1.9))))
    judged = judge_claim(one("B01"), {"collapse_cifar10": page})
    assert judged.verdict == REPRODUCED
    assert [(group.name, group.networks) for group in judged.groups] == [
        ("cifar10, ResNet, weight decay 0", 3), ("cifar10, ResNet, weight decay 0.0005", 3),
    ]  # fmt: skip
    assert judged.moved == {"collapse_share_most = 0.05": NOT}
    without = judge_claim(one("B12"), {"collapse_cifar10": PageResults(results(*three))})
    assert without.verdict == WAITING
    assert without.reason.startswith("the networks there are say nothing about it; place ")
