"""The section on deeper residual networks: networks in the store, tables, words, figures and checks."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from nrc_core.claims.checks import CHECKS
from nrc_core.claims.entries import read_claims
from nrc_core.errors import ConfigError
from nrc_core.results.results import Results
from nrc_core.results.runs import stored
from nrc_core.results.store import read_configuration
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.deeper_resnets import figures, tables
from nrc_core.sections.deeper_resnets.experiment import deeper_resnets
from nrc_core.sections.deeper_resnets.tables import LESS, ONE, TRANSFORMER, TWO
from nrc_core.theory import normalised_features_minimum
from tests.fakes_images import prepare_classes
from tests.pictures import check_picture

SMALL = {"rows": 4, "width": 10, "iterations": 3, "longer": 4, "seeds": [0, 1]}
DEPTHS = (1, 2, 4, 8, 16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of noise in place of the data set."""
    folder = tmp_path_factory.mktemp("data")
    prepare_classes(folder)
    return folder


@pytest.fixture(scope="module")
def configs():
    return deeper_resnets(depths=[1, 2], attention_depths=[1], longer_depths=[2], **SMALL)


def made(value: Callable[[str, int, int], float], depths: tuple[int, ...] = DEPTHS, **options: list[int]) -> Results:
    """Results with given values of NC1 by case, depth and seed; all measures are equal, and the excess is NC1 too."""
    runs, rows = [], []
    sizes = {"depths": list(depths), "attention_depths": list(depths), "longer_depths": []}
    every = deeper_resnets(**sizes | options)
    for place, config in enumerate(every):
        case = tables.CASES[config.block, config.decay_rule]
        nc1 = value(case, config.depth, config.seed) * (1.0 if config.iterations == 1000 else 2.0)
        floor = normalised_features_minimum(5, decay=config.paid_decay).loss
        found = dict.fromkeys(["nc1", "nc2_norms", "nc2_angles", "nc3", "variance_ratio"], nc1)
        found |= {"loss": floor + nc1, "cross_entropy": floor, "head_decay": 0.0, "block_decay": nc1, "error": 0.0}
        found |= {"head_norm": 7.0, "gradient": 0.0}
        key = f"{place:016x}"
        runs.append({"key": key, "task": config.TASK, **config.as_dict()})
        rows += [
            {"key": key, "seed": config.seed, "start": 0, "quantity": name, "index": 0, "value": one}
            for name, one in found.items()
        ]
    empty = pd.DataFrame()
    return Results(pd.DataFrame(runs), empty, empty, empty, {}, descent=pd.DataFrame(rows))


def as_published(case: str, depth: int, seed: int) -> float:
    """NC1 as the theory has it: a power of the depth, but with two maps and the same decay none."""
    return 0.5 * (1 + seed / 100) * (1.0 if case == TWO else depth**-0.8)


@pytest.fixture(scope="module")
def ideal():
    return made(as_published)


def test_every_seed_has_other_pictures_and_every_case_its_depths():
    configs = deeper_resnets(seeds=[0, 3])
    assert {config.dataset_options["train_skip"] for config in configs if config.seed == 3} == {60}
    assert len(configs) == 2 * (3 * 6 + 3 * 3 + 4)
    assert len(set(map(repr, configs))) == len(configs)
    (deep,) = (
        one for one in configs if (one.decay_rule, one.depth, one.seed, one.iterations) == ("over_depth", 8, 3, 1000)
    )
    assert deep.paid_decay == 0.005 / 8


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"depths": []}, "depths must be one or more different values"),
        ({"depths": [2, 2]}, "depths must be one or more different values"),
        ({"attention_depths": [2, 2]}, "attention_depths must be different values"),
        ({"longer": 1000}, "longer must be more than the 1000 iterations of the others: got 1000"),
        ({"rows": 0}, "rows must be at least 1"),
        ({"seeds": []}, "seeds must be one or more different values"),
        ({"digits": [0]}, "digits must be two or more different numbers of classes"),
    ],
)
def test_values_out_of_range_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        deeper_resnets(**given)


def test_networks_are_stored_and_found_again(store, configs, trained, folder, monkeypatch):
    monkeypatch.setenv("NRC_DATA_DIR", str(folder))
    again, missing = stored(configs, store=store)
    assert missing == 0
    pd.testing.assert_frame_equal(again.descent, trained.descent)
    for config, record in zip(configs, trained.provenance.values(), strict=True):
        assert read_configuration(record["config"]) == config
        assert record["data"]["n_train"] == 40


