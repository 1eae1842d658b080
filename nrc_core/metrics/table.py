"""All metrics at all sites of a network, from the moments of one pass over the data."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from nrc_core.config.base import NUMERICAL_TOLERANCE
from nrc_core.metrics import regression
from nrc_core.metrics.moments import Moments
from nrc_core.metrics.regression import SIGNAL_TOLERANCE, Eigen
from nrc_core.metrics.sites import Site


@dataclass(frozen=True)
class Decomposed:
    """Moments of a site with the eigendecompositions from which all its metrics are computed."""

    name: str
    moments: Moments
    spectrum: Eigen
    inputs: Eigen | None  # one of the `input_spectra`; None at the output


def input_spectra(each: Sequence[Mapping[str, Tensor]]) -> list[dict[str, Eigen]]:
    """Eigendecompositions of the `input_products` of all weights of several networks, by the names of the sites."""
    products = [regression.input_products(weight) for weights in each for weight in weights.values()]
    spectra = iter(regression.eigen_each(products))
    return [{name: next(spectra).first(len(weight)) for name, weight in weights.items()} for weights in each]


def decompose(
    each: Sequence[Sequence[Site]], inputs: Sequence[Mapping[str, Eigen]] | None = None
) -> list[list[Decomposed]]:
    """Eigendecompositions of the features and weights at the sites of several networks, or of views of one network.

    The results are on the CPU, since the metrics then need a thousand small operations for each network, which a GPU
    would do one by one.

    Args:
        inputs: `input_spectra` of each network, if they are known.
    """
    if inputs is None:
        inputs = input_spectra([{one.name: one.weight for one in sites if one.weight is not None} for sites in each])
    spectra = iter(regression.eigen_each([site.moments.feature_covariance for sites in each for site in sites]))
    return [
        [
            Decomposed(site.name, site.moments.cpu(), next(spectra), None if site.weight is None else known[site.name])
            for site in sites
        ]
        for sites, known in zip(each, inputs, strict=True)
    ]


def tabulate(
    sites: list[Decomposed], *, rank: int | None, convention: str = "careful", tolerance: float = NUMERICAL_TOLERANCE
) -> pd.DataFrame:
    """The metric columns of `measure`, from decomposed sites; at each site the rank is at most the width."""
    target_dim = len(sites[0].moments.target_covariance)
    wanted = target_dim if rank is None else rank
    if wanted < 1:
        raise ValueError(f"rank must be at least 1: got {wanted}")
    targets = regression.eigen(sites[0].moments.target_covariance).values
    network = {
        "target_stable_rank": regression.spectral_ratio(targets),
        "target_effective_rank": regression.effective_rank(targets),
        "network_mse": _network_mse(sites[-1].moments),
    }
    rows = []
    for number, site in enumerate(sites):
        of_site = _site(site, min(wanted, site.moments.width), tolerance)
        row = {"site": number, "name": site.name, **of_site, **network}
        if convention == "printed":
            row |= _printed(site.moments, row["cka"], tolerance)
        if convention == "released":
            row |= _released(site, targets)
        rows.append(row)
    return pd.DataFrame(rows)


def spectra(sites: list[Decomposed], most: int = 32) -> pd.DataFrame:
    """The metrics as curves in the rank: `site, k, eigenvalue, nrc1, nrc2, nrc3, nrc3_sine` for k up to `most`.

    NRC1 to NRC3 are their values at rank k. `nrc3_sine` is the mean sine of the same angles as in NRC3. It is the
    alignment of the top k feature directions with the weight's bottom directions. The metrics are kept
    in single precision, since they are for figures.
    """
    return pd.concat([_curves(site, most).assign(site=number) for number, site in enumerate(sites)], ignore_index=True)


def _curves(site: Decomposed, most: int) -> pd.DataFrame:
    values, vectors = site.spectrum
    k = min(most, len(values))
    target = torch.linalg.matrix_norm(site.moments.target_covariance)
    aligned = (vectors[:, :k].T @ site.moments.cross_covariance).square().sum(1).cumsum(0)
    cka = aligned / (values[:k].square().cumsum(0).sqrt() * target)
    cosines = sines = torch.full((k,), math.nan)
    if site.inputs is not None:
        cosines, sines = regression.alignment_curves(site.spectrum, site.inputs, k)
    metrics = {"nrc1": regression.noise_curve(values)[:k], "nrc2": cka, "nrc3": cosines, "nrc3_sine": sines}
    single = {name: curve.float().numpy() for name, curve in metrics.items()}
    return pd.DataFrame({"k": range(1, k + 1), "eigenvalue": values[:k].numpy(), **single})


def _site(site: Decomposed, rank: int, tolerance: float) -> dict[str, Any]:
    moments, spectrum, inputs = site.moments, site.spectrum, site.inputs
    targets = moments.target_covariance
    error, directions = regression.linear_prediction_error(spectrum, moments, tolerance)
    signal_error, _ = regression.linear_prediction_error(spectrum, moments, max(tolerance, SIGNAL_TOLERANCE))
    variance = targets.diagonal().mean().item()
    return {
        "width": moments.width,
        "rank": rank,
        "nrc1": regression.noise_curve(spectrum.values)[rank - 1].item(),
        "nrc2": regression.projected_cka(spectrum, moments, rank),
        "nrc3": math.nan if inputs is None else regression.alignment(spectrum, inputs, rank),
        "nrc4": error,
        "cka": regression.covariance_cka(moments.cross_covariance, moments.feature_covariance, targets),
        "nrc4_unexplained": error / variance if variance > 0 else math.nan,
        "nrc4_signal": signal_error,
        "nrc4_directions": directions,
        "nrc4_tolerance": tolerance,
        "feature_stable_rank": regression.spectral_ratio(spectrum.values),
        "feature_effective_rank": regression.effective_rank(spectrum.values),
        "weight_stable_rank": math.nan if inputs is None else regression.spectral_ratio(inputs.values),
        "target_variance": variance,
        "feature_variance": spectrum.values.sum().item(),
    }


def _network_mse(output: Moments) -> float:
    """Mean squared error per entry of the output: variance of its error plus squared bias."""
    t = len(output.target_covariance)
    if output.width != t:
        raise ValueError(f"a network must give as many outputs as there are targets: got {output.width} for {t}")
    covariance = output.feature_covariance + output.target_covariance - 2 * output.cross_covariance
    bias = output.feature_mean - output.mean[t:]
    return (covariance.diagonal() + bias.square()).mean().item()


def _uncentred(moments: Moments) -> Eigen:
    """Eigendecomposition of the features' second moment around zero."""
    return regression.eigen(moments.feature_covariance + torch.outer(moments.feature_mean, moments.feature_mean))


