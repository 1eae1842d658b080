"""Checks of transfer by hand: the slope of accuracy on collapse, the probe, and what the seeds cannot decide."""

import dataclasses
import math

import pytest

from nrc_core.claims.checks import CHECKS
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.transfer import figures, tables, words
from tests.fakes_classification import classifier, results, transfer

MLP = {"dataset": "mnist", "architecture": "mlp", "depth": 4, "width": 1024}
STARTS = (20, 40, 70, 80, 90)


def observe(name: str, *networks: dict, **arguments):
    return CHECKS[name]({"page": results(*networks)}, thresholds(), **arguments)


def look(name: str, *networks: dict, **arguments):
    return observe(name, *networks, **arguments).rows


def accuracy(start: int, test: float, other: float = 0.5, probe: float = 0.8) -> dict:
    """A transfer: `test` is the accuracy chosen on validation rows, `other` is for the second rate."""
    tuned = {0.1: (0.2, 1 - test), 0.2: (0.3, 1 - other), 0.4: (math.nan, math.nan)}
    return transfer(start, tuned=tuned, probed={1.0: (0.2, 1 - probe), 10.0: (0.3, 0.0)})


def pretrained(accuracies=(0.95, 0.94, 0.93, 0.92, 0.91), others=(0.5,) * 5, **fields) -> dict:
    """A network that collapses during training and is fine-tuned from five of its iterations."""
    tried = tuple(accuracy(*one) for one in zip(STARTS, accuracies, others, strict=True))
    fields = {"train": (1.6, 0.8, 0.4, 0.2, 0.1), "strong": (1,) * 5, "weak": (1,) * 5} | fields
    return classifier(times=STARTS, transfers=tried, **MLP, **fields)


def stopped(variance: float, test: float, **fields) -> dict:
    """A network of the control, whose pre-training ended at the first of the five iterations of `pretrained`."""
    once = {"times": (20,), "train": (variance,), "strong": (1,), "weak": (1,), "stop_iteration": 20}
    return classifier(transfers=(accuracy(20, test),), **once, **MLP, **fields)


def falling(points: float, wiggle: float = 0.0, **fields) -> dict:
    """A network that loses so many points with each halving of its variance, up to a zigzag across the checkpoints."""
    zigzag = (0, wiggle, -2 * wiggle, wiggle, 0)  # has no slope
    return pretrained(tuple(0.95 - points * place / 100 + zigzag[place] for place in range(5)), **fields)


def test_transfer_is_judged_by_the_slope_of_all_seeds_together():
    """One seed falls by less than the limit; one of them has a pair of checkpoints the wrong way round."""
    seen = observe("collapse_hurts_transfer", falling(2.3), falling(1.6, seed=1), falling(2.1, wiggle=0.02, seed=2))
    assert seen.rows["value"].tolist() == pytest.approx([2.3, 1.6, 2.1])
    assert seen.rows["holds"].tolist() == [True] * 3
    assert (seen.limit, seen.unsure, seen.silent) == (1.7, "", 0)
    assert seen.rows["group"].unique().tolist() == ["mnist, MLP, weight decay 0, 500 rows"]


def test_a_trend_in_rank_that_is_far_smaller_than_the_papers_is_none():
    """The rank correlation, by which this was judged once, is 1 in every seed."""
    seen = observe("collapse_hurts_transfer", *[falling(0.1 + seed / 100, seed=seed) for seed in range(3)])
    assert not seen.rows["holds"].any()
    assert seen.unsure == ""


@pytest.mark.parametrize("points", [(2.0, -2.0, 6.0), (2.0,)])
def test_seeds_that_scatter_and_a_single_seed_decide_nothing(points):
    """By the normal distribution (2.8 x 4 / 1.7)^2 = 43.4 seeds are needed; by Student's t two or three more."""
    seen = observe("collapse_hurts_transfer", *[falling(one, seed=seed) for seed, one in enumerate(points)])
    assert not seen.rows["holds"].any()
    assert seen.unsure.startswith("no interval decides: mnist, MLP, weight decay 0, 500 rows: 2 points ")
    assert ("1 seed, which has no interval" if len(points) == 1 else "needs 46 seeds") in seen.unsure


