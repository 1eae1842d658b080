"""Classification networks that are smaller than the paper's, and therefore give no verdict."""

import pytest

from nrc_core.claims import ledger
from nrc_core.sections import class_report
from tests import fakes
from tests.fakes_classification import classifier, results, transfer

MLP = {"dataset": "mnist", "architecture": "mlp", "depth": 4, "width": 1024}
SMALLER = "networks smaller than the paper's"


@pytest.mark.parametrize(
    ("experiment", "network", "expected"),
    [
        ("test_vs_train_collapse", classifier(), ""),
        ("test_vs_train_collapse", classifier(width=16), SMALLER),
        ("test_vs_train_collapse", classifier(iterations=5000), SMALLER),
        ("test_vs_train_collapse", classifier(options={"train_per_class": 500}), SMALLER),
        ("test_vs_train_collapse", classifier(options={"test_per_class": 500}), ""),
        ("test_vs_train_collapse", classifier(dataset="stl10"), SMALLER),
        ("test_vs_train_collapse", classifier(dataset="stl10", depth=50), ""),
        ("test_vs_train_collapse", classifier(architecture="densenet", depth=121), SMALLER),
        ("test_vs_train_collapse", classifier(architecture="densenet", depth=201), ""),
        ("test_vs_train_collapse", classifier(dataset="svhn", options={"train_per_class": 4600}), ""),
        ("test_vs_train_collapse", classifier(dataset="svhn", options={"train_per_class": 1000}), SMALLER),
        ("test_vs_train_collapse", classifier(width=4, options={"labels": "random"}), ""),
        ("test_vs_train_collapse", classifier(architecture="mlp", width=4, iterations=9), ""),
        ("train_size", classifier(options={"train_per_class": 5000}, stop_loss=1e-6), ""),
        ("train_size", classifier(options={"train_per_class": 2500}, stop_loss=1e-6), SMALLER),
        ("cascading_collapse", classifier(options={"train_per_class": 100}, **MLP), ""),
        ("cascading_collapse", classifier(options={"train_per_class": 100}, **MLP | {"depth": 3}), SMALLER),
        ("transfer", classifier(options={"train_per_class": 100}, iterations=100_000, **MLP), ""),
        ("transfer", classifier(options={"train_per_class": 100}, iterations=80_000, **MLP), SMALLER),
        ("transfer", classifier(options={"train_per_class": 2500}, iterations=100_000, stop_iteration=20_000), ""),
        ("transfer", classifier(options={"train_per_class": 100}, iterations=100_000), SMALLER),
        ("classification_and_regression", classifier(iterations=10, width=4), ""),
    ],
)
def test_what_counts_as_smaller(experiment, network, expected):
    assert ledger.weakness(results(network), experiment) == expected


def test_the_largest_networks_of_an_architecture_decide():
    sizes = [classifier(options={"train_per_class": size}, iterations=16 * size) for size in (1250, 2500, 5000)]
    assert ledger.weakness(results(*sizes), "train_size") == ""
    assert ledger.weakness(results(*sizes[:-1]), "train_size") == SMALLER
    two = [classifier(), classifier(architecture="vgg", depth=11, width=8)]
    assert ledger.weakness(results(*two), "test_vs_train_collapse") == SMALLER


def test_runs_of_other_tasks_do_not_make_a_page_smaller():
    tried = (transfer(100, tuned={0.1: (0.1, 0.1)}, probed={1.0: (0.1, 0.1)}),)
    network = classifier(options={"train_per_class": 100}, iterations=100_000, transfers=tried, **MLP)
    assert ledger.weakness(results(network), "transfer") == ""


def test_a_page_of_which_only_the_regression_networks_are_there_is_not_smaller():
    assert ledger.weakness(fakes.results(fakes.network()), "cascading_collapse") == ""


@pytest.mark.parametrize(
    ("stop", "told"), [(1e-3, "stopped at a loss of 0.001, there 1e-06"), (1e-6, ""), (1e-7, ""), (None, "")]
)
def test_a_page_says_that_its_networks_stop_earlier_than_the_papers(stop, told):
    found = results(classifier(options={"train_per_class": 5000}, stop_loss=stop, learning_rate=0.1))
    text = class_report.departures(found, "train_size")
    assert ("stopped" in text) == bool(told)
    assert told in text
