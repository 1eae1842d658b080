"""Deep unconstrained features models with ReLU: the loss of known structures, and their explicit factors.

Source: Sukenik, Lampert and Mondelli, *Neural Collapse versus Low-rank Bias: Is Deep Neural Collapse Really Optimal?*
(2024). The reduction to one number, and graphs that are not complete, are derived here.

The objective has samples in columns, as in the source, with K classes of n samples each and N = K n:
``||W_L relu(... relu(W_1 H_1)) - I_K (x) 1_n^T||^2 / 2N + decay / 2 (||H_1||^2 + sum_l ||W_l||^2)``.
The features H_1 are free. No ReLU is applied to them before W_1.

The reduction: take factors whose output is the targets, and scale each of them by a positive number. ReLU lets such
numbers pass, so the output is x times the targets. For a given x, the penalty is least if all factors have the same
norm. It is then ``(L + 1) / 2 decay (n P)^(1 / (L + 1)) x^(2 / (L + 1))``, where P is the product of the squared norms
of the L + 1 factors at x = 1 and n = 1. The error is ``(1 - x)^2 / 2``. So P alone decides which of two structures has
the lower loss, for every decay and every number of samples.
"""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import brentq
from torch import Tensor

from nrc_core.theory.arguments import check_decay, check_whole
from nrc_core.theory.bounds import deep_zero_from
from nrc_core.theory.factors import Factors

STRUCTURES = ("collapse", "triangular", "zero")
Edge = tuple[int, int]


def deep_ufm_loss(structure: str, *, classes: int, depth: int, decay: float | int, samples: int = 1) -> float:
    """The loss of a structure in the deep unconstrained features model with ReLU, with the best scales.

    ``min_x (1 - x)^2 / 2 + (L + 1) / 2 decay (n P)^(1 / (L + 1)) x^(2 / (L + 1))`` over x from 0 on, see the beginning
    of this module. The result is at most 1/2, the loss of zero, which is the best x if the decay is large.

    * "collapse": deep neural collapse. All factors are identities, up to the copies of a class: ``P = K^(L + 1)``.
    * "triangular": classes are the edges of the complete graph on r vertices, so ``K = r (r - 1) / 2``. Features have
      rank r up to the last ReLU but one, see `triangular_factors`:
      ``P = (sqrt(2 (r - 1)) + (r - 1) sqrt(r - 2))^2 r^(L - 3) C(r, k) r / 4 sum_i 1 / m_i`` for the best k, where
      m_i are the eigenvalues of the Gram matrix after the last ReLU. At r = 4, a mixture of k = 2 and 3 is better.
    * "zero": all factors are zero.

    Args:
        structure: one of "collapse", "triangular", "zero".
        classes: K, at least 2.
        depth: L, the number of weights, at least 1; at least 3 for "triangular".
        decay: the weight decay of all factors, positive.
        samples: n, the number of samples of each class.

    Raises:
        ValueError: an unknown structure, a number out of range, or, for "triangular", a number of classes that is not
            r (r - 1) / 2 for an r from 3 on.

    Example:
        >>> round(deep_ufm_loss("collapse", classes=10, depth=4, decay=1e-3), 6)
        0.02495
        >>> round(deep_ufm_loss("triangular", classes=10, depth=4, decay=1e-3), 6)
        0.020387
    """
    _check(structure, classes, depth, decay, samples)
    return 0.5 if structure == "zero" else _best(_product(structure, classes, depth), depth, decay, samples)[1]


def deep_ufm_matrices(structure: str, *, classes: int, depth: int, decay: float | int, samples: int = 1) -> Factors:
    """The factors whose objective is `deep_ufm_loss` of the same arguments, as explicit matrices.

    Their objective can be computed by `deep_ufm_objective`.

    Raises:
        ValueError: as `deep_ufm_loss`.

    Example:
        >>> found = deep_ufm_matrices("triangular", classes=10, depth=4, decay=1e-3)
        >>> [tuple(weight.shape) for weight in found.weights], round(deep_ufm_objective(found, decay=1e-3).item(), 6)
        ([(5, 5), (5, 5), (10, 5), (10, 10)], 0.020387)
    """
    _check(structure, classes, depth, decay, samples)
    if structure == "zero":
        return Factors.of(np.zeros((classes, classes * samples)), *[np.zeros((classes, classes))] * depth)
    if structure == "collapse":
        plain = [np.eye(classes)] * (depth + 1)
    else:
        vertices = _vertices(classes)
        plain = triangular_factors(list(combinations(range(vertices), 2)), depth, _best_mixture(vertices))
    return scaled(plain, decay=decay, samples=samples)


