"""Labels of classes: every function of labels takes the same kinds, and refuses the same in one line."""

import numpy as np
import pandas as pd
import pytest
import torch

import nrc_core
from nrc_core import ConfigError

SEED = 0
Y = np.array([0, 1, 2, 0, 1, 2, 2, 1, 0])
H = np.random.default_rng(SEED).standard_normal((9, 3)) + np.eye(3)[Y]
W = np.random.default_rng(SEED + 1).standard_normal((3, 3))

# Functions that need labels from 0, without gaps.
FROM_ZERO = {
    "means_simplex_distance": lambda y: nrc_core.means_simplex_distance(H, y),
    "duality_simplex_distance": lambda y: nrc_core.duality_simplex_distance(H, y, W),
    "nc5": lambda y: nrc_core.nc5(H, y, W),
    "hyperspherical_uniformity": lambda y: nrc_core.hyperspherical_uniformity(H, y),
    "class_distance_bound, train": lambda y: nrc_core.class_distance_bound(H, y, H + 0.1, Y).to_dict("records"),
    "class_distance_bound, test": lambda y: nrc_core.class_distance_bound(H, Y, H + 0.1, y).to_dict("records"),
    "train_variance": lambda y: nrc_core.train_variance(H, y),
    "train_variance, given means": lambda y: nrc_core.train_variance(H, y, class_means=W),
    "nc1": lambda y: nrc_core.nc1(H, y),
    "nc2": lambda y: nrc_core.nc2(H, y),
    "nc3": lambda y: nrc_core.nc3(H, y, W),
    "nc4": lambda y: nrc_core.nc4(H, y, Y),
    "class_distance_normalized_variance": lambda y: nrc_core.class_distance_normalized_variance(H, y),
}
LOGITS = {
    "margins": lambda y: nrc_core.margins(H, y).tolist(),
    "normalised_margins": lambda y: nrc_core.normalised_margins(H, y, W, np.zeros(3)).tolist(),
}
ANY = {
    "nc4, decisions": lambda y: nrc_core.nc4(H, Y, y),
    "few_shot_accuracy": lambda y: nrc_core.few_shot_accuracy(H, y, ways=2, shots=1, episodes=9, seed=SEED),
    "coding_rate_reduction": lambda y: nrc_core.coding_rate_reduction(H, y).item(),
}
EVERY = FROM_ZERO | LOGITS | ANY


@pytest.mark.parametrize("name", EVERY)
def test_whole_numbers_in_any_container_are_labels(name):
    expected = EVERY[name](Y)
    for one in (
        Y.tolist(),
        Y.astype(np.uint8),
        Y.astype(">u4"),
        torch.from_numpy(Y),
        torch.from_numpy(Y).to(torch.uint16),
        pd.Series(Y, index=Y + 5),
    ):
        assert EVERY[name](one) == expected


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array(list("abcabccba")), r"9 whole numbers.*: got text; number the classes, as np.unique\("),
        (list("abcabccba"), "9 whole numbers.*: got text; number the classes"),
        (pd.Series(list("abcabccba")), "9 whole numbers.*: got object; number the classes"),
        (Y.astype(np.uint64), "9 whole numbers.*: got uint64; number the classes"),
        (torch.from_numpy(Y).to(torch.uint64), "9 whole numbers.*: got uint64; number the classes"),
        (Y + 0.5, "9 whole numbers.*: got float64; number the classes"),
        (torch.from_numpy(Y).float(), "9 whole numbers.*: got float32; number the classes"),
        (np.ma.masked_equal(Y, 1), "has masked values"),
        ([[0], [1, 2]], "must be an array: got a list of rows of different lengths"),
        (Y[:, None], r"9 whole numbers.*: got shape \(9, 1\); give one for each row"),
        (Y[:1], r"9 whole numbers.*: got shape \(1,\); give one for each row"),
    ],
)
def test_what_is_no_label_is_refused_in_a_line(name, labels, message):
    with pytest.raises(ConfigError, match=message) as refused:
        EVERY[name](labels)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", FROM_ZERO | LOGITS)
def test_labels_below_zero_are_refused(name):
    with pytest.raises(ConfigError, match="labels must be 9 whole numbers from 0: got -1; leave out its rows"):
        EVERY[name](Y - 1)


@pytest.mark.parametrize("name", FROM_ZERO)
@pytest.mark.parametrize("largest", [9, 3_000_000_000])
def test_more_classes_than_rows_are_refused_before_they_take_memory(name, largest):
    labels = np.where(Y == 2, largest, Y)
    with pytest.raises(ConfigError, match=f"each with a sample: got labels up to {largest} in 9 rows, renumber them"):
        FROM_ZERO[name](labels)


@pytest.mark.parametrize("name", LOGITS)
def test_a_label_without_a_logit_is_refused(name):
    with pytest.raises(ConfigError, match="labels must be below 3, the number of logits: got 3"):
        LOGITS[name](Y + 1)


def test_any_numbers_name_the_classes_where_only_their_difference_counts():
    names = np.array([-7, 3_000_000_000, 3_000_000_001])
    for name in ("few_shot_accuracy", "coding_rate_reduction"):
        assert ANY[name](names[Y]) == ANY[name](Y)
