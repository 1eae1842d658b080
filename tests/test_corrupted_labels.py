"""The section on wrong labels: its networks, its tables, and its checks on accuracies that are set by hand."""

import numpy as np
import pandas as pd
import pytest

from nrc_core.claims.checks import CHECKS
from nrc_core.config.trained_features import CODING_RATE, CROSS_ENTROPY
from nrc_core.errors import ConfigError
from nrc_core.results.results import Results
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.corrupted_labels import tables
from nrc_core.sections.corrupted_labels.experiment import corrupted_labels
from nrc_core.sections.digits_and_clothes import ROWS

NAMES = ("test_accuracy", "accuracy_by_means", "accuracy_by_subspaces", "given_accuracy", "v_train")
# Test accuracy by the own rule, by means and by subspaces, given labels reproduced, V_f; by loss, ratio and epoch.
VALUES = {
    (CROSS_ENTROPY, 0.0): {0: (0.1, 0.5, 0.5, 0.1, 1.0), 10: (0.90, 0.9, 0.8, 0.99, 0.2), 80: (0.92, 0.9, 0.8, 1, 0.1)},
    (CODING_RATE, 0.0): {20: (0.92, 0.9, 0.92, 0.9, 2.0), 60: (0.93, 0.9, 0.93, 1, 2.0), 120: (0.93, 0.9, 0.9, 1, 2.0)},
    (CROSS_ENTROPY, 0.3): {0: (0.1, 0.5, 0.5, 0.1, 1.0), 10: (0.85, 0.8, 0.6, 0.7, 0.4), 80: (0.70, 0.7, 0.5, 1, 0.3)},
    (CODING_RATE, 0.3): {20: (0.90, 0.9, 0.9, 0.7, 3.0), 60: (0.86, 0.8, 0.86, 0.8, 3.0), 120: (0.8, 0.8, 0.8, 1, 3.0)},
    (CROSS_ENTROPY, 0.5): {0: (0.1, 0.5, 0.5, 0.1, 1.0), 10: (0.80, 0.8, 0.6, 0.5, 0.6), 80: (0.60, 0.6, 0.4, 1, 0.5)},
    (CODING_RATE, 0.5): {
        20: (0.87, 0.9, 0.87, 0.6, 4.0), 60: (0.80, 0.8, 0.8, 0.75, 4.0), 120: (0.74, 0.7, 0.74, 0.9, 4.0),
        500: (0.62, 0.6, 0.62, 0.97, 4.0),
    },
}  # fmt: skip
MARGINS = {
    5e-4: [(20, 2.0, 0.10), (40, 3.0, 0.11), (80, 2.9, 0.12)],
    0.0: [(20, 2.0, 0.10), (40, 4, 0.1), (80, 6, 0.11)],
}


def results(values=VALUES, margins=MARGINS, seeds=(0,)):
    """Results with these values, as of 2,000 training rows in batches of 100 and 500."""
    runs, rows = [], []

    def add(seed, kind, ratio, decay, measured):
        key, size = f"{seed} {kind} {ratio} {decay}", 100 if kind == CROSS_ENTROPY else 500
        options = {"train_per_class": 200}
        runs.append(
            {"key": key, "seed": seed, "loss": kind, "corrupted": ratio, "weight_decay": decay, "batch_size": size,
             "sources": list(range(10)), "dataset_options": options}
        )  # fmt: skip
        for epoch, named in measured.items():
            index = epoch * 2000 // size
            rows.extend({"key": key, "start": 0, "quantity": q, "index": index, "value": v} for q, v in named.items())

    for seed in seeds:
        for (kind, ratio), measured in values.items():
            each = {epoch: dict(zip(NAMES, one, strict=True)) for epoch, one in measured.items()}
            if ratio == 0 and kind == CROSS_ENTROPY:
                for decay, own in margins.items():
                    here = {epoch: dict(named) for epoch, named in each.items()}
                    for epoch, raw, normalised in own:
                        here.setdefault(epoch, dict(each[80]))
                        here[epoch] |= {"margin_least": raw, "normalised_margin_least": normalised}
                    add(seed, kind, ratio, decay, here)
            else:
                add(seed, kind, ratio, 5e-4, each)
    empty = pd.DataFrame()
    return Results(pd.DataFrame(runs), empty, empty, empty, {}, descent=pd.DataFrame(rows))


def changed(kind, ratio, epoch, place, value):
    """The values with one of them changed."""
    entry = list(VALUES[kind, ratio][epoch])
    entry[place] = value
    return VALUES | {(kind, ratio): VALUES[kind, ratio] | {epoch: tuple(entry)}}


def observed(name, found, **arguments):
    return CHECKS[name]({"page": found}, thresholds(), **arguments).rows


