"""Synthetic classes around the vertices of a simplex."""

import numpy as np
from jaxtyping import Float, Int

LENGTHS = (0.8, 1.25)  # the shortest and the longest sample


def simplex_classes(
    classes: int, *, samples: int, dimension: int, largest_angle: float, generator: np.random.Generator
) -> tuple[Float[np.ndarray, "n d"], Int[np.ndarray, " n"]]:
    """Samples of classes around the vertices of a regular simplex whose mean is zero.

    The angle of a sample from the vertex of its class is uniform from half of `largest_angle` to all of it, the
    direction of this deviation is uniform, and the logarithm of its length is uniform.

    Args:
        classes: K, at least 2.
        samples: the number of samples of each class.
        dimension: d, at least K.
        largest_angle: in radians.
        generator: decides the samples.

    Returns:
        The samples (n, d), float64, and their classes (n,), from 0.

    Example:
        >>> x, y = simplex_classes(3, samples=2, dimension=4, largest_angle=0.0, generator=np.random.default_rng(0))
        >>> y, round(float(x[0] @ x[2] / np.linalg.norm(x[0]) / np.linalg.norm(x[2])), 12)
        (array([0, 0, 1, 1, 2, 2]), -0.5)
    """
    y = np.repeat(np.arange(classes), samples)
    vertex = simplex(classes, dimension)[y]
    aside = generator.standard_normal(vertex.shape)
    aside -= (aside * vertex).sum(1, keepdims=True) * vertex
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    angle = largest_angle * generator.uniform(0.5, 1, (len(y), 1))
    shortest, longest = np.log(LENGTHS)
    length = np.exp(generator.uniform(float(shortest), float(longest), (len(y), 1)))
    return length * (np.cos(angle) * vertex + np.sin(angle) * aside), y


def simplex(classes: int, dimension: int) -> Float[np.ndarray, "k d"]:
    """The vertices (K, d) of a regular simplex in the first K - 1 dimensions: unit vectors with the mean zero.

    Example:
        >>> simplex(2, 3).round(12) + 0.0
        array([[ 1.,  0.,  0.],
               [-1.,  0.,  0.]])
    """
    vertices = np.zeros((classes, dimension))
    for k in range(classes - 1):  # each vertex has the cosine -1 / (K - 1) with all earlier ones
        rest = 1 - (vertices[k] ** 2).sum()
        vertices[k, k] = np.sqrt(rest)
        vertices[k + 1 :, k] = (-1 / (classes - 1) - vertices[k + 1 :] @ vertices[k]) / vertices[k, k]
    return vertices
