"""Labels by the nearest class mean and the nearest class subspace, in cases that are computed by hand."""

import pytest
import torch

from nrc_core.training.subspaces import DIRECTIONS, nearest_means, nearest_subspaces


def rows(*values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_the_nearest_mean_is_that_of_euclidean_distance():
    features = rows([0, 0], [2, 0], [10, 0], [10, 4])  # means (1, 0) and (10, 2)
    labels = torch.tensor([3, 3, 7, 7])
    wanted = rows([1, 5], [9, 0], [5.4, 1], [5.6, 1])  # the last two lie on both sides of the middle, (5.5, 1)
    assert nearest_means(features, labels, wanted).tolist() == [3, 7, 3, 7]


def test_a_row_goes_to_the_line_at_the_smaller_angle():
    """With one row for each label, the subspaces are the lines through these rows."""
    features = rows([2, 0], [0, -3])  # the x axis and the y axis
    labels = torch.tensor([1, 4])
    wanted = rows([3, 2], [2, 3], [-5, 1], [1, -5], [1e-3, 2e-3])
    assert nearest_subspaces(features, labels, wanted).tolist() == [1, 4, 1, 4, 4]


def test_subspaces_are_not_centred():
    """The rows of label 0 differ along y alone, but in the mean they point along x, and (1, 0, 0) is theirs.

    Centred, label 0 would have the line of y, and (1, 0, 0) would go to label 1, whose line has a little of x.
    """
    features = rows([10, 1e-3, 0], [10, -1e-3, 0], [1, 0, 10])
    labels = torch.tensor([0, 0, 1])
    assert nearest_subspaces(features, labels, rows([1, 0, 0], [0, 0, 1])).tolist() == [0, 1]


def many(count: int, first: int, width: int) -> torch.Tensor:
    """The unit vectors from `first` on, the first one 10 times as long and each next one shorter."""
    lengths = 10.0 - torch.arange(count, dtype=torch.float64)
    return torch.diag(torch.ones(width, dtype=torch.float64))[first : first + count] * lengths[:, None]


def test_only_the_five_strongest_directions_of_a_label_count():
    assert DIRECTIONS == 5
    features = torch.cat([many(6, 0, 12), many(6, 6, 12)])
    labels = torch.arange(2).repeat_interleave(6)
    unit = torch.eye(12, dtype=torch.float64)
    # Each of the five belongs to its label, and the sixth to neither: with a little of the other label it goes there.
    assert nearest_subspaces(features, labels, unit[:5]).tolist() == [0] * 5
    assert nearest_subspaces(features, labels, unit[6:11]).tolist() == [1] * 5
    assert nearest_subspaces(features, labels, (unit[5] + 0.01 * unit[6])[None]).tolist() == [1]
    assert nearest_subspaces(features, labels, (unit[11] + 0.01 * unit[0])[None]).tolist() == [0]


@pytest.mark.parametrize("rule", [nearest_means, nearest_subspaces])
def test_an_orthogonal_map_and_a_common_scale_change_nothing(rule):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(60, 8, generator=generator, dtype=torch.float64)
    labels = torch.arange(3).repeat(20)
    features += 2 * torch.eye(8, dtype=torch.float64)[labels]
    wanted = torch.randn(40, 8, generator=generator, dtype=torch.float64)
    turn, _ = torch.linalg.qr(torch.randn(8, 8, generator=generator, dtype=torch.float64))
    before = rule(features, labels, wanted)
    assert len(before.unique()) == 3
    torch.testing.assert_close(rule(3 * features @ turn, labels, 3 * wanted @ turn), before)


@pytest.mark.parametrize("rule", [nearest_means, nearest_subspaces])
def test_the_order_of_rows_and_the_names_of_labels_do_not_matter(rule):
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(30, 6, generator=generator, dtype=torch.float64)
    labels = torch.arange(3).repeat(10)
    order = torch.randperm(30, generator=generator)
    names = torch.tensor([8, 2, 5])
    before = rule(features, labels, features)
    torch.testing.assert_close(rule(features[order], names[labels][order], features), names[before])


def test_the_subspace_is_the_one_with_the_smallest_residual():
    """The oracle solves a least-squares problem for each label instead of a singular value decomposition."""
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(12, 9, generator=generator, dtype=torch.float64)
    labels = torch.arange(3).repeat(4)  # four rows each span four directions, all of which are kept
    wanted = torch.randn(50, 9, generator=generator, dtype=torch.float64)
    residuals = []
    for one in range(3):
        own = features[labels == one].T
        fitted = own @ torch.linalg.lstsq(own, wanted.T).solution
        residuals.append((wanted.T - fitted).square().sum(0))
    torch.testing.assert_close(nearest_subspaces(features, labels, wanted), torch.stack(residuals).argmin(0))