def test_each_ratio_has_both_losses_and_right_labels_one_more_without_weight_decay():
    configs = corrupted_labels([0.0, 0.5], seeds=[3])
    told = [(one.loss, one.corrupted, one.weight_decay, one.iterations) for one in configs]
    assert told == [
        (CROSS_ENTROPY, 0.0, 5e-4, 80 * 20), (CROSS_ENTROPY, 0.0, 0.0, 80 * 20), (CODING_RATE, 0.0, 5e-4, 120 * 4),
        (CROSS_ENTROPY, 0.5, 5e-4, 80 * 20), (CODING_RATE, 0.5, 5e-4, 500 * 4),
    ]  # fmt: skip
    assert {1000 // 5, 1600} <= set(configs[0].measured)
    assert {20 * 4, 60 * 4, 120 * 4} <= set(configs[-1].measured)


def test_seeds_take_other_pictures_of_which_at_most_a_quarter_are_the_same():
    skips = {one.seed: one.dataset_options["train_skip"] for one in corrupted_labels([0.5], seeds=[0, 1, 2, 3])}
    assert skips == {0: 0, 1: 150, 2: 300, 3: 0}
    assert max(skips.values()) + 200 <= ROWS


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ratios": [1.0], "long_ratios": []}, r"corrupted must be in \[0, 1\): got 1.0"),
        ({"ratios": [0.5, 0.5]}, "ratios must be one or more different values"),
        ({"ratios": []}, "ratios must be one or more different values"),
        ({"seeds": [0, 0]}, "seeds must be one or more different values"),
        ({"train_per_class": 501}, "train_per_class must be at most 500, the rows there are: got 501"),
        ({"batch_size": 300}, "batch_size must divide the 2000 training rows: got 300"),
        ({"coding_batch_size": 300}, "coding_batch_size must divide the 2000 training rows: got 300"),
        ({"epochs": 0}, "epochs must be at least 1: got 0"),
    ],
)
def test_values_out_of_range_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        corrupted_labels(**given)


def test_accuracy_at_a_share_is_where_training_first_reaches_it():
    rows = pd.DataFrame({"given_accuracy": [0.1, 0.5, 0.9, 0.7, 1.0], "test_accuracy": [0.1, 0.8, 0.6, 0.65, 0.5]})
    wanted = {0.05: 0.1, 0.3: 0.45, 0.5: 0.8, 0.7: 0.7, 0.95: 0.5 + 0.15 / 6, 1.0: 0.5}
    for share, accuracy in wanted.items():
        assert tables.accuracy_at_share(rows, share) == pytest.approx(accuracy)
    assert np.isnan(tables.accuracy_at_share(rows, 1.1))


def test_epochs_are_iterations_over_batches_per_epoch():
    table = tables.curves(results())
    assert sorted(set(table.loc[table["kind"] == CODING_RATE, "epoch"])) == [20, 60, 120, 500]
    assert sorted(set(table.loc[table["kind"] == CROSS_ENTROPY, "epoch"])) == [0, 10, 20, 40, 80]
    assert len(tables.compared(results())) == len(table) - 5  # without the network that has no weight decay


def test_leads_by_hand():
    row = tables.leads(results()).set_index("ratio").loc[0.5]
    assert row["lead"] == pytest.approx(0.2)
    assert row["share"] == pytest.approx(0.75)
    assert row["equal_lead"] == pytest.approx(0.1)  # cross entropy is then half way from 0.8 to 0.6
    assert row["stopped"] == pytest.approx(0.2)


def test_the_terminal_phase_begins_after_the_last_error():
    phases = tables.terminal_phases(results())
    assert phases.groupby("weight_decay")["epoch"].agg(list).to_dict() == {0.0: [20, 40, 80], 5e-4: [20, 40, 80]}
    assert set(tables.terminal_phases(results(changed(CROSS_ENTROPY, 0.0, 80, 3, 0.9)))["epoch"]) == set()


