"""The section on unseen classes: its draws of classes, networks in the store, tables, words, figures and checks."""

import numpy as np
import pandas as pd
import pytest

from nrc_core import Store, run
from nrc_core.claims.checks import CHECKS
from nrc_core.errors import ConfigError
from nrc_core.results.results import Results
from nrc_core.results.runs import stored
from nrc_core.results.store import read_configuration
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.digits_and_clothes import CLASSES, ROWS
from nrc_core.sections.unseen_classes import figures, tables
from nrc_core.sections.unseen_classes.experiment import unseen_classes
from nrc_core.sections.unseen_classes.tables import EQUAL_ROWS, EQUAL_TOTAL
from tests.fakes_images import prepare_classes

SMALL = {"target_classes": 4, "train_per_class": 8, "total": 24, "test_per_class": 7, "width": 8, "iterations": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of noise in 39 classes in place of the data set."""
    folder = tmp_path_factory.mktemp("data")
    names = [str(number) for number in range(CLASSES)]
    prepare_classes(folder, "digits_and_clothes", classes=names, per_class=40, test_per_class=7, size=(14, 14))
    return folder


@pytest.fixture(scope="module")
def configs():
    return unseen_classes([2, 3, 6], seeds=[0, 1], **SMALL)


def test_a_seed_draws_targets_and_nested_sources():
    configs = unseen_classes(seeds=[0, 1, 2])
    for seed in range(3):
        own = [config for config in configs if config.seed == seed]
        (targets,) = {config.targets for config in own}
        largest = max((config.sources for config in own), key=len)
        assert sorted([*targets, *largest]) == list(range(CLASSES))
        assert targets + largest == tuple(np.random.default_rng(seed).permutation(CLASSES))
        for config in own:
            assert config.sources == largest[: len(config.sources)]
    assert len({config.targets for config in configs}) == 3


def test_rows_per_class_are_equal_or_add_up_and_seeds_share_none_where_they_can():
    configs = unseen_classes()
    shapes = [(len(config.sources), config.dataset_options["train_per_class"]) for config in configs[:9]]
    assert shapes == [(2, 100), (2, 500), (5, 100), (5, 200), (10, 100), (20, 100), (20, 50), (29, 100), (29, 34)]
    taken: dict[int, list[int]] = {}
    for config in configs:
        rows, skip = (config.dataset_options[name] for name in ("train_per_class", "train_skip"))
        assert 0 <= skip <= ROWS - rows
        if len(config.sources) == 10:
            taken.setdefault(config.seed, []).extend(range(skip, skip + rows))
    everything = [row for rows in taken.values() for row in rows]
    assert sorted(everything) == list(range(500))


def test_equal_totals_can_be_left_out():
    assert {config.dataset_options["train_per_class"] for config in unseen_classes(total=None)} == {100}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"source_classes": [2, 30]},
            "must be at least 2 each, and at most 39 together",
        ),
        ({"source_classes": [1]}, "must be at least 2 each"),
        ({"source_classes": [2, 2]}, "source_classes must be one or more different values"),
        ({"target_classes": 1}, r"at most 39 together: got .* and 1$"),
        ({"seeds": []}, "seeds must be one or more different values"),
        ({"train_per_class": 0}, "train_per_class must be at least 1: got 0"),
        ({"train_per_class": 501}, "2 classes would need 501 training rows each, there are 500: take fewer rows"),
        ({"total": 1002}, "2 classes would need 501 training rows each"),
        ({"total": 28}, "total must be a row for each of 29 classes or more: got 28"),
        ({"iterations": 0}, "iterations must be a whole number, at least 1"),
        ({"width": 0}, "width must be a whole number, at least 1"),
    ],
)
def test_values_out_of_range_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        unseen_classes(**given)


def test_networks_are_stored_and_found_again(folder, configs, store, trained, monkeypatch):
    monkeypatch.setenv("NRC_DATA_DIR", str(folder))
    again, missing = stored(configs, store=store)
    assert missing == 0
    pd.testing.assert_frame_equal(again.descent, trained.descent)
    records = [read_configuration(record["config"]) for record in trained.provenance.values()]
    assert records == configs


def test_the_table_has_the_values_at_the_end_and_the_baselines(trained):
    table = tables.networks(trained)
    assert len(table) == 2 * (3 + 3)  # two seeds; with three classes, 8 rows are both equal rows and equal totals
    shapes = table.groupby("comparison")[["classes", "rows"]].agg(lambda values: sorted(set(values)))
    assert shapes.loc[EQUAL_ROWS].tolist() == [[2, 3, 6], [8]]
    assert shapes.loc[EQUAL_TOTAL].tolist() == [[2, 3, 6], [4, 8, 12]]
    values = trained.descent.set_index(["key", "quantity", "index"])["value"]
    for row in table.to_dict("records"):
        key = row["key"]
        assert row["v_train"] == values[key, "v_train", 3]
        assert row["few_shot"] == values[key, "few_shot", 3]
        assert row["untrained_v_target"] == values[key, "v_target", 0]
        assert row["inputs_v_target_median"] == values[key, "v_target_median", -1]


def test_baselines_do_not_hang_on_the_number_of_source_classes(trained):
    """The pixels and the first weights of a seed are the same; other pixels' means and spreads change the latter."""
    table = tables.networks(trained)
    for _, own in table.groupby("seed"):
        for column in ("inputs_v_target", "inputs_few_shot"):
            np.testing.assert_allclose(own[column], own[column].iloc[0], rtol=1e-3)
    for _, own in table[table["comparison"] == EQUAL_ROWS].groupby("seed"):
        np.testing.assert_allclose(own["untrained_v_target"], own["untrained_v_target"].iloc[0], rtol=1e-9)


def test_without_equal_totals_there_is_one_comparison(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("NRC_DATA_DIR", str(folder))
    found = run(unseen_classes([2, 3], seeds=[0], **SMALL | {"total": None}), store=Store(tmp_path))
    assert set(tables.networks(found)["comparison"]) == {EQUAL_ROWS}
    assert "training rows in all" not in tables.words(found)
    assert "(1 draw of classes, rows and weights)" in tables.words(found)
    assert CHECKS["totals_do_not_matter"]({"page": found}, thresholds(), fewest=2).rows.empty
    figures.targets_by_sources(found)


MADE = {  # by the number of source classes: v_train, v_target, few_shot with equal rows; v_target with equal totals
    2: (0.03, 4.8, 0.49, 3.2),
    5: (0.09, 1.0, 0.65, 0.9),
    10: (0.12, 0.7, 0.72, 0.7),
    29: (0.16, 0.5, 0.83, 0.56),
}


def made(**changes: float) -> Results:
    """Results by hand of two seeds; `changes` replaces values of the second by the quantity and the classes."""
    runs, rows = [], []
    for seed in (0, 1):
        for count, (v_train, v_target, few_shot, v_total) in MADE.items():
            for per_class in dict.fromkeys([100, 1000 // count]):
                key = f"{seed}-{count}-{per_class}"
                options = {"train_per_class": per_class}
                runs.append({"key": key, "seed": seed, "sources": tuple(range(count)), "dataset_options": options})
                equal = per_class == 100
                own = {
                    ("v_train", 9): v_train, ("v_test", 9): v_train + 1 / per_class, ("few_shot", 9): few_shot,
                    ("v_target", 9): v_target if equal else v_total, ("v_target_median", 9): 0.9 if count == 2 else 0.3,
                    ("few_shot", 0): 0.73, ("v_target", 0): 1.0, ("v_target_median", 0): 0.8, ("few_shot", -1): 0.83,
                    ("v_target", -1): 0.7, ("v_target_median", -1): 0.6, ("pair_test", 0): 0.1, ("pair_bound", 0): 0.2,
                    ("pair_test", 1): 0.3, ("pair_bound", 1): 0.4,
                }  # fmt: skip
                if seed == 1 and equal:
                    changed = {
                        (name.rsplit("_at_")[0], 0 if "pair" in name else 9): value
                        for name, value in changes.items()
                        if name.endswith(f"_at_{count}")
                    }
                    own |= changed
                rows += [
                    {"key": key, "seed": seed, "start": 0, "quantity": name, "index": index, "value": value}
                    for (name, index), value in own.items()
                ]
    nothing = pd.DataFrame(columns=["key"])
    return Results(pd.DataFrame(runs), nothing, nothing, nothing, provenance={}, descent=pd.DataFrame(rows))


def look(check: str, results: Results, **arguments) -> dict[tuple[str, int], bool]:
    rows = CHECKS[check]({"page": results}, thresholds(), **arguments).rows
    return rows.groupby(["group", "seed"])["holds"].all().to_dict()


CASES = [
    ("unseen_variance_falls", {}, {"v_target_at_29": 1.7}, {(EQUAL_ROWS, 1)}),
    ("unseen_variance_falls", {"fewest": 5, "least": 1.0}, {"v_target_at_29": 1.1}, {(EQUAL_ROWS, 1)}),
    ("unseen_median_falls", {}, {"v_target_median_at_2": 0.8}, {(EQUAL_ROWS, 1)}),
    ("few_shot_rises", {}, {"few_shot_at_10": 0.5}, {("5 to 10 source classes", 1)}),
    ("few_shot_rises", {"least": 0.0}, {"few_shot_at_10": 0.64}, {("5 to 10 source classes", 1)}),
    ("totals_do_not_matter", {"fewest": 5}, {"v_target_at_5": 1.5}, {("5 source classes", 0)}),
    ("totals_do_not_matter_for_few_shot", {"fewest": 5}, {"few_shot_at_29": 0.85}, {("29 source classes", 1)}),
    ("fewer_rows_vary_more", {"fewest": 5}, {"v_test_at_29": 0.25}, {("29 source classes", 1)}),
    ("sources_collapse_less", {}, {"v_train_at_10": 0.09}, {(EQUAL_ROWS, 1)}),
    ("pairs_within_bound", {}, {"pair_test_at_5": 0.21}, {("5 source classes", 1)}),
    ("training_hurts", {"classes": [2, 5]}, {"few_shot_at_5": 0.73}, {("5 source classes", 1)}),
    ("training_no_better_than", {"classes": [10], "than": "untrained"}, {"few_shot_at_10": 0.75},
     {("10 source classes", 1)}),
    ("training_no_better_than", {"classes": [29], "than": "inputs"}, {"few_shot_at_29": 0.85},
     {("29 source classes", 1)}),
]  # fmt: skip


@pytest.mark.parametrize(("check", "arguments", "changes", "failing"), CASES)
def test_each_check_holds_and_fails_where_a_value_is_changed(check, arguments, changes, failing):
    before = look(check, made(), **arguments)
    assert before and all(before.values())
    after = look(check, made(**changes), **arguments)
    assert set(after) == set(before)
    assert {name for name, holds in after.items() if not holds} == failing


def test_values_are_those_computed_by_hand():
    found = {"page": made()}
    assert CHECKS["unseen_variance_falls"](found, thresholds()).rows["value"].tolist() == pytest.approx([9.6, 9.6])
    later = CHECKS["unseen_variance_falls"](found, thresholds(), fewest=5, least=1.0)
    assert (later.limit, later.rows["value"].tolist()) == (1, pytest.approx([2, 2]))
    rises = CHECKS["few_shot_rises"](found, thresholds()).rows
    assert rises["value"].tolist() == pytest.approx(2 * [0.16, 0.07, 0.11])
    vary = CHECKS["fewer_rows_vary_more"](found, thresholds(), fewest=5).rows
    assert vary["group"].tolist() == 2 * ["29 source classes"]  # five classes have more rows with equal totals
    assert vary["value"].tolist() == pytest.approx(2 * [1 / 34 - 1 / 100])
    totals = CHECKS["totals_do_not_matter"](found, thresholds(), fewest=5).rows
    assert totals["group"].tolist() == ["5 source classes", "29 source classes"]  # ten have the same rows
    assert totals["value"].tolist() == pytest.approx([0.1, 0.06])
    bound = CHECKS["pairs_within_bound"](found, thresholds()).rows
    assert len(bound) == 2 * 7  # each network once
    assert bound["value"].tolist() == pytest.approx([0.75] * 14)


def test_words_tell_both_sides():
    words = tables.words(made())
    assert words.startswith(
        "**Unseen classes get easier with more source classes: from 2 to 29, the mean of V_f over their pairs goes "
        "from 4.8 to 0.5, the median from 0.9 to 0.3, and few-shot accuracy from 0.490 to 0.830** (2 draws of classes"
    )
    assert "V_f of their training rows goes from 0.03 to 0.16" in words
    assert "better than those of the untrained network from 29 source classes on, and better than pixels" in words
    assert "and better than pixels with none of these numbers of classes" in words
    assert "A few pairs of unseen classes, which get means close to each other, make the mean of V_f fall." in words
    assert "A few pairs" not in tables.words(made(v_target_at_2=0.5))
    assert "With pixels, mean and median are 0.7 and 0.6." in words
    assert (
        "with 2 source classes, mean V_f of unseen classes is 4.8, and with 29 it is 0.5. From 10 to 29, it fal"
        in words
    )
    assert "falls in 2 of 2 draws" in words
    assert "few-shot accuracy rises in 6 of 6 steps, in 6 of them by 0.01 or more" in words
    slow = tables.words(made(few_shot_at_29=0.725, v_target_at_29=0.8, v_target_at_2=9.0))
    assert "is 4.8 to 9, and with 29 it is 0.5 to 0.8. From 10 to 29, it falls in 1 of 2 draws" in slow
    assert "rises in 6 of 6 steps, in 5 of them by 0.01 or more" in slow
    assert "With 1,000 training rows in all, few-shot accuracy goes from 0.490 to 0.830" in words
    assert (
        "from that with equal rows per class: here the number of classes changes more than the number of rows. Th"
        in (words)
    )
    assert "Still, that of rows counts too." in tables.words(made(few_shot_at_29=0.9))
    assert "The bound on V_f of test rows holds for 28 of 28 pairs" in words
    assert "**Unseen classes get no easier" in tables.words(made(v_target_at_29=20.0))
    assert "holds for 27 of 28 pairs" in tables.words(made(pair_test_at_5=0.21))


def test_figures_tell_their_numbers():
    found = made()
    alt = figures.targets_by_sources(found).alt
    assert "2 source classes: V_f 4.8, accuracy 0.490; 5 source classes: V_f 1, accuracy 0.650" in alt
    assert "V_f 1 and accuracy 0.730 with an untrained network, 0.7 and 0.830 with the pixels" in alt
    assert "sources, training rows: 0.03 to 0.16" in figures.sources_and_targets(found).alt
    slider = figures.bound_by_sources(found)
    assert list(slider.pictures) == ["2", "5", "10", "29"]
    told = slider.pictures["10"].alt
    assert "4 of 4 pairs are within it. The bound is 1.3 to 2 times V_f, the median is 1.7 times" in told


def test_the_summary_has_means_spreads_and_both_baselines():
    table = tables.summary(made(v_target_at_2=2.8))
    assert table.loc[(EQUAL_ROWS, "2"), "v_target"] == "3.8 ± 1.4"
    assert table.loc[("no training", "pixels"), "few_shot"] == "0.83 ± 0"
    assert table.loc[("no training", "untrained network"), "v_train"] == ""
    assert len(table) == 4 + 4 + 2


def test_checks_say_nothing_without_descents():
    nothing = pd.DataFrame(columns=["key"])
    empty = Results(nothing, nothing, nothing, nothing, provenance={})
    for check, arguments, _, _ in CASES:
        assert CHECKS[check]({"page": empty}, thresholds(), **arguments).rows.empty
