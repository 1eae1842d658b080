"""Times at which losses settle and conditions set in, on constructed curves with a known answer."""

import numpy as np
import pandas as pd
import pytest

from nrc_core import Results, Store, run
from nrc_core.claims.checks import CHECKS
from nrc_core.results.thresholds import thresholds
from nrc_core.sections.deep_nrc_mlp.experiment import deep_nrc_mlp
from nrc_core.sections.dynamics import generalisation_gap, onset, order_of_onset, settled_epoch, timing
from nrc_core.sections.training_dynamics.figures import generalisation, onset_order, training_curves
from tests.pictures import check_picture

EPOCHS = np.arange(1, 201)


def losses(values) -> pd.DataFrame:
    return pd.DataFrame({"epoch": EPOCHS[: len(values)], "train_mse": values})


def test_a_flat_loss_has_settled_from_the_start():
    assert settled_epoch(losses(np.full(200, 0.3)), "train_mse") == 1


def test_a_loss_that_decays_to_the_end_never_settles():
    assert settled_epoch(losses(np.exp(-EPOCHS / 100)), "train_mse") is None


def test_a_decay_of_less_than_the_limit_is_calm():
    # 0.9 % and 1.1 % in ten epochs.
    assert settled_epoch(losses(np.exp(-0.0009 * EPOCHS)), "train_mse") == 1
    assert settled_epoch(losses(np.exp(-0.0011 * EPOCHS)), "train_mse") is None


@pytest.mark.parametrize("plateau", [50, 120])
def test_a_decay_to_a_plateau_settles_where_the_plateau_begins(plateau):
    found = settled_epoch(losses(np.exp(-0.1 * np.minimum(EPOCHS, plateau))), "train_mse")
    assert plateau - 5 <= found <= plateau


def test_the_second_of_two_plateaus_counts():
    values = np.exp(-0.1 * np.minimum(EPOCHS, 30)) * np.where(EPOCHS < 100, 1, 0.5)
    assert settled_epoch(losses(values), "train_mse") == 100


def test_the_slope_is_that_of_a_line_through_the_logarithms():
    values = np.exp(np.random.default_rng(0).standard_normal(40) * 1e-3)
    windows = [10 * np.polyfit(range(10), np.log(values[start : start + 10]), 1)[0] for start in range(31)]
    calm = np.abs(windows) <= 0.01
    expected = None if not calm[-1] else int(np.flatnonzero(~calm).max(initial=-1)) + 2
    assert settled_epoch(losses(values), "train_mse") == expected


def test_the_noise_of_single_epochs_does_not_count():
    noise = np.random.default_rng(1).standard_normal(200) * 0.02
    assert settled_epoch(losses(np.exp(noise - 0.1 * np.minimum(EPOCHS, 60))), "train_mse") is not None


def test_few_epochs_say_nothing():
    assert settled_epoch(losses(np.full(9, 1.0)), "train_mse") is None
    assert settled_epoch(losses(np.full(10, 1.0)), "train_mse") == 1


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Results:
    """Two splits and two seeds, measured after 1, 4, 8 and 16 epochs; 16 losses."""
    store = Store(tmp_path_factory.mktemp("store"))
    options = {"samples": 80, "width": 8, "depth": 3, "epochs": 16, "measurements": 4, "seeds": [0, 1]}
    return run(
        [c for split in ("random", "blocked") for c in deep_nrc_mlp("synthetic", split=split, **options)], store=store
    )


def altered(results: Results, *, columns: dict[str, list[float]], train_mse: list[float] | float = 1.0) -> Results:
    """The same runs with the given values at the measured epochs, at every site, and the given losses."""
    epochs = sorted(results.measurements["epoch"].unique())
    at = {name: dict(zip(epochs, values, strict=True)) for name, values in columns.items()}
    values = {name: results.measurements["epoch"].map(by_epoch) for name, by_epoch in at.items()}
    curve = pd.Series(train_mse, index=range(1, 17)).to_dict()
    changed = results.losses.assign(train_mse=results.losses["epoch"].map(curve), test_mse=1.0)
    return Results(**{**vars(results), "measurements": results.measurements.assign(**values), "losses": changed})


# NRC3 holds once, but not to the end; in the second case it always holds.
ALL = {
    "nrc1": [0.5, 0.5, 0.01, 0.01],
    "nrc2": [0.0, 1.0, 1.0, 1.0],
    "nrc3": [1.0, 0.0, 1.0, 0.0],
    "nrc4": [0.0] * 4,
    "feature_effective_rank": [2] * 4,
    "target_effective_rank": [2] * 4,
}
KEPT = ALL | {"nrc3": [1.0] * 4}


def test_onsets_are_brackets(trained):
    epochs = sorted(trained.measurements["epoch"].unique())
    assert len(epochs) == 4
    table = onset(altered(trained, columns=ALL))
    assert len(table) == 4 * 5
    for _, rows in table.groupby("key"):
        rows = rows.set_index("condition")
        assert rows.loc["nrc1", ["after", "at_most"]].tolist() == [epochs[1], epochs[2]]
        assert rows.loc["nrc2", ["after", "at_most"]].tolist() == [epochs[0], epochs[1]]
        assert rows.loc["nrc4", ["after", "at_most"]].tolist() == [0, epochs[0]]
        # Held once, but not to the end.
        assert rows.loc["nrc3", "after"] == epochs[3]
        assert pd.isna(rows.loc["nrc3", "at_most"])
        assert pd.isna(rows.loc["all", "at_most"])


def test_the_four_together_set_in_with_the_last(trained):
    table = (
        onset(altered(trained, columns=ALL | {"nrc3": [1.0] * 4})).set_index(["key", "condition"])["at_most"].unstack()
    )
    assert (table["all"] == table["nrc1"]).all()


