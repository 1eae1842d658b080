"""Few-shot accuracy: how well features tell new classes apart from a few samples of each."""

from numbers import Integral

import numpy as np
import torch

from nrc_core.errors import ConfigError, shown
from nrc_core.metrics.arrays import Labels, Matrix, checked_labels, checked_matrix
from nrc_core.metrics.classes import nearest
from nrc_core.metrics.scales import scale_of


def few_shot_accuracy(features: Matrix, labels: Labels, *, ways: int, shots: int, episodes: int, seed: int) -> float:
    """Mean accuracy of the nearest mean of a few samples, over random episodes.

    An episode draws `ways` classes and `shots` samples of each, without replacement. All other samples of these classes
    are classified by the nearest mean of the samples drawn (Snell, Swersky and Zemel, *Prototypical Networks*, 2017;
    for collapsed features Galanti, Gyorgy and Hutter, 2021). The accuracy of an episode is the mean over its classes of
    the share of samples classified right, so classes of any size count the same. Range [0, 1]; if all features are
    equal, it is 1 / ways.

    Args:
        features: (n, h).
        labels: (n,), any whole numbers, for example those of the classes that a network was not trained on.
        ways: number of classes in an episode, at least 2.
        shots: number of samples of each class whose mean is taken, at least 1.
        episodes: number of episodes, at least 1.
        seed: seed of the draws. The same seed draws the same episodes from any features with the same labels.

    Raises:
        ConfigError: the features are not a finite matrix, the labels do not fit them, there are fewer than `ways`
            classes, a class has no sample left after `shots`, or a number is out of its range.

    Example:
        >>> h, y = np.array([[0.0], [1.0], [8.0], [9.0]]), np.array([3, 3, 5, 5])
        >>> few_shot_accuracy(h, y, ways=2, shots=1, episodes=10, seed=0)
        1.0
    """
    h = checked_matrix(features, "features")
    h, y = h / scale_of(h), checked_labels(labels, len(h)).cpu().numpy()
    for name, value, least in (("ways", ways, 2), ("shots", shots, 1), ("episodes", episodes, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise ConfigError(f"{name} must be a whole number, at least {least}: got {shown(value)}")
    names, counts = np.unique(y, return_counts=True)
    if len(names) < ways:
        raise ConfigError(f"an episode of {ways} classes needs as many: the labels have {len(names)}, give fewer ways")
    if counts.min() <= shots:
        raise ConfigError(
            f"every class needs more samples than the {shots} shots: class {names[counts.argmin()]} has "
            f"{counts.min()}, give fewer shots or leave it out"
        )
    rows = [np.flatnonzero(y == name) for name in names]
    generator = np.random.default_rng(seed)
    return float(np.mean([_episode(h, rows, ways, shots, generator) for _ in range(episodes)]))


def _episode(h: torch.Tensor, rows: list[np.ndarray], ways: int, shots: int, generator: np.random.Generator) -> float:
    """Accuracy of one episode."""
    drawn = [torch.from_numpy(generator.permutation(rows[one])) for one in generator.permutation(len(rows))[:ways]]
    means = torch.stack([h[one[:shots]].mean(0) for one in drawn])
    right = [(nearest(h[one[shots:]], means)[0] == place).double().mean().item() for place, one in enumerate(drawn)]
    return float(np.mean(right))
