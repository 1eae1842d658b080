"""Independent references in plain numpy, float64: singular values of centred data and n x n Gram matrices."""

import numpy as np


def centred(array: np.ndarray) -> np.ndarray:
    array = np.asarray(array, np.float64)
    return array - array.mean(0)


def noise(features: np.ndarray, rank: int) -> float:
    squares = np.linalg.svd(centred(features), compute_uv=False) ** 2
    return squares[rank:].sum() / squares.sum()


def gram_cka(a: np.ndarray, b: np.ndarray) -> float:
    """CKA from centred n x n Gram matrices (Kornblith et al., 2019, equations 3 and 4)."""
    first, second = centred(a) @ centred(a).T, centred(b) @ centred(b).T
    return np.trace(first @ second) / np.sqrt(np.trace(first @ first) * np.trace(second @ second))


def project(features: np.ndarray, rank: int) -> np.ndarray:
    right = np.linalg.svd(centred(features), full_matrices=False)[2][:rank]
    return centred(features) @ right.T @ right


def mean_cosine(features: np.ndarray, weight: np.ndarray, rank: int) -> float:
    first = np.linalg.svd(centred(features), full_matrices=False)[2][:rank]
    second = np.linalg.svd(np.asarray(weight, np.float64), full_matrices=False)[2][:rank]
    return np.linalg.svd(first @ second.T, compute_uv=False).clip(max=1).mean()


def prediction_error(features: np.ndarray, targets: np.ndarray) -> float:
    """Error of least squares with a column of ones, by numpy."""
    design = np.hstack([np.asarray(features, np.float64), np.ones((len(features), 1))])
    solution = np.linalg.lstsq(design, targets, rcond=None)[0]
    return float(((design @ solution - targets) ** 2).mean())


def released_cka(features: np.ndarray, targets: np.ndarray) -> float:
    """CKA as in the released code of the paper: first t columns, with a small constant inside the root."""
    kept = centred(features[:, : targets.shape[1]])
    first, second = kept @ kept.T, centred(targets) @ centred(targets).T
    scale = np.sqrt(np.trace(first @ first) * np.trace(second @ second) + 1e-12)
    return 0.0 if scale <= 1e-12 else np.trace(first @ second) / scale


def released_error(features: np.ndarray, targets: np.ndarray) -> float:
    """Error as in the released code of the paper: uncentred features, singular values cut at a thousandth."""
    solution = np.linalg.pinv(features, rcond=1e-3) @ centred(targets)
    return float(((features @ solution - centred(targets)) ** 2).mean())
