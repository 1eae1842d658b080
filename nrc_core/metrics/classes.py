"""Neural collapse in classification: variances of Hui et al., NC1 to NC4, V_f and margins, as pure functions.

Sources: Hui, Belkin and Nakkiran, *Limitations of Neural Collapse* (2022), section 3.1; Papyan, Han and
Donoho (2020); Galanti, Gyorgy and Hutter (2021) for V_f. There are n samples in rows, h features, K classes, and
labels 0 to K - 1. Everything is computed in float64; an undefined value is NaN. The functions of arrays divide features
by their scale first, since the measures do not depend on it.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Real
from torch import Tensor

from nrc_core.errors import ConfigError
from nrc_core.metrics.arrays import Labels, Matrix, checked_labels, checked_matrix
from nrc_core.metrics.class_moments import ClassMoments, class_moments
from nrc_core.metrics.scales import scale_of

# NC1 ignores directions between classes whose variance is a smaller share of the largest one.
RANK_TOLERANCE = 1e-10


class Angles(NamedTuple):
    """The two numbers of NC2, both 0 when collapsed."""

    norms: float  # standard deviation over mean of the lengths of the centred class means
    angles: float  # mean absolute difference of the cosines between these means from -1 / (K - 1)


def variance_ratio(moments: ClassMoments, means: Float[Tensor, "k h"] | None = None) -> float:
    """Within-class variance around given class means, divided by the variance between these means.

    ``E ||h - mu_y||^2 / E_i ||mu_i - mu||^2`` (Hui et al., section 3.1): TrainVariance for training samples,
    StrongTestVariance for test samples. The means are the class means at the final time, as in the paper, or the
    class means of the samples.
    """
    return variance_around(moments.counts, moments.means, moments.spreads, moments.means if means is None else means)


def variance_around(counts: Tensor, means: Tensor, spreads: Tensor, centres: Float[Tensor, "k h"]) -> float:
    """`variance_ratio` from parts of moments: ``E ||h - c||^2`` is the spread plus ``||mu - c||^2``."""
    centres = centres.to(means)
    return _over_between((spreads.sum() + counts @ (means - centres).square().sum(1)) / counts.sum(), centres)


def _over_between(within: Tensor, centres: Float[Tensor, "k h"]) -> float:
    """A variance divided by the variance between centres; NaN if all centres coincide."""
    between = (centres - centres.mean(0)).square().sum(1).mean()
    return (within / between).item() if between > 0 else math.nan


def train_variance(features: Matrix, labels: Labels, *, class_means: Matrix | None = None) -> float:
    """TrainVariance: within-class variance over between-class variance on training samples (Hui et al., section 3.1).

    ``E_S ||h(x) - mu_y||^2 / E_i ||mu_i - mu||^2``. Range [0, inf); 0 is collapsed; NaN if all means coincide.

    Args:
        features: (n, h).
        labels: (n,), whole numbers from 0; every class needs a sample.
        class_means: (K, h), in the paper those at the final time; the class means of the features unless given.

    Raises:
        ValueError: the matrices are not finite, the labels do not fit them, or a class has no samples.

    Example:
        >>> round(train_variance(np.array([[0.0], [2.0], [10.0]]), np.array([0, 0, 1])), 6)
        0.032922
    """
    if class_means is None:
        return variance_ratio(class_moments(features, labels))
    h, means = checked_matrix(features, "features"), checked_matrix(class_means, "class_means")
    scale = scale_of(h, means)
    moments = class_moments(h, labels, classes=len(means), scale=scale)
    if means.shape != moments.means.shape:
        raise ValueError(f"class_means must be of shape {tuple(moments.means.shape)}: got {tuple(means.shape)}")
    return variance_ratio(moments, means / scale)


def strong_test_variance(features: Matrix, labels: Labels, *, class_means: Matrix | None = None) -> float:
    """StrongTestVariance: the formula of `train_variance` for test samples and their class means.

    Example:
        >>> strong_test_variance(np.array([[0.0], [0.0], [3.0]]), np.array([0, 0, 1]))
        0.0
    """
    return train_variance(features, labels, class_means=class_means)


def weak_test_variance(
    features: Matrix, num_classes: int, *, centers: Matrix | None = None, restarts: int = 10, seed: int = 0
) -> float:
    """WeakTestVariance: squared distance to the nearest of K centres, over the variance between the centres.

    ``E_D min_i ||h(x) - mu_i||^2 / E_i ||mu_i - mu||^2`` with centres by k-means (Hui et al., section 3.1, where
    arg min is printed instead of min). Range [0, inf); 0 is collapsed; NaN if all centres coincide.

    Args:
        features: (n, h).
        num_classes: K.
        centers: (K, h), in the paper those at the final time; found by k-means on the features unless given.
        restarts, seed: number of starts and seed of k-means, see `k_means`.

    Raises:
        ValueError: the matrices are not finite, or there are fewer samples than classes.

    Example:
        >>> weak_test_variance(np.array([[0.0], [0.0], [3.0]]), 2)
        0.0
    """
    h = checked_matrix(features, "features")
    if centers is None:
        centers = k_means(h, num_classes, restarts=restarts, seed=seed)[0]
    c = checked_matrix(centers, "centers")
    if c.shape != (num_classes, h.shape[1]):
        raise ValueError(f"centers must be of shape {(num_classes, h.shape[1])}: got {tuple(c.shape)}")
    scale = scale_of(h, c)
    return _over_between(nearest(h / scale, c / scale)[1].mean(), c / scale)


def k_means(
    features: Matrix, clusters: int, *, restarts: int = 10, seed: int = 0
) -> tuple[Float[Tensor, "k h"], list[float]]:
    """Centres of the best of several k-means runs (k-means++ starts, scikit-learn), and the variance for each run.

    The second result is the list of the `weak_test_variance` around the centres of each run. The spread of this list
    shows how much the choice of the centres matters.

    Raises:
        ValueError: there are fewer samples than clusters.
    """
    import sklearn.cluster

    h = checked_matrix(features, "features")
    if not 1 <= clusters <= len(h):
        raise ValueError(f"clusters must be between 1 and the {len(h)} samples there are: got {clusters}")
    scale = scale_of(h)
    rows = (h / scale).cpu().numpy()
    # With fewer different points than clusters, k-means would warn and repeat centres. Repeated centres are correct.
    points = np.unique(rows, axis=0)
    if len(points) <= clusters:
        centres = torch.from_numpy(np.concatenate([points, points[:1].repeat(clusters - len(points), 0)])).to(h) * scale
        return centres, [weak_test_variance(h, clusters, centers=centres)]
    starts = range(seed, seed + restarts)
    fits = [sklearn.cluster.KMeans(clusters, n_init=1, random_state=start).fit(rows) for start in starts]
    each = [torch.from_numpy(fit.cluster_centers_).to(h) * scale for fit in fits]
    best = min(range(restarts), key=lambda number: fits[number].inertia_)
    return each[best], [weak_test_variance(h, clusters, centers=centres) for centres in each]


def nearest(features: Float[Tensor, "n h"], centres: Float[Tensor, "k h"]) -> tuple[Int[Tensor, " n"], Tensor]:
    """Index of the nearest centre of every sample, and the squared distance to that centre, exact near zero."""
    index = torch.cdist(features, centres.to(features), compute_mode="donot_use_mm_for_euclid_dist").argmin(1)
    return index, (features - centres.to(features)[index]).square().sum(1)


def nc1(features: Matrix, labels: Labels) -> float:
    """NC1, variability collapse: ``tr(Sigma_W Sigma_B^+) / K`` (Papyan et al., 2020).

    Sigma_B is the covariance of the class means, in which all classes have equal weight. Range [0, inf); 0 is
    collapsed.

    Raises:
        ValueError: as `train_variance`.

    Example:
        >>> nc1(np.array([[0.0], [2.0], [10.0], [12.0]]), np.array([0, 0, 1, 1]))
        0.02
    """
    return variability(class_moments(features, labels))


def variability(moments: ClassMoments) -> float:
    """`nc1` from moments, by a singular value decomposition of the K class means, for any width."""
    classes = len(moments.means)
    _, values, right = torch.linalg.svd(moments.centred_means / math.sqrt(classes), full_matrices=False)
    kept = values.square() > RANK_TOLERANCE * values[0].square()
    if values[0] <= 0:
        return math.nan
    directions = right[kept]  # eigenvectors of Sigma_B, with eigenvalues values^2
    inside = ((directions @ moments.within_covariance) * directions).sum(1)
    return ((inside / values[kept].square()).sum() / classes).item()


def within_share(moments: ClassMoments) -> float:
    """``Tr Sigma_W / Tr Sigma_T``, the share of all variance that is within classes (Deep NRC paper, table 1, NC1).

    It is never below NRC1 at rank K - 1 with one-hot targets, since the top K - 1 directions hold the most variance.
    """
    counts = moments.counts
    mean = counts @ moments.means / counts.sum()
    between = counts @ (moments.means - mean).square().sum(1)
    total = moments.spreads.sum() + between
    return (moments.spreads.sum() / total).item() if total > 0 else math.nan


def nc2(features: Matrix, labels: Labels) -> Angles:
    """NC2, equiangular tight frame: how unequal the lengths and the angles of the centred class means are.

    ``std / mean`` of ``||mu_k - mu||``, and the mean over pairs of ``|cos(mu_k - mu, mu_j - mu) + 1 / (K - 1)|``.
    Both numbers are 0 when collapsed.

    Raises:
        ValueError: as `train_variance`.

    Example:
        >>> nc2(np.array([[0.0], [2.0]]), np.array([0, 1]))
        Angles(norms=0.0, angles=0.0)
    """
    return frame(class_moments(features, labels))


def frame(moments: ClassMoments) -> Angles:
    """`nc2` from moments."""
    means = moments.centred_means
    norms = means.norm(dim=1)
    classes = len(means)
    if classes < 2 or bool((norms <= 0).any()):
        return Angles(math.nan, math.nan)
    unit = means / norms[:, None]
    cosines = (unit @ unit.T)[~torch.eye(classes, dtype=torch.bool, device=means.device)]
    spread = (norms.std(correction=0) / norms.mean()).item()
    return Angles(spread, (cosines + 1 / (classes - 1)).abs().mean().item())


def nc3(features: Matrix, labels: Labels, weight: Matrix) -> float:
    """NC3, self-duality: ``||W / ||W||_F - M / ||M||_F||_F^2`` of the head's weight and the centred class means.

    Range [0, 4]; 0 is collapsed.

    Raises:
        ValueError: as `train_variance`, or the weight is not (K, h).

    Example:
        >>> round(nc3(np.array([[0.0], [2.0]]), np.array([0, 1]), np.array([[-3.0], [3.0]])), 12)
        0.0
    """
    moments = class_moments(features, labels)
    w = checked_matrix(weight, "weight")
    if w.shape != moments.means.shape:
        raise ValueError(f"the weight must be of shape {tuple(moments.means.shape)}: got {tuple(w.shape)}")
    return duality(moments, w / scale_of(w))


def duality(moments: ClassMoments, weight: Float[Tensor, "k h"]) -> float:
    """`nc3` from moments; NaN if the weight or all centred means are zero."""
    means, w = moments.centred_means, weight.double()
    if means.norm() <= 0 or w.norm() <= 0:
        return math.nan
    return (w / w.norm() - means / means.norm()).square().sum().item()


def nc4(features: Matrix, labels: Labels, decisions: Labels) -> float:
    """NC4, nearest class mean: how often the decision of a network differs from the nearest class mean.

    Share of samples with ``argmin_k ||h - mu_k|| != decision``. Range [0, 1]; 0 is collapsed.

    Args:
        features: (n, h), features of the samples.
        labels: (n,), labels from which the class means are computed.
        decisions: (n,), classes that the network chooses.

    Raises:
        ValueError: as `train_variance`.

    Example:
        >>> nc4(np.array([[0.0], [2.0]]), np.array([0, 1]), np.array([0, 0]))
        0.5
    """
    h = checked_matrix(features, "features")
    scale = scale_of(h)
    found, _ = nearest(h / scale, class_moments(h, labels, scale=scale).means)
    chosen = checked_labels(decisions, len(h), name="decisions")
    return (found != chosen.to(found.device)).double().mean().item()


def class_distance_normalized_variance(features: Matrix, labels: Labels) -> float:
    """V_f, averaged over pairs of classes: sum of two variances over twice the squared distance of the two means.

    ``(Var_i + Var_j) / (2 ||mu_i - mu_j||^2)`` (Galanti et al., 2021). With class means at the corners of a
    regular simplex and equal variances, it equals (K - 1) / (2 K) times `train_variance`. 0 is collapsed.

    Raises:
        ValueError: as `train_variance`.

    Example:
        >>> class_distance_normalized_variance(np.array([[0.0], [2.0], [10.0], [12.0]]), np.array([0, 0, 1, 1]))
        0.01
    """
    return pairwise_variance(class_moments(features, labels))


def pairwise_variance(moments: ClassMoments) -> float:
    """V_f from moments; NaN if two means coincide."""
    spread = moments.spreads / moments.counts
    distance = (moments.means[:, None] - moments.means).square().sum(2)
    first, second = torch.triu_indices(len(spread), len(spread), 1, device=spread.device)
    if len(first) == 0 or bool((distance[first, second] <= 0).any()):
        return math.nan
    return ((spread[first] + spread[second]) / (2 * distance[first, second])).mean().item()


def margins(logits: Matrix, labels: Labels) -> Float[Tensor, " n"]:
    """Margin of every sample: logit of its class minus the largest other logit; negative if misclassified.

    Example:
        >>> margins(np.array([[3.0, 1.0], [0.0, 0.5]]), np.array([0, 0])).tolist()
        [2.0, -0.5]
    """
    return _margins(checked_matrix(logits, "logits"), labels)[0]


def normalised_margins(
    features: Matrix, labels: Labels, weight: Matrix, bias: Real[Tensor | np.ndarray, " k"]
) -> Float[Tensor, " n"]:
    """Margins that do not depend on the scale of the head or the scale of the features.

    The margin is divided by ``||w_y - w_j|| ||h - mu||``. Here j is the other class with the largest logit, and mu is
    the mean of the features. The result is the distance to the boundary with class j over the distance to mu.

    Example:
        >>> h, w = np.array([[2.0], [-2.0]]), np.array([[1.0], [-1.0]])
        >>> normalised_margins(h, np.array([0, 1]), w, np.zeros(2)).tolist()
        [1.0, 1.0]
    """
    h, w = checked_matrix(features, "features"), checked_matrix(weight, "weight")
    of_features, of_weight = scale_of(h), scale_of(w)
    h, w, b = h / of_features, w / of_weight, torch.as_tensor(bias).to(h) / of_features / of_weight
    margin, other = _margins(h @ w.T + b, labels)
    y = checked_labels(labels, len(h)).to(h.device)
    return margin / ((w[y] - w[other]).norm(dim=1) * (h - h.mean(0)).norm(dim=1))


def _margins(logits: Tensor, labels: Labels) -> tuple[Tensor, Tensor]:
    """Margin of every sample, and the other class with the largest logit."""
    y = checked_labels(labels, len(logits), from_zero=True).to(logits.device)[:, None]
    if y.max() >= logits.shape[1]:
        raise ConfigError(f"labels must be below {logits.shape[1]}, the number of logits: got {y.max()}")
    closest = logits.scatter(1, y, -math.inf).max(1)
    return logits.gather(1, y).squeeze(1) - closest.values, closest.indices
