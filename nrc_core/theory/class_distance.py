"""The bound of Galanti, Gyorgy and Hutter (2021) on V_f of unseen samples, as the survey by Agarwal et al. cites it.

V_f of two sets of features is (Var_1 + Var_2) / (2 ||mu_1 - mu_2||^2), with Var = E||f||^2 - ||mu||^2. For class c, let
m_c be the mean of its training set, e_c the distance of the population's mean from m_c, and q_c the distance of the
population's E||f||^2 from that of the training set; d = ||m_1 - m_2||. The survey names the terms A and B of its
inequality (9) without their formulas. Here they are from these facts:
* the population's variance of class c is at most that of the training set plus q_c + e_c (2 ||m_c|| + e_c);
* the population's means are at least d' = d - e_1 - e_2 apart.
So V_f of the population is at most (1 + A) V_f of the training set + B, with 1 + A = (d / d')^2 and
B = sum_c (q_c + e_c (2 ||m_c|| + e_c)) / (2 d'^2). Both A and B vanish with the e_c and q_c.
"""

from dataclasses import dataclass

import torch

from nrc_core.metrics.arrays import Matrix, checked_matrix

Pair = tuple[Matrix, Matrix]  # the features of two classes, (n, h) each


@dataclass(frozen=True)
class PopulationBound:
    """The bound (1 + A) V_f + B, see the docstring of this module.

    Attributes:
        relative: A, 0 or more.
        absolute: B, 0 or more.
        bound: the bound itself.
    """

    relative: float
    absolute: float
    bound: float


def class_distance_variance(first: Matrix, second: Matrix) -> float:
    """V_f of the features of two classes, (n, h) each: 0 if both are points.

    Raises:
        ValueError: the two means are the same.

    Example:
        >>> class_distance_variance([[0.0], [2.0]], [[10.0], [12.0]])
        0.01
    """
    means, _, variances = zip(*(_moments(one) for one in (first, second)), strict=True)
    distance = (means[0] - means[1]).square().sum().item()
    if distance == 0:
        raise ValueError("V_f needs two classes with different means: got the same mean twice")
    return sum(variances) / (2 * distance)


def population_bound(train: Pair, population: Pair) -> PopulationBound:
    """The bound on V_f of a population from V_f of a training set, for two classes.

    Args:
        train: features of the training rows of the two classes.
        population: features of all rows of the two classes.

    Raises:
        ValueError: the means of the training set are too near for a bound: no farther apart than the population's
            means are from them.

    Example:
        >>> population_bound(([[0.0]], [[10.0]]), ([[-1.0], [1.0]], [[9.0], [11.0]]))
        PopulationBound(relative=0.0, absolute=0.01, bound=0.01)
    """
    (m_1, s_1, v_1), (m_2, s_2, v_2) = (_moments(one) for one in train)
    (p_1, t_1, _), (p_2, t_2, _) = (_moments(one) for one in population)
    distance = (m_1 - m_2).norm().item()
    moved = [(p - m).norm().item() for p, m in ((p_1, m_1), (p_2, m_2))]
    least = distance - sum(moved)
    if least <= 0:
        raise ValueError(
            f"the training means are {distance:.3g} apart, and the population's are {sum(moved):.3g} from them in sum: "
            "there is no bound, take more training rows"
        )
    relative = (distance / least) ** 2 - 1
    extra = sum(
        abs(t - s) + e * (2 * m.norm().item() + e)
        for s, t, m, e in ((s_1, t_1, m_1, moved[0]), (s_2, t_2, m_2, moved[1]))
    )
    absolute = extra / (2 * least**2)
    return PopulationBound(relative, absolute, (1 + relative) * (v_1 + v_2) / (2 * distance**2) + absolute)


def _moments(features: Matrix) -> tuple[torch.Tensor, float, float]:
    """Mean, mean squared norm and variance of features."""
    h = checked_matrix(features, "features").double()
    mean = h.mean(0)
    return mean, h.square().sum(1).mean().item(), (h - mean).square().sum(1).mean().item()
