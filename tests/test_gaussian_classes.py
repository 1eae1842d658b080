"""Gaussian classes: their means and covariance against the constants, provenance, and what is refused."""

import numpy as np
import pytest

from nrc_core.data.gaussian_classes import gaussian_classes
from nrc_core.data.load import load_dataset
from nrc_core.errors import ConfigError

SEED = 3
SHAPE = {"classes": 3, "signal": 4, "nuisance": 2, "signal_spread": 0.5}


def of_class(x, y, label: int) -> np.ndarray:
    return x[y.argmax(1) == label].double().numpy()


def test_rows_have_the_means_and_the_covariance_of_their_class():
    data = gaussian_classes(seed=SEED, **SHAPE, train_per_class=40_000, test_per_class=40_000)
    means = np.random.default_rng(SEED).standard_normal((3, 4))
    for label in range(3):
        for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
            rows = of_class(x, y, label)
            assert len(rows) == 40_000
            # The standard error of a mean is 1 / 200 at most, that of a covariance about as large.
            np.testing.assert_allclose(rows.mean(0), [*means[label], 0, 0], atol=0.025)
            np.testing.assert_allclose(np.cov(rows.T), np.diag([0.25] * 4 + [1.0] * 2), atol=0.04)


@pytest.mark.parametrize(
    ("nuisance", "spread", "constant"), [(2, 0.5, 1.0), (2, 2.0, 4.0), (0, 0.5, 0.25), (0, 2.0, 4.0)]
)
def test_the_largest_eigenvalue_is_the_stated_constant(nuisance, spread, constant):
    data = gaussian_classes(
        seed=SEED, classes=2, signal=2, nuisance=nuisance, signal_spread=spread, train_per_class=40_000
    )
    largest = np.linalg.eigvalsh(np.cov(of_class(data.x_train, data.y_train, 0).T)).max()
    assert largest == pytest.approx(constant, rel=0.04)


def test_means_of_classes_vary_as_a_standard_normal():
    """The mean of 2,000 classes of one row each has that of the signal coordinates, plus the spread within a class."""
    data = gaussian_classes(seed=SEED, classes=2000, signal=3, nuisance=1, signal_spread=0.1, train_per_class=1)
    np.testing.assert_allclose(data.x_train.numpy().var(0), [1.01, 1.01, 1.01, 1.0], atol=0.12)


def test_a_seed_gives_the_same_rows_and_another_one_other_rows():
    first, same, other = (load_dataset("gaussian_classes", seed=seed, **SHAPE) for seed in (SEED, SEED, SEED + 1))
    assert first.x_train.equal(same.x_train)
    assert first.x_test.equal(same.x_test)
    assert not first.x_train.isclose(other.x_train).any(1).any()
    rows = np.vstack([first.x_train.numpy(), first.x_test.numpy()])
    assert len(np.unique(rows, axis=0)) == len(rows)  # no row is in training and test


def test_provenance_and_labels():
    data = gaussian_classes(seed=SEED, **SHAPE, train_per_class=5, test_per_class=2)
    assert data.provenance == {
        "kind": "synthetic", "source": "Gaussian classes, generated", "identity": "gaussian_classes",
        "split": "original", "n_train": 15, "n_test": 6,
    }  # fmt: skip
    assert data.classes == ("0", "1", "2")
    assert not data.images
    assert data.y_train.sum(0).tolist() == [5, 5, 5]
    assert data.y_test.argmax(1).tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"classes": 1}, "classes of Gaussian classes must be at least 2: got 1"),
        ({"signal": 0}, "signal of Gaussian classes must be at least 1: got 0"),
        ({"nuisance": -1}, "nuisance of Gaussian classes must be at least 0: got -1"),
        ({"train_per_class": 0}, "train_per_class of Gaussian classes must be at least 1: got 0"),
        ({"test_per_class": 0}, "test_per_class of Gaussian classes must be at least 1: got 0"),
        ({"signal_spread": 0.0}, r"signal_spread of Gaussian classes must be positive: got 0\.0"),
        ({"signal_spread": float("nan")}, "signal_spread of Gaussian classes must be positive: got nan"),
        ({"spread": 1.0}, "unknown option for data set 'gaussian_classes'"),
        ({"samples": 10}, "are no options of 'gaussian_classes': see train_per_class"),
    ],
)
def test_values_out_of_range_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        load_dataset("gaussian_classes", **given)
