"""Checks of collapse and test error, of random steps, and of margins and V_f, on classifiers made by hand."""

import dataclasses

import pytest

from nrc_core.claims.checks import CHECKS
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.test_vs_train_collapse.figures import variances_by_batch_size
from tests.fakes_classification import classifier, results
from tests.known_checks import checks_of

FOUR = {"times": (1, 10, 100, 1000), "strong": (1.0,) * 4, "weak": (1.0,) * 4}
MLP = {"architecture": "mlp", "times": (1, 50, 100), **dict.fromkeys(("train", "strong", "weak"), (9.0, 4.0, 1.0))}
SIZES = (1250, 2500, 5000)


def in_time(test: tuple = (), train: tuple = (), variance: tuple = (2.0, 1.5, 0.5, 0.1), **more) -> dict:
    """A network with four measured times; errors by time on test and training samples."""
    errors = {"test": {"error": test} if test else {}, "train": {"error": train} if train else {}}
    return classifier(train=variance, over_time=errors, **FOUR, **more)


def margins(errors: tuple, **columns: tuple) -> dict:
    named = {f"normalised_margin_{name[1:]}": values for name, values in columns.items()}
    return classifier(train=(2.0, 1.0, 0.5, 0.1), over_time={"train": {"error": errors, **named}}, **FOUR)


def sizes(train: tuple, strong: tuple, test_error: tuple, cdnv: tuple = (1.0,) * 3) -> list[dict]:
    """One network for each size of the training set, stopped at a loss; V_f on training data is 1."""
    return [
        classifier(
            train=(9.0, one), strong=(9.0, other), stop_loss=1e-6, options={"train_per_class": size},
            over_time={"train": {"cdnv": (1.0, 1.0)}, "test": {"error": (0.9, error), "cdnv": (1.0, v)}},
        )
        for size, one, other, error, v in zip(SIZES, train, strong, test_error, cdnv, strict=True)
    ]  # fmt: skip


UP, DOWN = (0.1, 0.2, 0.3), (0.3, 0.2, 0.1)
OPTIONS = {"options": {"train_per_class": 100}}  # 1000 rows
CASES = [
    # check, arguments, networks, values, holds
    (
        "as_good_before_collapse",
        {},
        [
            in_time(test=(0.9, 0.3, 0.1, 0.105)),
            in_time(test=(0.9, 0.3, 0.2, 0.1)),
            in_time(test=(0.9, 0.1, 0.5, 0.1), current=(2.0, 0.35, 0.25, 0.1)),  # 0.25 is less than three times 0.1
            in_time(test=(0.9, 0.1, 0.5, 0.1), variance=(2.0, 0.5, 0.09, 0.01)),  # 0.09 is close to 0
        ],
        [-0.005, 0.1, 0.0, 0.0],
        [1, 0, 1, 1],
    ),
    ("training_features_collapse", {}, [classifier(), classifier(train=(2.0, 0.9))], [0.05, 0.45], [1, 0]),
    ("error_with_variance", {"of": "train"}, sizes(UP, DOWN, DOWN), [1.0], [1]),
    ("error_with_variance", {"of": "train"}, sizes(UP, DOWN, UP), [-1.0], [0]),
    ("error_with_variance", {"of": "strong"}, sizes(UP, DOWN, DOWN), [1.0], [1]),
    ("error_with_variance", {"of": "strong"}, sizes(UP, DOWN, (0.3, 0.1, 0.2)), [0.5], [0]),
    (
        "first_layer_saturates",
        {},
        [
            classifier(before=((9.0, 6.0, 5.9), (9.0, 6.0, 1.0)), **MLP),
            classifier(before=((9.0, 6.0, 4.5), (9.0, 6.0, 6.0)), **MLP),
            classifier(before=((9.0, 6.0, 5.9),), **MLP),  # two hidden layers are no cascade
        ],
        [1 - 5.9 / 6, 0.25],
        [1, 0],
    ),
    (
        "smaller_batches_collapse_further",
        {},
        [
            classifier(batch_size=1000, train=(2.0, 0.5), **OPTIONS),
            classifier(batch_size=16, train=(2.0, 0.2), **OPTIONS),
            classifier(batch_size=128, train=(2.0, 0.45), **OPTIONS),
            classifier(batch_size=16, train=(2.0, 0.1), seed=1, **OPTIONS),  # without a batch of all rows
        ],
        [0.4, 0.9],
        [1, 0],
    ),
    (
        "smallest_margin_grows",
        {},
        [margins((0.5, 0, 0, 0), _0=(9.0, 0.1, 0.2, 0.3)), margins((0.5, 0, 0, 0), _0=(0.0, 0.3, 0.2, 0.1))],
        [1.0, -1.0],
        [1, 0],
    ),
    (
        "margins_even_out",
        {},
        [
            margins((0.5, 0, 0, 0), _10=(9.0, 0.1, 0.2, 0.3), _90=(1.0, 0.4, 0.5, 0.6)),
            margins((0.5, 0, 0, 0), _10=(0.0, 0.1, 0.2, 0.3), _90=(1.0, 0.4, 1.0, 2.0)),  # larger, but less alike
        ],
        [1.0, -1.0],
        [1, 0],
    ),
    ("test_distance_nears_train", {}, sizes(UP, DOWN, DOWN, cdnv=(9.0, 4.0, 2.0)), [1.0], [1]),
    ("test_distance_nears_train", {}, sizes(UP, DOWN, DOWN, cdnv=(4.0, 9.0, 2.0)), [0.5], [0]),
]  # fmt: skip


