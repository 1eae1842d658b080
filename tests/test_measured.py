"""The report and the figure of a table of `measure`, and reasons for doubt about a number."""

from collections import OrderedDict

import pandas as pd
import pytest
import torch
from torch import nn

from nrc_core import ConfigError, measure, plot, report
from nrc_core.results.criteria import holds


def collapsed(depth: int = 4, n: int = 100) -> pd.DataFrame:
    """A network whose hidden layers contain only the two targets, in their first two units, which the output reads."""
    torch.manual_seed(0)
    y = torch.randn(n, 2)
    x = torch.cat([y, torch.randn(n, 4)], 1)
    layers = [nn.Linear(6, 8, bias=False), *(nn.Linear(8, 8, bias=False) for _ in range(depth - 2)), nn.Linear(8, 2)]
    with torch.no_grad():
        for number, layer in enumerate(layers):
            noise = 1e-3 * torch.randn_like(layer.weight) if number < depth - 1 else 0
            layer.weight.copy_(torch.eye(*layer.weight.shape) * (torch.arange(layer.in_features) < 2) + noise)
        layers[-1].bias.zero_()
    return measure(nn.Sequential(*layers), x, y)


def test_the_words_are_those_of_the_thresholds():
    table = collapsed()
    assert holds(table[1:-1]).all(axis=None)
    assert not holds(table[:1]).all(axis=None)
    text = report(table)
    assert "* Noise suppression (NRC1), noise at most 0.05: holds from site 1 to the last (3)." in text
    assert "* **All four together**: holds from site 1 to the last (3)." in text
    assert "* So Deep NRC as the paper describes it, below the last layer, **appears in every network here**." in text
    assert "* Sites by the layer that they feed: 0 `0`, 1 `1`, 2 `2`, 3 `3`." in text
    assert "Doubt" not in text
    share = table["network_mse"].iloc[0] / table["target_variance"].iloc[0]
    assert f"The network leaves {100 * share:.3g}% of the variance of the targets unexplained" in text


def test_a_layer_with_the_name_of_the_last_site_is_a_site_like_others():
    tables = []
    for name in ("head", "output"):
        torch.manual_seed(0)
        layers = OrderedDict({"hidden": nn.Linear(6, 5), "activation": nn.ReLU(), name: nn.Linear(5, 2)})
        x = torch.randn(50, 6)
        tables.append(measure(nn.Sequential(layers), x, x[:, :2]))
    assert tables[1]["name"].tolist() == ["hidden", "output (layer)", "output"]
    first, second = (table.drop(columns="name") for table in tables)
    pd.testing.assert_frame_equal(first, second)
    assert report(tables[1]) == report(tables[0]).replace("`head`", "`output (layer)`")


def test_an_untrained_network_is_told_so():
    x = torch.randn(200, 6)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))
    text = report(measure(model, x, x[:, :2] ** 2))
    assert "**All four together**: **does not hold** at the last site." in text
    assert "all four conditions together, **does not appear here**" in text


def test_doubts_come_with_their_sites():
    x, y = torch.randn(12, 6), torch.randn(12, 2)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 5), nn.ReLU(), nn.Linear(5, 2))
    text = report(measure(model, x, y))
    assert "* **Doubt** at 1: no more different rows (12) than features: NRC4 is low and CKA high" in text
    text = report(measure(model, x.repeat(2, 1), y.repeat(2, 1)))
    assert "* **Doubt** everywhere: 12 of 24 rows of x are copies of others." in text
    assert "* **Doubt** at 1: no more different rows (12) than features" in text


def test_constant_targets_leave_nothing_to_explain():
    x, y = torch.randn(60, 4), torch.ones(60, 2)
    text = report(measure(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), x, y))
    assert "* The targets are constant, so there is nothing to explain; the error is " in text
    assert "* **Doubt** everywhere: the targets are constant." in text
    assert "inf" not in text