def deep_ufm_objective(factors: Factors, *, decay: float | int) -> Float[Tensor, ""]:
    """The objective of given factors, through real ReLUs; there are as many classes as outputs.

    Args:
        factors: of any widths; the samples must be a multiple of the outputs.
        decay: the weight decay of all factors.

    Raises:
        ValueError: the samples are not a multiple of the outputs.

    Example:
        >>> deep_ufm_objective(deep_ufm_matrices("zero", classes=3, depth=2, decay=0.1), decay=0.1).item()
        0.5
    """
    first, *others = factors.weights
    signal = first @ factors.features
    for weight in others:
        signal = weight @ signal.relu()
    return (signal - factors.labels()).square().sum() / (2 * signal.shape[1]) + factors.penalty(decay)


def triangular_factors(edges: Sequence[Edge], depth: int, mixture: dict[int, float]) -> list[NDArray[np.float64]]:
    """Factors whose output is the identity and whose features have the rank of a graph, one class for each edge.

    The first two factors are the balanced split of the incidence matrix T (vertices in rows), which has no negative
    entry, so ReLU leaves it. Identities follow. W_(L - 1) has a row for each set of k vertices: +1/2 on the set and
    -1/2 elsewhere. On the edge {i, j} it gives 1, 0 or -1, if both, one or none of its ends are in the set. So after
    ReLU a row is 1 on the edges inside its set. If these rows span all edges, W_L is their pseudo-inverse.

    Args:
        edges: pairs of vertices, counted from 0.
        depth: L, at least 3.
        mixture: for each k the weight of its rows, so that the rows are multiplied by its root.

    Returns:
        H_1, W_1 to W_L.
    """
    vertices = max(max(edge) for edge in edges) + 1
    incidence = np.zeros((vertices, len(edges)))
    for column, edge in enumerate(edges):
        incidence[list(edge), column] = 1
    left, values, right = np.linalg.svd(incidence, full_matrices=False)
    signs = [
        math.sqrt(share) * np.where(np.isin(np.arange(vertices), chosen), 0.5, -0.5)
        for k, share in mixture.items()
        for chosen in combinations(range(vertices), k)
    ]
    inside = np.maximum(np.array(signs) @ incidence, 0)
    roots = np.sqrt(values)
    middle = [np.eye(vertices)] * (depth - 3)
    return [roots[:, None] * right, left * roots, *middle, np.array(signs), np.linalg.pinv(inside)]


def scaled(plain: Sequence[NDArray[np.float64]], *, decay: float | int, samples: int = 1) -> Factors:
    """Factors with the best scales, from factors whose output is the identity (one sample of each class)."""
    depth = len(plain) - 1
    norms = [float((factor**2).sum()) for factor in plain]
    scale, _ = _best(math.prod(norms), depth, decay, samples)
    common = (samples * math.prod(norms) * scale**2) ** (1 / (depth + 1))  # the squared norm of every factor
    features, *weights = [factor * math.sqrt(common / norm) for factor, norm in zip(plain, norms, strict=True)]
    return Factors.of(np.repeat(features / math.sqrt(samples), samples, axis=1), *weights)


