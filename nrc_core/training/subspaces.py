"""Labels by the nearest class mean and by the nearest class subspace."""

import torch
from torch import Tensor

from nrc_core.metrics.classes import nearest

DIRECTIONS = 5  # of the subspace of a class


def nearest_means(features: Tensor, labels: Tensor, wanted: Tensor) -> Tensor:
    """For each row of `wanted` (m, h) the label whose mean of `features` (n, h) is nearest, (m,)."""
    known = labels.unique()
    means = torch.stack([features[labels == one].mean(0) for one in known])
    return known[nearest(wanted, means)[0]]


def nearest_subspaces(features: Tensor, labels: Tensor, wanted: Tensor) -> Tensor:
    """For each row of `wanted` (m, h) the label whose subspace is nearest, (m,).

    The subspace of a label is spanned by the first five right singular vectors of its rows of `features` (n, h),
    which are not centred.
    """
    known = labels.unique()
    kept = []
    for one in known:
        directions = torch.linalg.svd(features[labels == one], full_matrices=False).Vh[:DIRECTIONS]
        kept.append((wanted @ directions.T).square().sum(1))  # the length of a row is the same for all subspaces
    return known[torch.stack(kept, dim=1).argmax(1)]