def test_a_network_that_predicts_the_mean_is_told_so():
    x, y = torch.randn(60, 4), torch.randn(60, 2)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    with torch.no_grad():
        model[2].weight.zero_()
        model[2].bias.copy_(y.mean(0))
    text = report(measure(model, x, y))
    assert "leaves 100% of the variance of the targets unexplained" in text
    assert "**Doubt**: 1 of 1 network predicts little but the mean of the targets" in text


def doubts(x: torch.Tensor, y: torch.Tensor, width: int = 5, **options) -> list[str]:
    model = nn.Sequential(nn.Linear(x.shape[1], width), nn.ReLU(), nn.Linear(width, y.shape[1]))
    return measure(model, x, y, **options)["doubts"].tolist()


def test_doubts_are_where_numbers_say_nothing():
    x, y = torch.randn(60, 4), torch.randn(60, 2)
    assert doubts(x, y) == ["", "", ""]
    assert "no more different rows (60) than features" in doubts(x, y, width=60)[1]
    assert doubts(x, y, width=59)[1] == ""
    collinear = y[:, :1] * torch.tensor([1.0, 2.0])
    told = "the targets vary in 1 direction (99 % of their variance), fewer than r = 2"
    assert doubts(x, collinear) == [told] * 3
    assert doubts(x, collinear, rank=1) == ["", "", ""]
    assert doubts(x, torch.ones(60, 2)) == ["the targets are constant"] * 3
    assert doubts(x[:, :2], y)[0].startswith("r = 2 is all features: NRC1 is 0 whatever they are")
    assert doubts(x[:, :1], y)[0] == "fewer features (1) than r = 2: there are no NRC1 to NRC3"
    assert "fewer rows of the weight (2) than r = 3" in doubts(x, y, rank=3)[1]
    assert "no more different rows (3) than r + 1 = 3: NRC1 is 0" in doubts(x[:3], y[:3])[0]
    assert "NRC1" not in doubts(x[:4], y[:4])[0]
    few = torch.cat([x[:1].expand(10, -1), x[10:]])
    assert doubts(few, y)[0] == "9 of 60 rows of x are copies of others"


def test_copies_are_no_more_rows_in_maps():
    """Each position is a sample: the positions of a copied sample are also copies."""
    x, y = torch.randn(10, 3, 4, 4), torch.randn(10, 2)
    model = nn.Sequential(nn.Conv2d(3, 30, 3), nn.ReLU(), nn.Conv2d(30, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    both = x.repeat(4, 1, 1, 1), y.repeat(4, 1)
    assert "no more" not in measure(model, x, y, features="positions")["doubts"].iloc[1]  # 40 positions
    assert "no more different rows (10) than features" in measure(model, *both)["doubts"].iloc[1]
    assert "no more" not in measure(model, *both, features="positions")["doubts"].iloc[1]


def test_the_figure_has_the_four_conditions_in_words():
    picture = plot(collapsed())
    for name, site in (("NRC1", 1), ("NRC2", 1), ("NRC3", 1), ("NRC4", 0)):
        assert f"{name} holds from site {site} on." in picture.alt
    assert "The network's own error is" in picture.alt
    assert picture.png.startswith(b"\x89PNG")
    assert plot(collapsed()).svg == picture.svg


@pytest.mark.parametrize("function", [report, plot])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns=["nrc3", "doubts"]), "got one without nrc3, doubts"),
        (lambda table: table[:-1], "some are missing, or others there"),
        (lambda table: pd.concat([table, table]), "some are missing, or others there"),
        (lambda table: table.assign(convention="printed"), "careful definitions: got those of 'printed'"),
    ],
)
def test_what_is_no_table_of_one_call_is_refused(function, change, message):
    with pytest.raises(ConfigError, match=message):
        function(change(collapsed()))


def test_a_figure_without_its_library_is_a_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nrc_core.sections.network_figures", None)
    monkeypatch.delattr("nrc_core.sections.network_figures", raising=False)
    with pytest.raises(ConfigError, match=r"a plot needs .*, which is not installed: pip install seaborn"):
        plot(collapsed())