@pytest.mark.parametrize(("check", "arguments", "networks", "values", "holds"), CASES)
def test_each_check(check, arguments, networks, values, holds):
    rows = CHECKS[check]({"page": results(*networks)}, thresholds(), **arguments).rows
    assert rows["value"].tolist() == pytest.approx(values)
    assert rows["holds"].tolist() == [bool(flag) for flag in holds]


def test_every_check_is_tested_here():
    made = {"same_decisions_without_collapse", "class_distance_bound"}
    assert {case[0] for case in CASES} | made == set(checks_of("generalisation", "margins", "stochasticity"))


@pytest.mark.parametrize(
    ("check", "network"),
    [
        ("as_good_before_collapse", in_time(test=(0.1,) * 4, variance=(2.0, 1.5, 0.9, 0.5))),  # it never collapses
        ("as_good_before_collapse", in_time(test=(0.1,) * 4, current=(0.2,) * 4)),  # it was collapsed from the start
        ("smallest_margin_grows", margins((0.5, 0.5, 0, 0))),
        ("smallest_margin_grows", margins((0, 0.1, 0, 0))),  # the phase begins after the last error
        ("margins_even_out", margins((0, 0, 0, 0.1))),
    ],
)
def test_what_a_network_lacks_says_nothing(check, network):
    found = CHECKS[check]({"page": results(network)}, thresholds())
    assert (len(found.rows), found.silent) == (0, 1)


def test_the_figure_of_batch_sizes_tells_the_end_of_each_size():
    ends = ((16, 0, 0.1), (16, 1, 0.3), (99, 0, 0.7))
    networks = [classifier(batch_size=size, seed=seed, train=(2.0, end)) for size, seed, end in ends]
    alt = variances_by_batch_size(results(*networks)).alt
    assert alt.endswith("at the end, batches of 16: 0.1 to 0.3; batches of 99: 0.7.")


def test_batches_are_compared_with_batches_of_all_rows_of_the_same_length_only():
    pair = [classifier(batch_size=size, iterations=steps, **OPTIONS) for size, steps in ((16, 10), (1000, 20))]
    assert CHECKS["smaller_batches_collapse_further"]({"page": results(*pair)}, thresholds()).rows.empty


@pytest.fixture
def made_anew(monkeypatch, tmp_path):
    """Make constructed cases again instead of using the recorded cases."""
    monkeypatch.setattr("nrc_core.claims.checks.constructed.recorded_file", lambda: tmp_path / "none")


def test_a_network_with_unused_features_decides_alike_and_does_not_collapse(made_anew, monkeypatch):
    found = CHECKS["same_decisions_without_collapse"]({}, thresholds()).rows
    assert found["holds"].all()
    assert found["value"].min() > 1
    monkeypatch.setattr("nrc_core.metrics.classes.train_variance", lambda *_, **__: 0.0)
    assert not CHECKS["same_decisions_without_collapse"]({}, thresholds()).rows["holds"].any()


def test_the_bound_on_v_f_is_nearer_with_more_rows(made_anew):
    shares = CHECKS["class_distance_bound"]({}, thresholds()).rows["value"].tolist()
    assert sorted(shares) == shares
    assert 0 < shares[0] < shares[-1] <= 1


def test_v_f_by_size_is_that_of_each_network():
    """The ratio must follow the key, not the order of the rows."""
    page = results(*sizes(UP, DOWN, DOWN, cdnv=(9.0, 4.0, 2.0)))
    turned = dataclasses.replace(page, measurements=page.measurements[::-1].reset_index(drop=True))
    (row,) = CHECKS["test_distance_nears_train"]({"page": turned}, thresholds()).rows.to_dict("records")
    assert row["value"] == 1.0
