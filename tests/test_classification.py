"""Training of classifiers: the optimiser written out, batches and epochs, stops, seeds, divergence."""

import json
import math

import pytest
import torch
from torch.nn import functional

from nrc_core import ConfigError, TrainingDiverged, load_dataset
from nrc_core.config.classification import ClassifierConfig, TransferConfig
from nrc_core.data.dataset import Dataset
from nrc_core.results.store import content_key, read_configuration
from nrc_core.training import checkpoints, classification
from nrc_core.training.classification import build_classifier, train_classifier
from tests.fakes_images import prepare_classes

ROWS, BATCH = 50, 16  # four batches an epoch, the last one of two rows


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Dataset:
    folder = tmp_path_factory.mktemp("classes")
    prepare_classes(folder, per_class=5, test_per_class=2)
    return load_dataset("mnist", data_dir=folder)


def config(**change) -> ClassifierConfig:
    values = {"iterations": 22, "learning_rate": 0.1, "weight_decay": 1e-2, "width": 8, "depth": 3, "batch_size": BATCH}
    return ClassifierConfig("mnist", **(values | change))


def trained(run: ClassifierConfig, data: Dataset) -> checkpoints.Training:
    *_, (_, training) = train_classifier(run, data)
    return training


def weights(model) -> list[torch.Tensor]:
    return [weight.detach().clone() for weight in model.parameters()]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def batches(seed: int, iterations: int) -> list[torch.Tensor]:
    """Rows of every batch: a fresh permutation for every epoch."""
    generator = torch.Generator().manual_seed(seed)
    found: list[torch.Tensor] = []
    while len(found) < iterations:
        found += torch.randperm(ROWS, generator=generator).split(BATCH)
    return found[:iterations]


def rate(run: ClassifierConfig, iteration: int) -> float:
    return run.learning_rate * (1 + math.cos(math.pi * iteration / run.iterations)) / 2


