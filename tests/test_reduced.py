"""Smaller networks give a verdict only if they are trained to the end, exposed as the paper's are, and enough."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from nrc_core.claims.entries import read_claims
from nrc_core.claims.evidence import PageResults, weakness
from nrc_core.claims.ledger import NOT, REDUCED, REPRODUCED, SILENT, WAITING, judge_claim
from nrc_core.claims.reduced import compared, final_change, lacking
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.departures import planned
from tests.fakes import network, results
from tests.fakes_classification import classifier
from tests.fakes_classification import results as classifications

SMALLER = "networks smaller than the paper's"
FALLING = list(np.exp(-0.05 * np.arange(200)))
HOPPER = 11.82848  # exposure of the paper's network on its 4,000 training rows: 1e-3 * 0.1 * 32 * 369.63 / 0.1


def known(given: Results, exposures: Sequence[float], n: int = 4000) -> Results:
    """Results with the exposure of each run and the number of training rows."""
    provenance = {key: {"data": {"kind": "simulated", "n_train": n}} for key in given.runs["key"]}
    runs = given.runs.assign(exposure=list(exposures), batch_size=128)
    return dataclasses.replace(given, runs=runs, provenance=provenance)


def small(*networks: dict, exposure: float = HOPPER) -> PageResults:
    found = known(results(*networks), [exposure] * len(networks))
    return PageResults(found, 0, SMALLER, experiment="deep_nrc_mlp")


def claim(name: str):
    return next(one for one in read_claims() if one.id == name)


def three(**columns) -> list[dict]:
    return [network("hopper", seed, width=64, **columns) for seed in range(3)]


def test_three_settled_networks_of_the_papers_exposure_give_a_verdict_at_reduced_size():
    judged = judge_claim(claim("F2-H1"), {"hopper": small(*three(nrc1=0.01))})
    assert (judged.verdict, judged.decision.reduced, judged.reason) == (REDUCED, REPRODUCED, "")
    assert judged.decision.in_words == "at reduced size: reproduced"
    failed = judge_claim(claim("F2-H1"), {"hopper": small(*three(nrc1=0.5))})
    assert (failed.verdict, failed.decision.reduced) == (REDUCED, NOT)
    silent = judge_claim(claim("F2-H2"), {"hopper": small(*three(nrc1=0.5))})
    assert (silent.verdict, silent.decision.reduced) == (REDUCED, SILENT)


@pytest.mark.parametrize(
    ("page", "lack"),
    [
        (small(*three()[:2]), "too few seeds (hopper: 2 seeds)"),
        (small(*three(), exposure=HOPPER / 2.1), "3 of 3 without an exposure within a factor of 2 of the paper's"),
        (small(*three(losses=FALLING)), "3 of 3 with a loss that has not settled"),
        (small(*three()[:2], network("hopper", 2, losses=FALLING)), "1 of 3 with a loss that has not settled"),
    ],
)
def test_what_lacks_one_condition_gives_no_verdict_and_says_which(page, lack):
    judged = judge_claim(claim("F2-H1"), {"hopper": page})
    assert (judged.verdict, judged.groups, judged.keys) == (WAITING, (), ())
    assert lack in judged.reason
    assert "by them" not in judged.reason


def test_the_thresholds_of_smaller_networks_are_tried_too():
    judged = judge_claim(claim("F2-H1"), {"hopper": small(*three(), exposure=HOPPER / 1.8)})
    assert judged.moved == {"exposure_factor_most = 1.5": WAITING, "seeds_least = 5": WAITING}


def test_the_papers_size_wins_over_a_smaller_one():
    good, bad = PageResults(results(*three())), small(*three(nrc1=0.5))
    one = dataclasses.replace(claim("F2-H1"), pages=("full", "small"))
    judged = judge_claim(one, {"full": good, "small": bad})
    assert (judged.verdict, len(judged.keys)) == (REPRODUCED, 3)


def test_a_stand_in_never_gives_a_verdict():
    page = dataclasses.replace(small(*three()), weaker=f"{SMALLER} on a stand-in for its data", stand_in=True)
    judged = judge_claim(claim("F2-H1"), {"hopper": page})
    assert judged.verdict == WAITING
    assert judged.reason == f"{SMALLER} on a stand-in for its data"


def test_the_exposure_is_compared_with_that_of_the_papers_network():
    (paper,) = planned("deep_nrc_mlp", "hopper", "mlp")
    assert paper.exposure(4000) == pytest.approx(HOPPER)
    runs = results(*three()).runs
    table = compared(known(results(*three()), [HOPPER / 1.5, HOPPER * 3, 0.0]), "deep_nrc_mlp", thresholds())
    assert list(table["factor"]) == pytest.approx([1.5, 3, np.inf])
    assert len(runs) == 3


def test_networks_without_weight_decay_are_alike_and_a_sweep_is_compared_at_its_own_weight_decay():
    two = results(*[network("hopper", 0, weight_decay=value) for value in (0.0, 1e-4)])
    table = compared(known(two, [0.0, HOPPER / 10]), "weight_decay", thresholds())
    assert list(table["factor"]) == pytest.approx([1, 1])


def test_fewer_rows_leave_the_papers_exposure_unknown():
    given = known(results(*three()), [HOPPER] * 3)
    runs = given.runs.assign(dataset_options=[{"samples": 100}] * 3)
    table = compared(dataclasses.replace(given, runs=runs), "deep_nrc_mlp", thresholds())
    assert list(table["factor"]) == [np.inf] * 3


def test_only_networks_that_a_claim_is_about_count():
    both = classifications(classifier(width=8), classifier(width=8, architecture="vgg", final_loss=0.5))
    losses = pd.DataFrame({"key": "0" * 15 + "1", "iteration": [1, 2], "learning_rate": 0.1, "batch_loss": 0.5})
    given = dataclasses.replace(known(both, [0.0, 0.0], 50_000), losses=losses)
    assert weakness(given, "test_vs_train_collapse") == SMALLER
    of = {
        name: lacking(given, "test_vs_train_collapse", {"architectures": [name]}, thresholds())
        for name in ("resnet", "vgg")
    }
    assert of == {"resnet": [], "vgg": ["1 of 1 with a loss that has neither settled nor below 0.001"]}


def test_a_claim_about_a_number_of_iterations_needs_networks_that_are_trained_for_as_many():
    page = classifications(*[classifier(width=8, seed=seed) for seed in range(3)])
    given = dataclasses.replace(known(page, [0.0] * 3, 50_000), losses=pd.DataFrame({"key": []}))
    planned_for = int(given.runs["iterations"].iloc[0])
    of = {
        more: lacking(given, "test_vs_train_collapse", {"iterations": planned_for + more}, thresholds())
        for more in (0, 1)
    }
    assert of == {0: [], 1: [f"3 of 3 trained for fewer than {planned_for + 1:,} iterations"]}


# Whether a classifier's loss has settled


def annealed(loss, iterations: int = 20_000) -> pd.DataFrame:
    """Losses with cosine annealing, given as a function of the share of the sum of learning rates that is spent."""
    steps = np.arange(1, iterations + 1)
    rates = 0.1 * (1 + np.cos(np.pi * (steps - 1) / iterations)) / 2
    return pd.DataFrame({"iteration": steps, "learning_rate": rates, "batch_loss": loss(rates.cumsum() / rates.sum())})


def test_a_loss_that_falls_with_the_learning_rates_does_not_count_as_settled_because_they_end():
    """100 epochs of 200 steps: exp(-5 s) falls by 1 - exp(-0.5) = 39 % in ten of them, but hardly in the last steps."""
    falling = annealed(lambda spent: np.exp(-5 * spent))
    assert final_change(falling, 200) == pytest.approx(0.5, rel=0.01)
    last = falling["batch_loss"].iloc[-2000:]
    assert last.iloc[0] / last.iloc[-1] < 1.01  # by the iterations alone, it would have settled


def test_a_constant_loss_has_settled_and_a_short_training_never():
    constant = annealed(lambda spent: 0.2 + 0 * spent)
    assert final_change(constant, 200) == pytest.approx(0, abs=1e-12)
    assert final_change(constant, 5000) == np.inf


def test_a_theorem_has_no_size():
    """The same small networks give a full verdict on a theorem, and none on a claim about networks."""
    about_networks = dataclasses.replace(claim("F8-1"), pages=("page",))
    pages = {"page": small(*three(nrc1=0.01), exposure=1e-6)}
    assert judge_claim(about_networks, pages).verdict == WAITING
    theorem = dataclasses.replace(about_networks, about="theorem", holds_in="any")
    assert judge_claim(theorem, pages).verdict == REPRODUCED
