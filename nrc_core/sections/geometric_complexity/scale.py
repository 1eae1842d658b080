"""What a factor on the last weight does to geometric complexity, to its normalised form, and to V_f.

It is written in NumPy, because claims are judged without PyTorch. A test compares it with the metrics of the core.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
SIZES = {"classes": 4, "rows": 30, "inputs": 10, "width": 24, "features": 6}


def scaled(*factors: float) -> pd.DataFrame:
    """Complexity and collapse of a random ReLU map whose last weight is multiplied by factors.

    The map is x -> factor W_2 relu(W_1 x) without biases, on rows of Gaussian classes; all in float64.

    Returns:
        One row for each factor, with columns `factor`, `complexity`, `normalised_complexity` and `v_f`.

    Example:
        >>> table = scaled(1.0, 10.0)
        >>> [round(value, 6) for value in table["complexity"] / table["complexity"].iloc[0]]
        [1.0, 100.0]
    """
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(SIZES["classes"]), SIZES["rows"])
    means = 2 * generator.standard_normal((SIZES["classes"], SIZES["inputs"]))
    x = means[labels] + generator.standard_normal((len(labels), SIZES["inputs"]))
    first = generator.standard_normal((SIZES["width"], SIZES["inputs"])) / SIZES["inputs"] ** 0.5
    last = generator.standard_normal((SIZES["features"], SIZES["width"])) / SIZES["width"] ** 0.5
    return pd.DataFrame([{"factor": factor, **_measured(x, labels, first, factor * last)} for factor in factors])


def _measured(x: Array, labels: NDArray[np.int64], first: Array, last: Array) -> dict[str, float]:
    hidden = x @ first.T
    features = np.maximum(hidden, 0) @ last.T
    jacobians = np.einsum("fw,nw,wd->nfd", last, hidden > 0, first)
    complexities = (jacobians**2).sum(axis=(1, 2))
    own = [labels == one for one in range(SIZES["classes"])]
    means = np.array([features[rows].mean(0) for rows in own])
    complexity = np.array([complexities[rows].mean() for rows in own])
    variance = np.array([((features[rows] - features[rows].mean(0)) ** 2).sum(1).mean() for rows in own])
    i, j = np.triu_indices(len(own), k=1)
    distances = 2 * ((means[i] - means[j]) ** 2).sum(1)
    return {
        "complexity": float(complexities.mean()),
        "normalised_complexity": float(((complexity[i] + complexity[j]) / distances).mean()),
        "v_f": float(((variance[i] + variance[j]) / distances).mean()),
    }
