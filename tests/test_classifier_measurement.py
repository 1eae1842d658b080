"""Measurements of classifiers, compared with a direct computation from features that hooks capture."""

import copy
import dataclasses

import numpy as np
import pandas as pd
import pytest
import sklearn.cluster
import torch
from torch import nn

from nrc_core import load_dataset, measure
from nrc_core.config.classification import ClassifierConfig
from nrc_core.data.dataset import Dataset
from nrc_core.metrics import class_table, classes, regression
from nrc_core.metrics.class_moments import ClassMoments
from nrc_core.metrics.class_table import look, nearest_mean, one_hot_sites
from nrc_core.metrics.layers import weight_matrices
from nrc_core.metrics.table import input_spectra
from nrc_core.training.classification import build_classifier, train_classifier
from nrc_core.training.classifier_computing import compute_classifier
from nrc_core.training.loop import reproducible_arithmetic
from tests.fakes_images import prepare_classes

EXACT = 1e-8
CLASSES, DEPTH = 5, 3


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Dataset:
    folder = tmp_path_factory.mktemp("classes")
    names = tuple("abcde")
    prepare_classes(folder, "fashion_mnist", classes=names, per_class=10, test_per_class=6, noise=60.0)
    return load_dataset("fashion_mnist", data_dir=folder)


def config(**change) -> ClassifierConfig:
    values = {"iterations": 30, "learning_rate": 0.1, "weight_decay": 1e-3, "width": 8, "batch_size": 16}
    return ClassifierConfig("fashion_mnist", **({"depth": DEPTH} | values | change))


@pytest.fixture(scope="module")
def model(data) -> nn.Module:
    *_, (_, training) = train_classifier(config(), data)
    return training.model.eval()


def captured(model: nn.Module, x: torch.Tensor) -> list[np.ndarray]:
    """The input of every linear layer, averaged over positions if it is a feature map, and the output, in float64."""
    seen: list[np.ndarray] = []
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    handles = [layer.register_forward_pre_hook(lambda _, x: seen.append(x[0].double().numpy())) for layer in layers]
    model.eval()
    with torch.no_grad():
        seen.append(model(x).double().numpy())
    for handle in handles:
        handle.remove()
    return seen