def plain_loss(run: ClassifierConfig, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy with smoothed targets, or the squared error to one-hot targets, from their definitions."""
    classes = logits.shape[1]
    one_hot = functional.one_hot(labels, classes).to(logits)
    if run.loss == "mse":
        return ((logits - one_hot) ** 2).mean()
    targets = (1 - run.label_smoothing) * one_hot + run.label_smoothing / classes
    return -(targets * (logits - logits.logsumexp(1, keepdim=True))).sum(1).mean()


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"seed": 3, "weight_decay": 0.0},
        {"label_smoothing": 0.1},
        {"loss": "mse"},
        {"momentum": 0.0},
        {"iterations": 40, "stop_iteration": 21},
    ],
)
def test_training_is_what_a_plain_loop_gives(change, data, double):
    """SGD written out, in double precision: v <- m v + (g + wd w), w <- w - lr v, lr by a cosine."""
    run, network = config(**change), build_classifier(config(**change), data).double()
    parameters = [w.requires_grad_() for w in weights(network)]
    velocity = [torch.zeros_like(w) for w in parameters]
    scale = network.pixel_mean.item(), network.pixel_spread.item()  # kept in single precision
    assert scale == pytest.approx((data.pixel_mean[0], data.pixel_spread[0]), rel=1e-6)
    x = (data.x_train.flatten(1).double() - scale[0]) / scale[1]
    labels = data.y_train.argmax(1)
    losses = []
    for iteration, rows in enumerate(batches(run.seed, run.last)):
        hidden = x[rows]
        for number in range(0, len(parameters), 2):
            hidden = (hidden.relu() if number else hidden) @ parameters[number].T + parameters[number + 1]
        loss = plain_loss(run, hidden, labels[rows])
        gradients = torch.autograd.grad(loss, parameters)
        losses.append(loss.item())
        for w, v, g in zip(parameters, velocity, gradients, strict=True):
            v.mul_(run.momentum).add_(g + run.weight_decay * w.detach())
            w.data.sub_(rate(run, iteration) * v)
    *_, (_, training) = train_classifier(run, double(data), model=network)
    for expected, got in zip(parameters, weights(training.model), strict=True):
        assert (got - expected).norm() < 1e-12 * expected.norm()
    assert [row["batch_loss"] for row in training.losses] == pytest.approx(losses, rel=1e-12)


@pytest.mark.parametrize("change", [{}, {"stop_iteration": 9}])
def test_the_learning_rate_falls_by_a_cosine_over_all_iterations(change, data):
    run = config(**change)
    found = trained(run, data).losses
    assert [row["iteration"] for row in found] == list(range(1, run.last + 1))
    assert [row["learning_rate"] for row in found] == pytest.approx([rate(run, s) for s in range(run.last)], rel=1e-12)
    assert found[0]["learning_rate"] == run.learning_rate


def test_an_iteration_is_a_batch_and_an_epoch_sees_every_row_once(data, monkeypatch):
    run, seen = config(iterations=9), []
    build = classification.build_classifier

    def watched(*given):
        model = build(*given)
        model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
        return model

    monkeypatch.setattr(classification, "build_classifier", watched)
    trained(run, data)
    assert [len(x) for x in seen] == [16, 16, 16, 2, 16, 16, 16, 2, 16]
    for x, rows in zip(seen, batches(run.seed, 9), strict=True):
        assert torch.equal(x, data.x_train[rows])
    everything = sorted(image.numpy().tobytes() for image in data.x_train)
    epochs = [torch.cat(seen[:4]), torch.cat(seen[4:8])]
    assert all(sorted(image.numpy().tobytes() for image in epoch) == everything for epoch in epochs)
    assert not torch.equal(*epochs)


def test_a_batch_larger_than_the_data_is_all_of_them(data):
    run = config(batch_size=1000, iterations=3, momentum=0.0, weight_decay=0.0)
    shuffled = trained(run, data)
    model = build_classifier(run, data)
    loss = functional.cross_entropy(model(data.x_train), data.y_train).item()
    assert shuffled.losses[0]["batch_loss"] == pytest.approx(loss, rel=1e-5)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(data):
    first = trained(config(seed=5), data)
    torch.rand(17)
    second = trained(config(seed=5), data)
    assert same(weights(first.model), weights(second.model))
    assert first.losses == second.losses
    assert not same(weights(first.model), weights(trained(config(seed=6), data).model))
    built = [build_classifier(config(seed=seed), data) for seed in (5, 6)]
    assert not same(weights(built[0]), weights(built[1]))


@pytest.mark.parametrize(("architecture", "depth"), [("resnet", 18), ("vgg", 11)])
def test_so_does_every_kind_of_network_whatever_was_drawn_meanwhile(architecture, depth, data):
    """VGG has dropout: the seed determines the dropped units, and no other random numbers change."""
    run = config(architecture=architecture, depth=depth, width=2, iterations=3, learning_rate=0.01)
    torch.manual_seed(0)
    first = trained(run, data)
    torch.rand(17)
    second = trained(run, data)
    assert first.losses == second.losses
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name
    drawn = torch.rand(3)
    torch.manual_seed(0)
    torch.rand(17)
    assert torch.equal(drawn, torch.rand(3))


def test_batches_differ_between_seeds_from_the_same_start(data):
    model = [build_classifier(config(), data) for _ in range(2)]
    ends = [list(train_classifier(config(seed=s), data, model=m))[-1][1] for s, m in zip((0, 1), model, strict=True)]
    assert ends[0].losses != ends[1].losses


def test_training_goes_on_from_a_model_that_is_given(data):
    run = config(iterations=1, learning_rate=1e-30, weight_decay=0.0)
    start = build_classifier(config(seed=9), data)
    before = weights(start)
    ((_, training),) = train_classifier(run, data, model=start)
    assert training.model is start
    assert same(before, weights(training.model))


def test_it_pauses_at_the_iterations_asked_for_and_the_last(data):
    run = config(measure_iterations=(7, 2, 7))
    assert run.times == (2, 7, 22)
    model_then = {iteration: weights(training.model) for iteration, training in train_classifier(run, data)}
    assert list(model_then) == [2, 7, 22]
    assert same(model_then[2], weights(trained(config(iterations=22, stop_iteration=2), data).model))


def test_measuring_changes_no_bit(data):
    plain, often = trained(config(), data), trained(config(measure_iterations=tuple(range(1, 22))), data)
    assert same(weights(plain.model), weights(often.model))
    assert plain.losses == often.losses


def test_a_run_that_is_stopped_is_the_first_part_of_the_whole(data):
    whole = trained(config(iterations=40), data)
    stopped = [iteration for iteration, _ in train_classifier(config(iterations=40, stop_iteration=13), data)]
    assert stopped == [13]
    assert trained(config(iterations=40, stop_iteration=13), data).losses == whole.losses[:13]


def test_the_loss_ends_it_at_the_end_of_an_epoch_only(data):
    run = config(iterations=60)
    losses = trained(run, data).losses
    sizes = [16, 16, 16, 2] * 15
    means = [
        sum(row["batch_loss"] * n for row, n in zip(losses[e : e + 4], sizes[e : e + 4], strict=True)) / ROWS
        for e in range(0, 60, 4)
    ]
    stop = (means[6] + min(means[:6])) / 2
    assert means[6] < stop < min(means[:6]), "the losses must fall for this test to say something"
    found = list(train_classifier(config(iterations=60, stop_loss=stop, measure_iterations=(5, 30, 50)), data))
    assert [iteration for iteration, _ in found] == [5, 28]
    assert found[-1][1].losses == losses[:28]


def test_a_loss_that_is_never_reached_changes_nothing(data):
    plain, waiting = trained(config(), data), trained(config(stop_loss=0.0), data)
    assert plain.losses == waiting.losses
    assert same(weights(plain.model), weights(waiting.model))


def test_rows_of_losses_are_means_over_the_samples_since_the_last(data, monkeypatch):
    single = trained(config(), data).losses
    monkeypatch.setattr(classification, "LOSS_ROWS", 4)  # a row for every six iterations, and the last
    rows = trained(config(measure_iterations=(3, 12)), data).losses
    assert [row["iteration"] for row in rows] == [6, 12, 18, 22]
    sizes = ([16, 16, 16, 2] * 6)[:22]
    for row, (start, end) in zip(rows, [(0, 6), (6, 12), (12, 18), (18, 22)], strict=True):
        for name in ("batch_loss", "batch_error"):
            total = sum(one[name] * n for one, n in zip(single[start:end], sizes[start:end], strict=True))
            assert row[name] == pytest.approx(total / sum(sizes[start:end]), rel=1e-12)


def test_the_error_is_the_share_of_wrong_decisions(data):
    run = config(iterations=1, batch_size=ROWS)
    model = build_classifier(run, data)
    wrong = (model(data.x_train).argmax(1) != data.y_train.argmax(1)).double().mean().item()
    assert trained(run, data).losses[0]["batch_error"] == pytest.approx(wrong)


def test_patterns_are_learned(data):
    model = trained(config(iterations=60), data).model.eval()
    right = (model(data.x_test).argmax(1) == data.y_test.argmax(1)).sum().item()
    assert right >= 12, "of 20 test rows, 2 by chance"


@pytest.mark.parametrize("change", [{}, {"stop_loss": 1e-6}, {"loss": "mse"}])
def test_divergence_is_named(change, data):
    with pytest.raises(TrainingDiverged, match=r"mnist, seed 4: the loss is no longer finite at iteration \d+ .*1e\+"):
        trained(config(seed=4, learning_rate=1e25, iterations=12, **change), data)


def test_data_that_are_no_images_in_classes_are_refused(tmp_path):
    numbers = load_dataset("synthetic", samples=20)
    with pytest.raises(ConfigError, match="takes images in classes, and 'synthetic' are not: use a regression run"):
        build_classifier(config(), numbers)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iterations": 0}, "iterations must be a whole number, at least 1: got 0"),
        ({"width": 0}, "width must be a whole number, at least 1: got 0"),
        ({"depth": True}, "depth must be a whole number, at least 1: got True"),
        ({"batch_size": 0}, "batch_size must be a whole number, at least 1: got 0"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive: got 0.0"),
        ({"learning_rate": math.inf}, "learning_rate must be positive: got inf"),
        ({"weight_decay": -1e-3}, "weight_decay must be zero or positive: got -0.001"),
        ({"stop_loss": -1.0}, "stop_loss must be zero or positive: got -1.0"),
        ({"stop_iteration": 0}, "stop_iteration must be a whole number, at least 1: got 0"),
        ({"stop_iteration": 23}, "stop_iteration must be at most iterations = 22: got 23"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\): got 1.0"),
        ({"label_smoothing": 1.0}, r"label_smoothing must be in \[0, 1\): got 1.0"),
        ({"label_smoothing": 0.1, "loss": "mse"}, "label_smoothing is an option of the cross-entropy"),
        ({"loss": "hinge"}, "loss must be one of cross_entropy, mse: got 'hinge'"),
        ({"architecture": "vit"}, "architecture must be one of mlp, resnet, vgg, densenet: got 'vit'"),
        ({"stem": "large"}, "stem must be one of small, imagenet: got 'large'"),
        ({"architecture": "resnet", "depth": 34}, "depth of a resnet must be 18 or 50: got 34"),
        ({"measure_iterations": (23,)}, "measure_iterations must lie between 1 and 22: got 23"),
        ({"measure_iterations": (10,), "stop_iteration": 9}, "measure_iterations must lie between 1 and 9: got 10"),
        ({"measure_iterations": (0,)}, "measure_iterations must lie between 1 and 22: got 0"),
    ],
)
def test_values_out_of_range_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        config(**change)


def test_when_it_is_measured_and_what_is_kept_is_no_part_of_what_a_run_is():
    plain = config()
    wider = config(measure_iterations=(3, 9), keep_weights=True)
    assert plain.identity() == wider.identity()
    assert content_key(plain, "data") == content_key(wider, "data")
    assert plain.identity()["task"] == "classification"
    for change in ({"seed": 1}, {"loss": "mse"}, {"stop_iteration": 9}, {"dataset_options": {"train_per_class": 3}}):
        assert config(**change).identity() != plain.identity()


def test_a_run_covers_another_that_is_measured_less():
    wide, narrow = config(measure_iterations=(3, 9)), config(measure_iterations=(3,))
    assert wide.covers(narrow)
    assert not narrow.covers(wide)
    assert narrow.measured_with(wide).times == (3, 9, 22)


def transfer_config(**change) -> TransferConfig:
    pretraining = config(measure_iterations=(4, 9), keep_weights=True, dataset_options={"labels": "superclasses"})
    values = {
        "start": 4, "iterations": 5, "learning_rates": (0.1, 0.01), "dataset": "mnist", "validation_per_class": 1,
        "dataset_options": {"labels": "members", "train_per_class": 2, "train_skip": 1},
    }  # fmt: skip
    return TransferConfig(**({"pretraining": pretraining} | values | change))


@pytest.mark.parametrize("made", [config(stop_loss=0.1, measure_iterations=(2, 5)), config(), transfer_config()])
def test_a_configuration_is_read_back_from_its_provenance(made):
    assert read_configuration(json.loads(json.dumps(made.as_dict()))) == made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": 5}, r"start must be an iteration after which the pre-training is measured, \(4, 9, 22\): got 5"),
        ({"iterations": 0}, "iterations must be a whole number, at least 1: got 0"),
        ({"validation_per_class": 0}, "validation_per_class must be a whole number, at least 1: got 0"),
        ({"seed": 2**32}, "seed must be a whole number from 0"),
        ({"learning_rates": ()}, "learning_rates must be one or more different values"),
        ({"learning_rates": (0.1, 0.1)}, "learning_rates must be one or more different values"),
        ({"learning_rates": (0.1, -0.1)}, "learning_rates must be positive: got -0.1"),
        ({"dataset_options": {}}, r"must have train_per_class, since the validation rows follow .*: got \[\]"),
        ({"pretraining": config(measure_iterations=(4,), stop_loss=0.1)}, "stop_loss of the pre-training may end it"),
    ],
)
def test_a_transfer_out_of_range_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        transfer_config(**change)


def test_a_transfer_is_known_by_its_pretraining_whenever_that_was_measured():
    one, another = transfer_config(), transfer_config(start=9)
    assert one.identity() != another.identity()
    assert "measure_iterations" not in one.identity()["pretraining"]
    assert one.times == (5,)
