"""Ordinal unconstrained features: one equation against minimisation over all features, and the two phases."""

import math

import numpy as np
import pytest
import torch

from nrc_core.config import descent
from nrc_core.theory import ordinal, ordinal_ufm_minimum
from nrc_core.theory.ordinal import critical_decay, undecayed_latent

EVEN = [-5.0, -3.0, -1.0, 1.0, 3.0, 5.0]
LINKS = ["logit", "probit", "cloglog"]
COUNTS = {(-5, -3, -1, 1, 3, 5): (4, 2, 1, 2, 3), (-2, 0.5, 4): (3, 5), (-3, -1, -0.5, 2, 2.5): (1, 4, 2, 2)}


def probability(link: str, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    if link == "cloglog":
        return torch.exp(-torch.exp(lower)) - torch.exp(-torch.exp(upper))
    cumulative = torch.sigmoid if link == "logit" else torch.special.ndtr
    return cumulative(upper) - cumulative(lower)


def minimised(link: str, thresholds: tuple, counts: tuple, decay: float, seed: int) -> tuple[float, list, float]:
    """Loss, mean latent variable of each class and norm of w, by LBFGS over all features and w."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    b = torch.tensor(thresholds, dtype=torch.float64)
    features, w = (
        0.3 * torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((len(labels), 3), (3,))
    )
    for free in (features, w):
        free.requires_grad_(True)
    optimiser = torch.optim.LBFGS(
        [features, w], lr=1, max_iter=4000, max_eval=8000, tolerance_grad=1e-12, tolerance_change=0, history_size=50,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        z = features @ w
        likelihood = probability(link, b[labels] - z, b[labels + 1] - z)
        penalty = decay / 2 * (features.square().sum() / len(labels) + w.square().sum())
        value = -likelihood.log().mean() + penalty
        value.backward()
        return value

    optimiser.step(loss)
    latent = (features @ w).detach()
    return loss().item(), [latent[labels == q].mean().item() for q in range(len(counts))], w.norm().item()


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("thresholds", COUNTS)
@pytest.mark.parametrize("share", [0.05, 0.6, 1.3])
def test_the_minimum_is_what_descent_over_all_features_finds(link, thresholds, share):
    counts = COUNTS[thresholds]
    shares = np.array(counts) / sum(counts)
    decay = share * critical_decay(thresholds, link=link, shares=shares)
    expected = ordinal_ufm_minimum(thresholds, decay=decay, link=link, shares=shares)
    loss, latent, norm = min(minimised(link, thresholds, counts, decay, seed) for seed in (0, 1))
    assert loss == pytest.approx(expected.loss, abs=1e-8)
    assert latent == pytest.approx(expected.latent, abs=1e-4)
    assert norm == pytest.approx(expected.weight_norm, abs=1e-3 if share > 1 else 1e-5)
    assert (expected.weight_norm == 0) == (share > 1)
    assert np.all(np.diff(expected.latent) >= 0)


@pytest.mark.parametrize("link", LINKS)
def test_the_transition_is_continuous_and_the_norm_goes_with_the_root_of_the_distance(link):
    """w ~ sqrt(1 - c / C) just below C, so a distance of a hundredth gives a tenth of w."""
    limit = critical_decay(EVEN, link=link)
    norms = [ordinal_ufm_minimum(EVEN, decay=limit * math.sqrt(1 - e), link=link).weight_norm for e in (1e-3, 1e-5)]
    assert norms[0] / norms[1] == pytest.approx(10, rel=0.01)
    assert ordinal_ufm_minimum(EVEN, decay=limit * 1.0001, link=link).weight_norm == 0


@pytest.mark.parametrize(("link", "symmetric"), [("logit", True), ("probit", True), ("cloglog", False)])
def test_without_decay_a_symmetric_link_puts_classes_in_the_middle(link, symmetric):
    uneven = [-4, -3, 0, 1, 6]
    middle = (np.array(uneven[1:]) + np.array(uneven[:-1])) / 2
    limit = undecayed_latent(uneven, link=link)
    assert (np.abs(limit - middle).max() < 1e-9) == symmetric
    distances = [np.abs(ordinal_ufm_minimum(uneven, decay=d, link=link).latent - limit).max() for d in (1e-3, 1e-5)]
    assert distances[1] < distances[0] / 50


def test_mirrored_thresholds_and_shares_mirror_the_minimum():
    thresholds, shares = np.array([-3, -1, -0.5, 2, 2.5]), np.array([0.1, 0.4, 0.2, 0.3])
    there = ordinal_ufm_minimum(thresholds, decay=0.05, shares=shares)
    mirrored = ordinal_ufm_minimum(-thresholds[::-1], decay=0.05, shares=shares[::-1])
    np.testing.assert_allclose(mirrored.latent, -there.latent[::-1], atol=1e-10)
    assert mirrored.loss == pytest.approx(there.loss, abs=1e-12)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_thresholds_far_out_lose_no_digits(link):
    """A shift of all thresholds by 20 gives tails that are 0 or 1 in double precision."""
    far = undecayed_latent([18, 20, 23], link=link)
    assert far == pytest.approx(np.array([19, 21.5]), abs=1e-9)
    found = ordinal_ufm_minimum([18, 20, 23], decay=1e-6, link=link)
    assert found.latent == pytest.approx(far, abs=1e-2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"thresholds": [0, 1]}, "three or more finite numbers that increase"),
        ({"thresholds": [0, 1, 1]}, "three or more finite numbers that increase"),
        ({"thresholds": [-math.inf, 0, math.inf]}, "three or more finite numbers that increase"),
        ({"decay": 0.0}, "decays must be positive"),
        ({"link": "log"}, "link must be one of logit, probit, cloglog: got 'log'"),
        ({"shares": [0.5, 0.2]}, r"shares must be 2 positive numbers with the sum 1: got \[0.5, 0.2\]"),
        ({"shares": [1.0, 0.0]}, "shares must be 2 positive numbers"),
        ({"shares": [0.2, 0.3, 0.5]}, "shares must be 2 positive numbers"),
    ],
)
def test_arguments_out_of_range_are_refused(given, message):
    values = {"thresholds": [-1, 0, 1], "decay": 0.1} | given
    with pytest.raises(ValueError, match=message):
        ordinal_ufm_minimum(values.pop("thresholds"), **values)


def test_a_configuration_takes_all_links_and_no_others():
    assert tuple(ordinal.LINKS) == descent.LINKS