def test_onset_is_at_the_last_site_that_feeds_a_weight(trained):
    changed = altered(trained, columns=ALL)
    m = changed.measurements
    m["nrc1"] = np.where(m["site"] == 2, 0.0, 0.9)
    assert (onset(changed).set_index("condition").loc["nrc1", "at_most"] == 1).all()


def test_conditions_in_the_order_of_their_onset(trained):
    table = order_of_onset(altered(trained, columns=ALL | {"nrc2": [0.0, 0.0, 1.0, 1.0]}))
    assert table["order"].tolist() == ["NRC4, NRC1 = NRC2"] * 4
    assert table["never"].tolist() == ["NRC3"] * 4
    assert table["split"].tolist() == ["random"] * 2 + ["blocked"] * 2


FALLING = [2.0**-epoch for epoch in range(16)]  # a loss that never settles


@pytest.mark.parametrize(
    ("train_mse", "nrc2", "order"),
    [
        (1.0, [0.0, 1.0, 1.0, 1.0], "after"),
        (FALLING, [0.0, 1.0, 1.0, 1.0], "before"),
        (1.0, [1.0] * 4, "open"),
        (1.0, [0.0] * 4, "none"),
    ],
)
def test_before_or_after_the_losses_settled(trained, train_mse, nrc2, order):
    changed = altered(trained, columns=KEPT | {"nrc1": [0.0] * 4, "nrc2": nrc2}, train_mse=train_mse)
    assert timing(changed)["collapse"].tolist() == [order] * 4
    # NRC1 alone holds at the first measurement already.
    alone = timing(changed, condition="nrc1")
    assert (alone["at_most"] == 1).all()
    assert set(alone["collapse"]) == {"open" if train_mse == 1.0 else "before"}


def test_collapse_waits_for_all_four_conditions(trained):
    """Losses are flat from epoch 4 on; NRC1 holds from epoch 1, NRC2 from some epoch after 6."""
    curve = [8.0, 4.0, 2.0] + [1.0] * 13
    late = altered(trained, columns=KEPT | {"nrc1": [0.0] * 4, "nrc2": [0.0, 0.0, 0.0, 1.0]}, train_mse=curve)
    settled = timing(late)["settled"]
    look = CHECKS["collapse_after_settling"]
    rows = look({"page": late}, thresholds()).rows
    assert rows["holds"].tolist() == [True] * 4
    assert rows["value"].tolist() == (16 / settled).tolist()
    assert not look({"page": late}, thresholds(), condition="nrc1").rows["holds"].any()


def test_over_collapse_is_no_collapse(trained):
    """All four conditions set in after the losses settled, but the output has one direction for two of the targets."""
    lost = altered(trained, columns=KEPT | {"feature_effective_rank": [1] * 4})
    assert timing(lost)["collapse"].tolist() == ["over-collapsed"] * 4
    assert "Synthetic: no collapse, but over-collapse (4 of 4). No network collapses." in training_curves(lost).alt
    assert CHECKS["collapse_after_settling"]({"page": lost}, thresholds()).silent == 4
    never = altered(trained, columns=ALL | {"feature_effective_rank": [1] * 4})
    assert timing(never)["collapse"].tolist() == ["none"] * 4


def test_the_gap_is_in_units_of_the_training_variance(trained):
    m = trained.measurements
    error = np.where(m["split"] == "test", 0.5, 0.2)
    changed = Results(**{**vars(trained), "measurements": m.assign(network_mse=error, target_variance=2.0)})
    table = generalisation_gap(changed)
    np.testing.assert_allclose(table[["train_error", "test_error", "gap"]], [[0.1, 0.25, 0.15]] * 4)
    assert table["seed"].tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("draw", [training_curves, onset_order, generalisation])
def test_figures_are_vector_graphics_with_words(trained, draw):
    check_picture(lambda: draw(trained))


def test_the_message_follows_the_numbers(trained):
    after = training_curves(altered(trained, columns=KEPT)).alt
    assert "Synthetic: collapse after the losses settled." in after
    assert after.endswith("NRC1 alone sets in by epoch 6 to 6.")
    never = altered(trained, columns=ALL | {"nrc1": [0.9] * 4})
    assert "Synthetic: no collapse. No network collapses." in training_curves(never).alt
    assert "Synthetic: NRC4 first, NRC1 and NRC3 never" in onset_order(never).alt
    assert (
        "NRC4 alone sets in" in onset_order(altered(trained, columns=ALL | {"nrc1": [1.0] * 4, "nrc2": [0.0] * 4})).alt
    )
    m = trained.measurements
    wide = Results(**{**vars(trained), "measurements": m.assign(network_mse=np.where(m["split"] == "test", 0.9, 0.2))})
    assert "at most 0.05: random split 0 of 2, blocked split 0 of 2" in generalisation(wide).alt


def test_a_panel_for_every_data_set(trained):
    """Two data sets side by side; the second is a copy of the first under another name."""
    frames = {name: getattr(trained, name) for name in ("runs", "measurements", "spectra", "losses")}
    copies = {name: frame.assign(key=frame["key"] + "x") for name, frame in frames.items()}
    copies["runs"] = copies["runs"].assign(dataset="sgemm")
    both = {name: pd.concat([frame, copies[name]], ignore_index=True) for name, frame in frames.items()}
    results = Results(**both, provenance=trained.provenance)
    assert "SGEMM: " in training_curves(results).alt
    assert "SGEMM: " in onset_order(results).alt
    assert "SGEMM, blocked split" in generalisation(results).alt