def test_every_network_stands_beside_its_own_floor(trained):
    table = tables.networks(trained)
    assert len(table) == 2 * (3 * 2 + 3 + 1)
    assert list(dict.fromkeys(table["case"])) == [ONE, TWO, LESS, TRANSFORMER]
    for row in table.to_dict("records"):
        paid = 0.005 / (row["depth"] if row["case"] == LESS else 1)
        assert row["paid"] == paid
        assert row["floor"] == normalised_features_minimum(5, decay=paid).loss
        assert row["excess"] == row["loss"] - row["floor"] > 0
    assert set(tables.shortest(trained)["iterations"]) == {3}


def test_real_networks_of_the_smallest_size_give_words_figures_and_the_bound(trained):
    assert "0 of 20 networks have a lower objective" in tables.words(trained)
    assert figures.collapse_by_depth(trained).alt.startswith("NC1, NC2 and NC3")
    seen = CHECKS["never_below_features_model"]({"page": trained}, thresholds())
    assert set(seen.rows["group"]) == {ONE, TWO, LESS, TRANSFORMER}
    assert len(seen.rows) == 8
    assert seen.rows["holds"].all()
    assert CHECKS["deeper_collapses_more"]({"page": trained}, thresholds()).rows.empty  # there are no 16 blocks


def test_slopes_are_those_of_the_powers(ideal):
    found = tables.slopes(ideal)["NC1, ratio of traces"]
    np.testing.assert_allclose(found[[ONE, LESS, TRANSFORMER]], -0.8, atol=1e-12)
    assert found[TWO] == pytest.approx(0, abs=1e-12)
    rows = tables.shortest(ideal).query("case == @ONE and seed == 0")
    assert math.isnan(tables.slope(rows[rows["depth"] <= 2], "nc3"))
    assert math.isnan(tables.slope(rows.assign(nc3=0.0), "nc3"))
    late = rows.assign(nc3=np.where(rows["depth"] < 4, 99.0, rows["nc3"]))
    assert tables.slope(late, "nc3", fewest=4) == pytest.approx(-0.8)
    bent = rows.assign(nc3=np.where(rows["depth"] == 1, 99.0, rows["nc3"]))
    assert tables.slope(bent, "nc3") == pytest.approx(-0.8)  # one block does not count


def values(results: Results, check: str, **arguments: str) -> tuple[list[float], list[bool]]:
    rows = CHECKS[check]({"page": results}, thresholds(), **arguments).rows
    return rows["value"].tolist(), rows["holds"].tolist()


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("deeper_collapses_more", 8**-0.8),
        ("deeper_nears_features_model", 8**-0.8),
        ("two_maps_gain_nothing", 1.0),
        ("less_decay_collapses_more", 16**-0.8),
        ("deeper_transformers_collapse_more", 1.0),
    ],
)
def test_values_of_checks_by_hand(ideal, check, expected):
    found, holds = values(ideal, check)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert holds == [True] * 3


def test_slopes_are_compared_with_the_theory_and_the_measured_one(ideal):
    found, holds = values(ideal, "falls_as_the_theory", quantity="nc3")
    np.testing.assert_allclose(found, -0.8, atol=1e-9)
    assert holds == [True] * 3
    assert values(ideal, "falls_as_the_theory", quantity="nc3", fewest=8)[1] == [True] * 3
    found, holds = values(ideal, "falls_as_measured", quantity="nc3")
    np.testing.assert_allclose(found, 0.465, atol=1e-9)
    assert holds == [False] * 3
    slow = made(lambda case, depth, seed: depth**-0.4)
    assert values(slow, "falls_as_the_theory", quantity="nc1")[1] == [False] * 3
    assert values(slow, "falls_as_measured", quantity="nc1")[1] == [True] * 3
    assert values(ideal, "falls_as_measured", quantity="nc3", case=TWO)[0] == pytest.approx([0.335] * 3)
    words = CHECKS["falls_as_measured"]({"page": slow}, thresholds(), quantity="nc1").quantity
    assert words == "difference of the slope of NC1 with the pseudo-inverse in the depth, in logarithms, from -0.335"