def means_of(h: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.array([h[y == label].mean(0) for label in range(y.max() + 1)])


def between(means: np.ndarray) -> float:
    return float(np.mean([np.sum((mean - means.mean(0)) ** 2) for mean in means]))


def variance(h: np.ndarray, y: np.ndarray, means: np.ndarray) -> float:
    """Hui et al., section 3.1, sample by sample."""
    return np.mean([np.sum((row - means[label]) ** 2) for row, label in zip(h, y, strict=True)]) / between(means)


def papyan(h: np.ndarray, y: np.ndarray) -> float:
    """tr(Sigma_W Sigma_B^+) / K with the covariances written out."""
    means = means_of(h, y)
    inside = np.mean([np.outer(row - means[label], row - means[label]) for row, label in zip(h, y, strict=True)], 0)
    outside = np.mean([np.outer(mean - means.mean(0), mean - means.mean(0)) for mean in means], 0)
    return np.trace(inside @ np.linalg.pinv(outside, rcond=1e-8, hermitian=True)) / len(means)


def nearest(h: np.ndarray, means: np.ndarray) -> np.ndarray:
    return np.array([np.argmin([np.sum((row - mean) ** 2) for mean in means]) for row in h])


def labels_of(y: torch.Tensor) -> np.ndarray:
    return y.argmax(1).numpy()


def table(model, x, seen, *, loss: str, regression: bool) -> pd.DataFrame:
    """The table of one iteration, with the columns that all tables of this iteration share."""
    (inputs,) = input_spectra([weight_matrices(model)])
    sites = one_hot_sites(seen, inputs) if regression else []
    return class_table.table(model, x, seen, loss=loss, inputs=inputs, regression=sites)


@pytest.fixture(scope="module", params=["train", "test"])
def part(request, data) -> tuple[torch.Tensor, torch.Tensor]:
    return (data.x_train, data.y_train) if request.param == "train" else (data.x_test, data.y_test)


def test_every_site_agrees_with_a_dense_recomputation(model, part):
    x, y = part
    seen = look(model, x, y)
    found = table(model, x, seen, loss="cross_entropy", regression=False)
    features, labels = captured(model, x), labels_of(y)
    assert found["site"].tolist() == list(range(DEPTH + 1))
    assert found["name"].tolist()[-1] == "output"
    assert found["width"].tolist() == [h.shape[1] for h in features] == [64, 8, 8, CLASSES]
    decisions = features[-1].argmax(1)
    for site, h in zip(found.itertuples(), features, strict=True):
        means = means_of(h, labels)
        expected = {
            "variance_current": variance(h, labels, means),
            "nc1": papyan(h, labels),
            "nc1_share": sum(np.sum((h - means[labels]) ** 2, 1)) / np.sum((h - h.mean(0)) ** 2),
            "nc4_mismatch": np.mean(nearest(h, means) != decisions),
            "nc4_error": np.mean(nearest(h, means) != labels),
        }
        for name, value in expected.items():
            assert getattr(site, name) == pytest.approx(value, rel=EXACT), (site.name, name)
    assert found["nc3_duality"].notna().tolist() == [False, False, True, False]
    np.testing.assert_array_equal(seen.features.numpy(), features[-2].astype(np.float32))
    np.testing.assert_array_equal(seen.logits.numpy(), features[-1].astype(np.float32))


def test_the_network_as_a_whole_agrees_with_a_dense_recomputation(model, part):
    x, y = part
    row = table(model, x, look(model, x, y), loss="cross_entropy", regression=False).iloc[0]
    *_, h, logits = captured(model, x)
    labels, n = labels_of(y), np.arange(len(x))
    chances = np.exp(logits - logits.max(1, keepdims=True))
    chances /= chances.sum(1, keepdims=True)
    assert row["loss"] == pytest.approx(-np.mean(np.log(chances[n, labels])), rel=EXACT)
    assert row["error"] == pytest.approx(np.mean(logits.argmax(1) != labels))
    others = logits.copy()
    others[n, labels] = -np.inf
    margins = logits[n, labels] - others.max(1)
    weight, bias = (p.detach().double().numpy() for p in list(model.parameters())[-2:])
    exact = h @ weight.T + bias
    rival = np.where(np.arange(CLASSES) == labels[:, None], -np.inf, exact).argmax(1)
    apart = np.linalg.norm(weight[labels] - weight[rival], axis=1) * np.linalg.norm(h - h.mean(0), axis=1)
    normalised = (exact[n, labels] - exact[n, rival]) / apart
    for q in (0, 10, 50, 90, 100):
        assert row[f"margin_{q}"] == pytest.approx(np.quantile(margins, q / 100), rel=EXACT)
        assert row[f"normalised_margin_{q}"] == pytest.approx(np.quantile(normalised, q / 100), rel=EXACT)
    squared = table(model, x, look(model, x, y), loss="mse", regression=False).iloc[0]
    assert squared["loss"] == pytest.approx(np.mean((logits - np.eye(CLASSES)[labels]) ** 2), rel=EXACT)


def test_conditions_for_regression_are_those_of_measure_on_one_hot_targets(model, part):
    x, y = part
    found = table(model, x, look(model, x, y), loss="mse", regression=True)
    expected = measure(model, x, y, rank=CLASSES - 1)
    expected = expected.drop(columns=["cka_debiased", "convention", "features", "doubts"])  # of `measure` alone
    assert found["name"].tolist() == expected["name"].tolist()
    assert set(expected.columns) <= set(found.columns)
    for name in expected.columns.drop("name"):
        np.testing.assert_allclose(found[name], expected[name], rtol=EXACT, atol=1e-10, err_msg=name)


def test_the_mean_angle_of_the_class_means_is_that_of_their_span(model, data):
    found = table(model, data.x_train, look(model, data.x_train, data.y_train), loss="mse", regression=False)
    h, labels = captured(model, data.x_train)[-2], labels_of(data.y_train)
    weight = list(model.parameters())[-2].detach().double().numpy()
    means = means_of(h, labels)
    span = np.linalg.svd((means - means.mean(0)).T)[0][:, : CLASSES - 1]
    inputs = np.linalg.svd(weight.T)[0][:, : CLASSES - 1]
    cosines = np.linalg.svd(span.T @ inputs, compute_uv=False)
    assert found["nc3_cosine"].iloc[-2] == pytest.approx(cosines.mean(), rel=1e-6)
    assert np.isnan(found["nc3_cosine"].iloc[-1])


@pytest.mark.parametrize("rows", [1, 7, 50])
def test_batches_do_not_matter(rows, model, data, monkeypatch):
    x, y = data.x_train, data.y_train
    model = copy.deepcopy(model).double()  # batches of another size may differ in their last bits
    whole = look(model, x, y)
    expected, rules = table(model, x, whole, loss="cross_entropy", regression=True), nearest_mean(model, x, whole)
    monkeypatch.setattr(class_table, "ROWS_AT_ONCE", rows)
    parts = look(model, x, y)
    np.testing.assert_allclose(parts.features, whole.features, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(parts.logits, whole.logits, rtol=1e-12, atol=1e-12)
    assert nearest_mean(model, x, parts) == rules
    found = table(model, x, parts, loss="cross_entropy", regression=True)
    pd.testing.assert_frame_equal(found, expected, rtol=EXACT, atol=1e-10)


def test_looking_changes_no_weight_and_leaves_no_hook(model, data):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    nearest_mean(model, data.x_test, look(model, data.x_test, data.y_test))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(layer._forward_hooks for layer in model.modules())


def test_feature_maps_are_averaged_over_positions(data):
    small = dataclasses.replace(data, x_train=data.x_train[:12], y_train=data.y_train[:12])
    network = build_classifier(config(architecture="resnet", depth=18, width=2), small).eval()
    inputs: dict[str, torch.Tensor] = {}
    for name in network.sites:
        layer = network.get_submodule(name)
        layer.register_forward_pre_hook(lambda _, x, name=name: inputs.__setitem__(name, x[0].double().clone()))
    seen = look(network, small.x_train, small.y_train)
    labels = labels_of(small.y_train)
    assert list(seen.moments) == [*network.sites, "output"]
    for name, moments in list(seen.moments.items())[:-1]:
        h = inputs[name]
        pooled = (h.mean((2, 3)) if h.ndim == 4 else h).numpy()
        for label in set(labels):
            np.testing.assert_allclose(moments.means[label], pooled[labels == label].mean(0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_nrc1_at_rank_k_less_one_never_exceeds_the_share_within_classes(seed):
    """A theorem: no K - 1 directions, also not those between the class means, have more variance than the top K - 1."""
    generator = torch.Generator().manual_seed(seed)
    for width, number, scale in ((3, 4, 1.0), (12, 4, 0.1), (12, 5, 10.0), (40, 3, 1.0)):
        labels = torch.cat([torch.arange(number), torch.randint(number, (60,), generator=generator)])
        means = scale * torch.randn(number, width, generator=generator)
        h = means[labels] + torch.randn(len(labels), width, generator=generator) @ torch.rand(width, width)
        moments = ClassMoments.of(h, labels, number)
        share = classes.within_share(moments)
        covariance = moments.with_one_hot_targets().feature_covariance.numpy()
        values = np.sort(np.linalg.eigvalsh(covariance))[::-1]
        nrc1 = values[min(number - 1, width) :].sum() / values.sum()
        assert nrc1 <= share + 1e-12
        assert regression.nrc1(h.double(), min(number - 1, width)) == pytest.approx(nrc1, rel=1e-6, abs=1e-12)


def test_in_a_trained_network_too_nrc1_is_below_that_share(model, data):
    found = table(model, data.x_train, look(model, data.x_train, data.y_train), loss="mse", regression=True)
    assert (found["nrc1"] <= found["nc1_share"] + 1e-12).all()
    (inputs,) = input_spectra([weight_matrices(model)])
    assert len(one_hot_sites(look(model, data.x_test, data.y_test), inputs)) == DEPTH + 1


TIMES = (2, 11, 30)


@pytest.fixture(scope="module")
def computed(data):
    """Tables of a run that is measured three times, and the features at these times, captured in a second run."""
    run = config(measure_iterations=TIMES)
    tables = compute_classifier(run, data, device=torch.device("cpu")).tables
    features = {}
    with reproducible_arithmetic():
        for iteration, training in train_classifier(run, data):
            both = captured(training.model, data.x_train), captured(training.model, data.x_test)
            features[iteration] = dict(zip(("train", "test"), both, strict=True))
    return tables["measurements"], features


@pytest.mark.parametrize("split", ["train", "test"])
def test_variances_are_around_the_class_means_of_the_final_time(split, computed, data):
    found, features = computed
    labels = labels_of(data.y_train if split == "train" else data.y_test)
    for iteration in TIMES:
        rows = found[(found["split"] == split) & (found["iteration"] == iteration)].sort_values("site")
        assert len(rows) == DEPTH + 1
        for site, row in enumerate(rows.itertuples()):
            final = means_of(features[30][split][site], labels)
            now = features[iteration][split][site]
            assert row.variance == pytest.approx(variance(now, labels, final), rel=EXACT)
            assert row.variance_current == pytest.approx(variance(now, labels, means_of(now, labels)), rel=EXACT)
    last = found[(found["iteration"] == 30) & (found["split"] == split)]
    np.testing.assert_allclose(last["variance"], last["variance_current"], rtol=1e-10)
    early = found[(found["iteration"] == 2) & (found["site"] > 0)]
    assert (early["variance"] - early["variance_current"]).abs().min() > 1e-3


def test_weak_variances_are_by_the_centres_of_the_final_time(computed):
    found, features = computed
    at_head = found[(found["split"] == "test") & (found["site"] == DEPTH - 1)].set_index("iteration")
    final = features[30]["test"][-2]
    fits = [sklearn.cluster.KMeans(CLASSES, n_init=1, random_state=seed).fit(final) for seed in range(10)]

    def weak(h: np.ndarray, centres: np.ndarray) -> float:
        return np.mean([min(np.sum((row - centre) ** 2) for centre in centres) for row in h]) / between(centres)

    centres = min(fits, key=lambda fit: fit.inertia_).cluster_centers_
    for iteration in TIMES:
        expected = weak(features[iteration]["test"][-2], centres)
        assert at_head.loc[iteration, "weak_variance"] == pytest.approx(expected, rel=1e-6)
        own = classes.weak_test_variance(features[iteration]["test"][-2], CLASSES)
        assert at_head.loc[iteration, "weak_variance_current"] == pytest.approx(own, rel=1e-6)
    assert at_head.loc[30, "weak_variance"] == at_head.loc[30, "weak_variance_current"]
    assert at_head.loc[2, "weak_variance"] != at_head.loc[2, "weak_variance_current"]
    ratios = [weak(final, fit.cluster_centers_) for fit in fits]
    np.testing.assert_allclose(at_head["weak_variance_least"], min(ratios), rtol=1e-6)
    np.testing.assert_allclose(at_head["weak_variance_most"], max(ratios), rtol=1e-6)
    elsewhere = found[(found["split"] != "test") | (found["site"] != DEPTH - 1)]
    assert elsewhere[["weak_variance", "weak_variance_current", "weak_variance_least"]].isna().all(axis=None)