def _printed(moments: Moments, cka: float, tolerance: float) -> dict[str, float]:
    """Formulas of section 3 of the paper to the letter: CKA(H, Y), 1/N ||H H^+ Y - Y||_F^2 of uncentred features."""
    error, directions = regression.linear_prediction_error(_uncentred(moments), moments, tolerance)
    return {"nrc2": cka, "nrc4": error * len(moments.target_covariance), "nrc4_directions": directions}


def _released(site: Decomposed, targets: Tensor) -> dict[str, float]:
    """Values where the paper's released code differs, at commit 77218cd of its repository."""
    moments = site.moments
    n, first = moments.n, slice(0, len(moments.target_covariance))
    # CKA uses the first t coordinates instead of the top-t subspace, with a guard inside the square root.
    cross = (n * moments.cross_covariance[first]).square().sum()
    own = (n * moments.feature_covariance[first, first]).square().sum()
    target = (n * moments.target_covariance).square().sum()
    scale = (own * target + 1e-12).sqrt()
    # NRC4 uses uncentred features and centred targets; singular values up to 1e-3 of the largest are left out.
    error, directions = regression.linear_prediction_error(_uncentred(moments), moments, SIGNAL_TOLERANCE)
    return {
        "nrc2": (cross / scale).item() if scale > 1e-12 else 0.0,
        "nrc4": error,
        "nrc4_directions": directions,
        "nrc4_tolerance": SIGNAL_TOLERANCE,
        "feature_stable_rank": regression.spectral_ratio(site.spectrum.values.square()),
        "target_stable_rank": regression.spectral_ratio(targets.square()),
    }
