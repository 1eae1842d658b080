"""Targets in their own unit or as logarithms, and teachers and splits of other seeds."""

import pytest
import torch

from nrc_core import EXPERIMENTS, ConfigError, load_dataset
from nrc_core.data.synthetic import synthetic


def test_uniform_weights_of_a_teacher_are_smaller_than_normal_ones():
    x, y, facts = synthetic(teacher="linear", teacher_weights="uniform", samples=4000)
    _, normal, _ = synthetic(teacher="linear", samples=4000)
    assert facts["teacher_weights"] == "uniform"
    assert float(y.std() / normal.std()) == pytest.approx(1 / 3, rel=0.5)
    weights = torch.linalg.lstsq(x, y).solution
    assert torch.linalg.matrix_rank(weights) == 3


def test_raw_targets_keep_their_unit_and_mean_and_inputs_are_scaled_as_before():
    raw, scaled = (load_dataset("synthetic", samples=500, target_scale=scale) for scale in ("raw", "standardised"))
    _, y, _ = synthetic(samples=500)
    assert torch.equal(raw.x_train, scaled.x_train)
    assert torch.allclose(raw.y_train.double().mean(0), y.mean(0), atol=0.1)
    spread = torch.tensor(raw.provenance["target_spread"])
    back = (raw.y_train - raw.y_train.mean(0)) / spread
    assert torch.allclose(back.float(), scaled.y_train, atol=1e-5)
    assert raw.provenance["target_scale"] == "raw"
    assert "target_scale" not in scaled.provenance


def test_logarithms_of_targets_are_standardised_and_targets_must_be_positive(tmp_path):
    rows = "x,y\n" + "".join(f"{i % 7},{10.0 ** (i % 5)}\n" for i in range(40))
    (tmp_path / "times.csv").write_text(rows)
    data = load_dataset(tmp_path / "times.csv", targets=["y"], target_scale="log")
    assert len(torch.unique((data.y_train * 1e4).round())) == 5
    steps = torch.unique((data.y_train * 1e4).round()).diff()
    assert torch.allclose(steps, steps.mean().expand(4), rtol=1e-3)  # powers of ten are evenly spaced
    with pytest.raises(ConfigError, match="target_scale=log takes positive targets: the lowest is -"):
        load_dataset("synthetic", samples=100, target_scale="log")
    with pytest.raises(ConfigError, match="target_scale must be one of standardised, raw, log: got 'years'"):
        load_dataset("synthetic", samples=100, target_scale="years")


def test_variants_of_the_data_are_options_of_the_data_and_usual_values_are_left_out():
    options = {"bias": False, "init_scales": [], "depths": [], "widths": [], "weight_decays": [5e-4, 1e-3]}
    options |= {"target_scales": ["standardised", "raw"], "teacher_seeds": [0, 1], "split_seeds": [0, 2]}
    configs = EXPERIMENTS["what_decides_collapse"]("synthetic", **options)
    assert [(config.weight_decay, config.dataset_options) for config in configs] == [
        (5e-4, {"split": "random"}),
        (5e-4, {"split": "random", "target_scale": "raw"}),
        (1e-3, {"split": "random"}),
        (5e-4, {"split": "random", "teacher_seed": 1}),
        (5e-4, {"split": "random", "seed": 2}),
    ]