def test_a_group_that_does_not_decide_says_nothing_beside_one_that_does():
    sure = [falling(2, seed=seed, weight_decay=1e-3) for seed in range(3)]
    seen = observe("collapse_hurts_transfer", *sure, falling(-9), falling(9, seed=1))
    assert seen.rows["group"].unique().tolist() == ["mnist, MLP, weight decay 0.001, 500 rows"]
    assert seen.rows["holds"].tolist() == [True] * 3
    assert (seen.silent, seen.unsure) == (2, "")


def test_collapse_by_the_class_means_of_the_moment_and_rates_chosen_on_test_rows():
    """By the means of the moment the variance rises, so that accuracy falls where it is larger."""
    moving = pretrained(
        (0.95, 0.93, 0.91, 0.89, 0.87), current=(0.1, 0.2, 0.4, 0.8, 1.6), others=(0.96, 0.95, 0.94, 0.93, 0.92)
    )
    values = {
        (means, rows): look("collapse_hurts_transfer", moving, means=means, chosen_on=rows)["value"].tolist()
        for means in ("final", "moment") for rows in ("validation", "test")
    }  # fmt: skip
    assert values == {
        ("final", "validation"): [2], ("moment", "validation"): [-2], ("final", "test"): [1], ("moment", "test"): [-1],
    }  # fmt: skip
    words = observe("collapse_hurts_transfer", moving, means="moment", chosen_on="test").quantity
    assert "class means of the moment halves" in words
    assert words.endswith("chosen on test rows (the interval of the mean over the seeds of a group decides)")


def test_checkpoints_of_one_variance_have_no_slope():
    seen = observe("collapse_hurts_transfer", pretrained(train=(0.5,) * 5))
    assert seen.rows.empty


def test_networks_of_the_control_are_no_checkpoints_of_the_pretraining():
    assert look("collapse_hurts_transfer", stopped(0.1, 0.9), stopped(0.2, 0.8), stopped(0.3, 0.7)).empty
    assert look("probing_is_worse", stopped(0.1, 0.9)).empty


def test_a_pretraining_that_ends_early_is_no_control_if_it_has_later_checkpoints():
    assert len(look("probing_is_worse", pretrained(stop_iteration=90))) == 5


def test_the_control_is_of_networks_trained_equally_long():
    """The first checkpoint of the main network, with variance 0.4 by its current class means, and two more networks."""
    mains = [pretrained((0.93, 0.5, 0.5, 0.5, 0.5), current=(0.4, 0.1, 0.1, 0.1, 0.1), seed=seed) for seed in range(2)]
    good = [stopped(0.8, 0.95, seed=seed) for seed in range(2)]
    good += [stopped(0.2, 0.91, seed=seed) for seed in range(2)]
    rows = look("equal_time_control", *mains, *good)
    assert rows["value"].tolist() == pytest.approx([2, 2])
    assert rows["holds"].all()
    assert rows["group"].unique().tolist() == ["mnist, MLP, 500 rows"]
    bad = [stopped(0.2, 0.95, seed=seed) for seed in range(2)]
    rows = look("equal_time_control", *mains, *bad)
    assert rows["value"].tolist() == pytest.approx([-2, -2])
    assert not rows["holds"].any()
    assert look("equal_time_control", *mains).empty


def test_the_probe_is_held_against_fine_tuning_at_each_checkpoint():
    """At the third checkpoint the seeds scatter; at the last two the gap is surely too small."""
    one, other = (0.95, 0.86, 0.7, 0.82, 0.7), (0.952, 0.8601, 0.99, 0.82, 0.7)
    seen = observe("probing_is_worse", pretrained(one), pretrained(other, seed=1))
    found = {name.rpartition(" ")[2]: list(own["holds"]) for name, own in seen.rows.groupby("group", sort=False)}
    assert found == {"20": [True] * 2, "40": [True] * 2, "80": [False] * 2, "90": [False] * 2}
    assert seen.rows["value"].tolist()[:2] == pytest.approx([15, 6])
    assert (seen.silent, seen.unsure) == (2, "")