CLAIMS = {
    "coding_rate_ahead": ({"ratio": 0.5}, 0.2),
    "losses_alike": ({"ratio": 0.0}, 0.01),
    "lead_grows_with_ratio": ({}, 1.0),
    "early_stopping_helps": ({"ratio": 0.5}, 0.2),
    "early_stopping_recovers": ({"ratio": 0.5}, 1.0),
    "coding_rate_falls": ({"ratio": 0.5}, 0.13),
    "long_training_ends_the_lead": ({"ratio": 0.5}, 0.02),
    "coding_rate_ahead_at_best": ({"ratio": 0.5}, 0.07),
    "raw_margin_grows": ({"decay": False}, 1.0),
    "raw_margin_grows_by_scale": ({"decay": False}, 3 / 1.1),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_the_checks_hold_for_these_values(name):
    arguments, value = CLAIMS[name]
    rows = observed(name, results(seeds=[0, 1]), **arguments)
    assert rows["holds"].tolist() == [True, True]
    assert rows["value"].tolist() == pytest.approx([value, value])


def test_words_call_the_losses_the_same_where_the_claims_do():
    said = tables.words(results(seeds=[0, 1]))
    assert "are 0.870 with coding-rate reduction and 0.800 with cross entropy: coding-rate reduction is ahead" in said
    assert "is ahead by 0.070. By the nearest class mean" in said
    assert "they are 0.900 and 0.800: coding-rate reduction is ahead by 0.100." in said
    even = tables.words(results(changed(CROSS_ENTROPY, 0.5, 10, 0, 0.85)))
    assert "and 0.850 with cross entropy: the same within 0.03." in even
    other = tables.words(results(changed(CROSS_ENTROPY, 0.5, 10, 0, 0.95)))
    assert "and 0.950 with cross entropy: cross entropy is ahead by 0.080." in other


def test_the_summary_has_spreads_over_seeds():
    assert "| 0.5 | 0.800 ± 0.000 (0.50) |" in tables.summary(results(seeds=[0, 1]))
    assert "| 0.5 | 0.800 (0.50) |" in tables.summary(results())


def test_v_of_the_coding_rate_is_looked_at_for_every_ratio():
    rows = observed("coding_rate_stays_spread", results())
    assert rows.set_index("group")["value"].to_dict() == pytest.approx({"ratio 0": 20, "ratio 0.3": 10, "ratio 0.5": 8})
    assert rows["holds"].all()


@pytest.mark.parametrize(
    ("name", "arguments", "change"),
    [
        ("coding_rate_ahead", {"ratio": 0.5}, (CODING_RATE, 0.5, 60, 0, 0.74)),
        ("coding_rate_ahead", {"ratio": 0.5, "rule": "nearest mean"}, (CROSS_ENTROPY, 0.5, 80, 1, 0.7)),
        ("coding_rate_ahead", {"ratio": 0.5, "rule": "nearest subspace"}, (CODING_RATE, 0.5, 60, 2, 0.5)),
        ("losses_alike", {"ratio": 0.0}, (CROSS_ENTROPY, 0.0, 80, 0, 0.97)),
        ("lead_grows_with_ratio", {}, (CODING_RATE, 0.5, 60, 0, 0.5)),
        ("early_stopping_helps", {"ratio": 0.5}, (CROSS_ENTROPY, 0.5, 10, 0, 0.7)),
        ("early_stopping_recovers", {"ratio": 0.5}, (CROSS_ENTROPY, 0.5, 10, 0, 0.65)),
        ("coding_rate_falls", {"ratio": 0.5}, (CODING_RATE, 0.5, 120, 0, 0.83)),
        ("long_training_ends_the_lead", {"ratio": 0.5}, (CODING_RATE, 0.5, 500, 0, 0.71)),
        ("coding_rate_ahead_at_best", {"ratio": 0.5}, (CROSS_ENTROPY, 0.5, 10, 0, 0.85)),
        ("coding_rate_ahead_at_best", {"ratio": 0.5, "rule": "nearest mean"}, (CROSS_ENTROPY, 0.5, 80, 1, 0.91)),
        ("coding_rate_stays_spread", {}, (CODING_RATE, 0.5, 60, 4, 1.4)),
    ],
)
def test_each_check_fails_where_a_value_is_another(name, arguments, change):
    rows = observed(name, results(changed(*change)), **arguments)
    assert not rows["holds"].iloc[-1]


def test_the_lead_at_equal_shares_must_be_less_than_half():
    """Half way to all labels, cross entropy is at 0.7: the lead is 0.1 of 0.2, which is not less than half."""
    arguments = {"ratio": 0.5}
    rows = observed("equal_share_shrinks_the_lead", results(), **arguments)
    assert rows["value"].tolist() == pytest.approx([0.5])
    earlier = results(changed(CODING_RATE, 0.5, 60, 3, 0.6))
    rows = observed("equal_share_shrinks_the_lead", earlier, **arguments)
    assert rows["value"].tolist() == pytest.approx([0.2])
    assert rows["holds"].all()
    later = results(changed(CODING_RATE, 0.5, 60, 3, 0.9))
    assert not observed("equal_share_shrinks_the_lead", later, **arguments)["holds"].any()


def test_checks_that_need_a_lead_say_nothing_without_one():
    none = results(changed(CODING_RATE, 0.5, 60, 0, 0.6))
    for name in ("early_stopping_recovers", "equal_share_shrinks_the_lead"):
        seen = CHECKS[name]({"page": none}, thresholds(), ratio=0.5)
        assert seen.rows.empty
        assert seen.silent == 1


def test_checks_say_nothing_of_epochs_that_were_not_measured():
    short = {key: {epoch: one for epoch, one in each.items() if epoch < 60} for key, each in VALUES.items()}
    found = results(short, {})
    for name, (arguments, _) in CLAIMS.items():
        if name == "coding_rate_ahead_at_best":
            continue  # it looks at all epochs
        assert observed(name, found, **arguments).empty, name


def test_margins_are_looked_at_with_and_without_weight_decay():
    rows = observed("raw_margin_grows", results(), decay=True)
    assert rows["value"].tolist() == pytest.approx([0.5])
    assert rows["holds"].all()
    falling = {**MARGINS, 5e-4: [(20, 3.0, 0.1), (40, 2.5, 0.1), (80, 2.0, 0.1)]}
    assert not observed("raw_margin_grows", results(margins=falling), decay=True)["holds"].any()
    scaled = {**MARGINS, 0.0: [(20, 2.0, 0.1), (40, 2.1, 0.2), (80, 2.2, 0.3)]}
    assert not observed("raw_margin_grows_by_scale", results(margins=scaled), decay=False)["holds"].any()