@pytest.mark.parametrize(
    ("check", "case", "depth", "value"),
    [
        ("deeper_collapses_more", ONE, 16, 0.9),
        ("deeper_collapses_more", ONE, 4, 0.295),  # above that of two blocks
        ("deeper_nears_features_model", ONE, 16, 0.2),
        ("never_below_features_model", LESS, 4, -1e-6),
        ("two_maps_gain_nothing", TWO, 16, 0.3),
        ("two_maps_gain_nothing", TWO, 32, 0.3),
        ("less_decay_collapses_more", LESS, 16, 0.26),
        ("less_decay_collapses_more", TWO, 16, 0.1),
        ("deeper_transformers_collapse_more", TRANSFORMER, 1, 0.0001),
    ],
)
def test_each_check_fails_for_the_seed_whose_network_is_elsewhere(check, case, depth, value):
    def changed(one: str, blocks: int, seed: int) -> float:
        return value if (one, blocks, seed) == (case, depth, 1) else as_published(one, blocks, seed)

    rows = CHECKS[check]({"page": made(changed, depths=(*DEPTHS, 32))}, thresholds()).rows
    failed = rows.loc[~rows["holds"].astype(bool), ["group", "seed"]].to_numpy().tolist()
    assert [seed for _, seed in failed] == [1]


def test_the_table_has_spreads_of_what_seeds_change(ideal):
    row = tables.means(ideal).loc[(1000, ONE, 1)]
    assert row["variance_ratio"] == "0.505 ± 0.005"
    assert row["floor"] == "0.199"


def test_longer_training_is_judged_apart_and_told():
    both = made(as_published, longer_depths=[2, 8, 16])
    assert set(tables.shortest(both)["iterations"]) == {1000}
    told = "With 3000 iterations in place of 1000, NC1 with 16 blocks changes: one map 0.055 to 0.11"
    assert told in tables.words(both)
    assert "3000" not in tables.words(made(as_published))
    longer = both.where(iterations=3000)
    found, _ = values(longer, "less_decay_collapses_more")
    np.testing.assert_allclose(found, 16**-0.8, rtol=1e-9)
    assert len(values(longer, "never_below_features_model")[0]) == 9


def test_words_follow_the_numbers(ideal):
    text = tables.words(ideal)
    assert text.startswith("**With one map a block, mean NC1 goes from 0.51 to 0.055 (1 to 16 blocks). With two maps")
    assert "it goes from 0.51 to 0.51 (1 to 16 blocks).**" in text
    assert "in the deepest networks, mean NC1 is 0.055 to 0.51." in text
    assert "0 of 60 networks have a lower objective" in text
    assert "NC1 goes as L to the power -0.80 from 2 blocks on, and -0.80 from 4 on." in text
    bent = made(lambda case, depth, seed: as_published(case, max(depth, 4), seed))
    assert "from 2 blocks on, and -0.80 from 4 on." in tables.words(bent)
    few = made(as_published, depths=(1, 2, 4, 8))
    assert "NC1 goes as L to the power -0.80 from 2 blocks on." in tables.words(few)
    below = made(lambda case, depth, seed: -0.01 if depth == 16 else 0.1)
    assert "12 of 60 networks have a lower objective" in tables.words(below)
    assert "L to the power" not in tables.words(below)


@pytest.mark.parametrize("figure", [figures.collapse_by_depth, figures.gap_by_depth, figures.longer_training])
def test_figures_are_vector_graphics_with_words(figure):
    check_picture(lambda: figure(made(as_published, longer_depths=[2, 8, 16])))


def test_the_slider_has_a_picture_of_every_depth_with_its_objectives(ideal):
    slider = figures.objective_by_depth(ideal)
    assert list(slider.pictures) == [str(depth) for depth in DEPTHS]
    floor = normalised_features_minimum(5, decay=0.005 / 16).loss
    assert f"{LESS} {floor + 0.505 * 16**-0.8:.3g} over {floor:.3g}" in slider.pictures["16"].alt


def test_without_longer_networks_and_transformers_the_page_is_complete():
    plain = made(as_published, attention_depths=[])
    assert TRANSFORMER not in tables.words(plain)
    assert figures.longer_training(plain).alt.endswith("with 1000 iterations. No network was trained for longer.")


def test_claims_name_quantities_that_are_measured():
    own = [claim for claim in read_claims() if claim.section == "deeper_resnets"]
    assert [claim.id for claim in own] == [f"N0{number}" for number in range(1, 9)]
    assert {claim.arguments["quantity"] for claim in own if claim.arguments} <= set(tables.MEASURES)