def test_what_cannot_be_joined_is_left_out():
    """A missing pre-training is left out, and a checkpoint for which every learning rate diverged."""
    both = results(pretrained(), pretrained(seed=1))
    runs = both.runs[both.runs["key"] != f"{0:016x}"]
    rows = CHECKS["collapse_hurts_transfer"]({"page": dataclasses.replace(both, runs=runs)}, thresholds()).rows
    assert set(rows["seed"]) == {1}
    diverged = transfer(20, tuned={0.1: (math.nan, math.nan)}, probed={1.0: (0.2, 0.2)})
    one = pretrained()
    one["transfers"] = (diverged, *one["transfers"][1:])
    assert len(look("probing_is_worse", one)) == 4
    assert observe("probing_is_worse", one).unsure.count("1 seed, which") == 4


def test_the_page_says_what_the_check_says():
    """Five seeds of which each loses 2 points a halving, with variances that differ by a factor of 16."""
    networks = [falling(2, seed=seed) for seed in range(5)] + [stopped(0.4, 0.9, seed=seed) for seed in range(5)]
    first, second, third, probe, scatter, tuned = words.found(results(*networks)).split("\n")
    assert "final class means? **yes**, 2 points for each halving of the variance (95 % interval 2 to 2" in first
    assert first.endswith("differ by a factor of 16.")
    assert "of the moment? **yes**" in second
    assert "equal age that collapsed further transfer worse? **yes**, 2.5 points" in third
    assert "**yes**, 11 points" in probe
    assert "The binomial error of one accuracy on 10,000 test rows is 0.29 points." in scatter
    assert tuned == "* All were fine-tuned on 500 rows, to a training loss of at most 0.01."


def test_seeds_that_cannot_tell_are_said_to_and_a_page_without_control_has_an_answer_less():
    lines = words.found(results(falling(9), falling(-9, seed=1))).split("\n")
    assert len(lines) == 5
    assert "**the seeds cannot tell**, 0 points for each halving of the variance" in lines[0]
    assert "an effect of 1.7 needs" in lines[0]


def test_every_pooled_slope_is_in_the_table():
    networks = [falling(2, seed=seed) for seed in range(2)] + [stopped(0.4, 0.9, seed=seed) for seed in range(2)]
    table = tables.pooled_slopes(results(*networks))
    assert list(zip(table["comparison"], table["class means"], table["rate chosen on"], strict=True)) == [
        ("checkpoints", "final", "validation"), ("checkpoints", "final", "test"),
        ("checkpoints", "moment", "validation"), ("checkpoints", "moment", "test"),
        ("equal age", "moment", "validation"), ("equal age", "moment", "test"),
    ]  # fmt: skip
    assert table["slope"].iloc[[0, 2, 4]].tolist() == pytest.approx([2, 2, 2.5])
    assert table["seeds needed"].tolist() == [2] * 6
    single = tables.pooled_slopes(results(falling(2)))
    assert single["seeds needed"].isna().all()


def test_the_figure_has_the_points_and_the_line_of_each_seed():
    networks = [falling(2, seed=seed) for seed in range(2)] + [stopped(0.4, 0.9, seed=seed) for seed in range(2)]
    with_control, without = (
        figures.transfer_by_collapse(results(*some)).alt for some in (networks, networks[:1])
    )  # fmt: skip
    assert "Checkpoints, final means: 2 (2 to 2) points lost a halving; seed 0, 20, weight decay 0: variance 1.6" in (
        with_control
    )
    assert "Equal age (20): 2.5 (2.5 to 2.5) points lost a halving" in with_control
    assert "Equal age" not in without
    flat = figures.transfer_by_collapse(results(pretrained(train=(0.5,) * 5)))
    assert "one variance for all" in flat.alt


def test_how_far_the_collapse_differs_among_the_networks_that_are_compared():
    main, other = pretrained(), stopped(0.4, 0.9, weight_decay=0.02)
    (checkpoints,) = look("collapse_that_is_compared", main, other).to_dict("records")
    assert (checkpoints["value"], checkpoints["holds"]) == (pytest.approx(16), True)
    (alike,) = look("collapse_that_is_compared", main, other, control=True).to_dict("records")
    assert (alike["value"], alike["holds"]) == (pytest.approx(4), True)
    (little,) = look("collapse_that_is_compared", pretrained(train=(1.6, 1.5, 1.4, 1.3, 1.25))).to_dict("records")
    assert (little["value"], little["holds"]) == (pytest.approx(1.28), False)
    assert look("collapse_that_is_compared", main, control=True).empty
