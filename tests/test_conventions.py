"""Three definitions of the metrics on the same networks, compared with the paper's formulas in plain numpy."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from nrc_core import MLP, Results, Store, measure, run
from nrc_core.sections.paper_or_code.experiment import paper_or_code
from nrc_core.sections.paper_or_code.figures import conventions
from nrc_core.sections.paper_or_code.tables import by_convention, differences, side_by_side, words
from tests import oracle
from tests.pictures import check_picture


@pytest.mark.parametrize("bias", [False, True])
def test_printed_is_section_3_of_the_paper(bias):
    torch.manual_seed(5)
    model = MLP(6, 9, 3, 2, bias=bias).double()
    x = torch.randn(120, 6, dtype=torch.float64) + 0.5
    y = torch.stack([x[:, 0] * x[:, 1], x[:, 2].sin()], dim=1)
    y = y - y.mean(0)
    table = measure(model, x, y, convention="printed")
    targets = y.numpy()
    for site, layers in enumerate((0, 2, 4, 5)):
        h = model.layers[:layers](x).detach().numpy()
        residual = h @ (np.linalg.pinv(h, rcond=1e-6) @ targets) - targets
        assert table["nrc4"].iloc[site] == pytest.approx((residual**2).sum() / len(h), rel=1e-8)
        assert table["nrc2"].iloc[site] == pytest.approx(oracle.gram_cka(h, targets), rel=1e-8)
    # Uncentred features are a worse predictor than those with an intercept, or an equal one.
    careful = measure(model, x, y)
    assert (table["nrc4"] / 2 >= careful["nrc4"] - 1e-12).all()
    pd.testing.assert_series_equal(table["nrc1"], careful["nrc1"])
    pd.testing.assert_series_equal(table["nrc3"], careful["nrc3"])


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    store = Store(tmp_path_factory.mktemp("store"))
    configs = paper_or_code("synthetic", seeds=[0, 1], epochs=2, samples=60)
    return run([dataclasses.replace(config, width=12) for config in configs], store=store)


def with_values(results: Results, **values: dict[str, float]) -> Results:
    """Measurements with the given columns, one value for each definition."""
    m = results.measurements.copy()
    for column, by_definition in values.items():
        m[column] = m["convention"].map(by_definition).astype(float)
    return Results(**{**vars(results), "measurements": m})


@pytest.fixture(scope="module")
def known(results) -> Results:
    """Eight weight sites in two networks of three targets; the network's error is 0.1, the target variance 1."""
    changed = with_values(
        results,
        nrc1={"careful": 0.01, "printed": 0.01, "released": 0.01},
        nrc2={"careful": 0.95, "printed": 0.8, "released": 0.1},
        nrc4={"careful": 0.2, "printed": 0.9, "released": 0.5},
        feature_stable_rank={"careful": 2.0, "printed": 2.0, "released": 1.5},
    )
    m = changed.measurements
    m["network_mse"], m["target_variance"] = 0.1, 1.0
    m.loc[m["site"] == 0, "nrc1"] = 0.5
    m.loc[(m["site"] == 0) & (m["convention"] == "released"), "nrc2"] = 0.0
    m.loc[(m["site"] == 7) & (m["seed"] == 1) & (m["convention"] == "careful"), "nrc2"] = 0.85
    return changed


def test_printed_errors_are_compared_per_entry(known):
    table = side_by_side(known)
    printed = table[table["convention"] == "printed"]
    np.testing.assert_allclose(printed["nrc4"], 0.3)
    np.testing.assert_allclose(printed["nrc4_as_defined"], 0.9)
    assert sorted(table["site"].unique()) == list(range(8))
    assert (table["collapsed"] == (table["site"] > 0)).all()


def test_differences_are_largest_less_smallest(known):
    table = differences(known).set_index(["seed", "site"])
    assert len(table) == 16
    assert table.loc[(0, 3), "nrc2"] == pytest.approx(0.85)
    assert table.loc[(0, 0), "nrc2"] == pytest.approx(0.95)
    assert table.loc[(1, 7), "nrc2"] == pytest.approx(0.75)
    np.testing.assert_allclose(table["nrc4"], 0.3)
    np.testing.assert_allclose(table["feature_stable_rank"], 0.5)


def test_the_table_by_definition(known):
    table = by_convention(known)
    careful = table.loc[("NRC2", "careful")]
    assert (careful["value"], careful["lowest"], careful["highest"]) == pytest.approx((0.9, 0.85, 0.95))
    assert table.loc[("NRC4 per entry", "printed"), "value"] == pytest.approx(0.3)
    assert table.loc[("NRC4 summed over targets", "printed"), "value"] == pytest.approx(0.9)
    # NRC2 holds by the careful definition at 15 of 16 sites and never by the others. The limit of NRC4 is 0.21.
    assert table.loc["NRC2", "other_verdicts"].tolist() == [0, 15, 15]
    assert table.loc["NRC4 per entry", "other_verdicts"].tolist() == [0, 16, 16]
    assert table.loc["stable rank of features", "other_verdicts"].isna().all()
    assert (table["sites"] == 16).all()


def test_the_answer_follows_the_numbers(known, results):
    text = words(known)
    assert "* **NRC2**: the definition moves it by at most 0.95, at most 0.85 at sites that are collapsed" in text
    assert "15 of 16 sites for NRC2 and 16 of 16 sites for NRC4 per entry" in text
    assert "nan" not in text
    equal = {"careful": 0.5, "printed": 0.5, "released": 0.5}
    assert "* **NRC2**: the definition moves it by at most 0. At" in words(with_values(results, nrc1=equal, nrc2=equal))


def test_the_figure_is_a_vector_graphic_with_words(known, results):
    check_picture(lambda: conventions(known))
    assert "NRC2: at most 0.95 apart at any site, up to 0.85 where collapsed" in conventions(known).alt
    high = {"careful": 0.9, "printed": 0.9, "released": 0.9}
    assert "no site is collapsed" in conventions(with_values(results, nrc1=high)).alt