def relative_norm(classes: int, depth: int) -> float:
    """How structures of low rank compare with deep neural collapse: one of them has a lower loss if this is below 1.

    ``kappa = P^(1 / (L + 1)) / K`` of the better of two structures, with the least r so that K <= r (r - 1) / 2:

    * the triangular structure on the largest ``K_0 = r (r - 1) / 2`` up to K, beside collapse on the other K - K_0
      classes: factors of blocks with equal norms have ``P^(1 / (L + 1)) = P_0^(1 / (L + 1)) + K - K_0``;
    * the complete graph on r vertices, from which edges of one vertex are dropped until K are left.

    Raises:
        ValueError: fewer than three classes or three weights.

    Example:
        >>> [round(relative_norm(classes, 3) ** 4, 3) for classes in (6, 7, 8, 9, 10)]
        [1.037, 1.031, 0.992, 0.844, 0.727]
    """
    if classes < 3 or depth < 3:
        raise ValueError(f"the structures need 3 classes and 3 weights or more: got {classes} and {depth}")
    own = max(r * (r - 1) // 2 for r in range(3, classes + 2) if r * (r - 1) // 2 <= classes)
    beside = _product("triangular", own, depth) ** (1 / (depth + 1)) + classes - own
    if own == classes:
        return beside / classes
    vertices, edges = _vertices(own) + 1, graph_edges(classes)
    dropped = min(_explicit_product(edges, depth, k) for k in range(2, vertices)) ** (1 / (depth + 1))
    return min(beside, dropped) / classes


def graph_edges(classes: int) -> list[Edge]:
    """The edges of the smallest complete graph with enough of them, without some edges of its first vertex.

    Example:
        >>> graph_edges(2), len(graph_edges(8))
        ([(0, 2), (1, 2)], 8)
    """
    vertices = next(r for r in range(2, classes + 2) if r * (r - 1) // 2 >= classes)
    return list(combinations(range(vertices), 2))[-classes:]  # those of the first vertex come first


def _explicit_product(edges: Sequence[Edge], depth: int, k: int) -> float:
    """P of a graph with sets of k vertices; infinite if their rows do not span all edges."""
    factors = triangular_factors(edges, depth, {k: 1.0})
    if np.linalg.matrix_rank(factors[-1]) < len(edges):
        return math.inf
    return math.prod(float((factor**2).sum()) for factor in factors)


def _best(product: float, depth: int, decay: float | int, samples: int) -> tuple[float, float]:
    """The best x and its loss."""
    force = decay * (samples * product) ** (1 / (depth + 1))
    if force >= deep_zero_from(depth):
        return 0.0, 0.5
    if depth == 1:
        scale = 1 - force
    else:  # the larger of two stationary points; at the jump it is (L - 1) / L
        power = (1 - depth) / (1 + depth)
        scale = brentq(lambda x: x - 1 + force * x**power, (depth - 1) / depth, 1, xtol=1e-15, rtol=1e-15)
    return scale, (1 - scale) ** 2 / 2 + (depth + 1) / 2 * force * scale ** (2 / (depth + 1))


def _product(structure: str, classes: int, depth: int) -> float:
    """P, the product of the squared norms of the factors, for one sample of each class."""
    if structure == "collapse":
        return float(classes) ** (depth + 1)
    r = _vertices(classes)
    nuclear = math.sqrt(2 * (r - 1)) + (r - 1) * math.sqrt(r - 2)
    return nuclear**2 * float(r) ** (depth - 3) * _last_two(r, _best_mixture(r))


def _last_two(vertices: int, mixture: dict[int, float]) -> float:
    """Squared norms of the last two weights of the triangular structure, multiplied."""
    rows = sum(share * math.comb(vertices, k) * vertices / 4 for k, share in mixture.items())
    values = np.sum([share * _gram_eigenvalues(vertices, k) for k, share in mixture.items()], axis=0)
    multiplicities = np.array([1, vertices - 1, vertices * (vertices - 3) // 2])
    there = multiplicities > 0
    if np.any(values[there] <= 0):
        return math.inf
    return float(rows * (multiplicities[there] / values[there]).sum())


def _gram_eigenvalues(r: int, k: int) -> NDArray[np.float64]:
    """Eigenvalues of the Gram matrix of edges by sets of k vertices that hold both: on 1, r - 1 and the rest.

    An edge, two edges with a common vertex and two without one are inside C(r - 2, k - 2), C(r - 3, k - 3) and
    C(r - 4, k - 4) sets. The triangular graph has the eigenvalues 2 (r - 2), r - 4 and -2.
    """
    own, touching, apart = (math.comb(r - j, k - j) if k >= j else 0 for j in (2, 3, 4))
    graph = np.array([2.0 * (r - 2), r - 4, -2])
    others = np.array([r * (r - 1) // 2 - 1, -1, -1]) - graph  # edges without a common vertex
    return own + touching * graph + apart * others


def _best_mixture(vertices: int) -> dict[int, float]:
    """The weights of the sets of k vertices with the least product of norms: one k, and two of them at r = 4.

    With u of k = 2 for each k = 3, the product at r = 4 is ``(6 u + 4) (1 / (u + 6) + 3 / (u + 2) + 2 / u)``, which is
    least at u = 2. At r = 3 a mixture would be better too, but collapse on three classes is better than any.
    """
    if vertices == 4:
        return {2: 2 / 3, 3: 1 / 3}
    return min(({k: 1.0} for k in range(2, vertices)), key=lambda one: _last_two(vertices, one))


def _vertices(classes: int) -> int:
    vertices = (1 + math.isqrt(1 + 8 * int(classes))) // 2
    if vertices < 3 or vertices * (vertices - 1) // 2 != classes:
        raise ValueError(f"classes of a triangular structure must be 3, 6, 10, 15, ..., r (r - 1) / 2: got {classes}")
    return vertices


def _check(structure: str, classes: int, depth: int, decay: float | int, samples: int) -> None:
    if structure not in STRUCTURES:
        raise ValueError(f"structure must be one of {', '.join(STRUCTURES)}: got {structure!r}")
    check_whole("classes", classes, 2)
    check_whole("depth", depth, 3 if structure == "triangular" else 1)
    check_whole("samples", samples, 1)
    check_decay(decay)
    if structure == "triangular":
        _vertices(classes)
