"""Training of feature maps on classes, and the measurement of their features at the iterations of a configuration."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from nrc_core.config.trained_features import CROSS_ENTROPY, INPUTS, TrainedFeaturesConfig
from nrc_core.data.dataset import Dataset
from nrc_core.errors import ConfigError, TrainingDiverged
from nrc_core.metrics.class_bound import class_distance_bound
from nrc_core.metrics.classes import class_distance_normalized_variance, margins, normalised_margins
from nrc_core.metrics.coding_rate import coding_rate_reduction
from nrc_core.metrics.few_shot import few_shot_accuracy
from nrc_core.networks.feature_map import FeatureClassifier
from nrc_core.training.subspaces import nearest_means, nearest_subspaces

WAYS, SHOTS, EPISODES = 5, 5, 200  # of few-shot accuracy
AT_ONCE = 500  # rows whose Jacobians are computed together
Value = tuple[str, int, float]  # quantity, index, value


@dataclass(frozen=True)
class Task:
    """Rows and labels (from 0, without gaps) of the training, the test and the unseen classes; float32 inputs.

    `given` are the labels that training uses, of which some may be replaced.
    """

    x_train: Tensor
    labels: Tensor
    given: Tensor
    x_test: Tensor
    test_labels: Tensor
    x_targets: Tensor
    target_labels: Tensor
    classes: int


def trained_features(config: TrainedFeaturesConfig, dataset: Dataset) -> list[dict[str, Any]]:
    """All measurements of one network: rows of start (always 0), quantity, index and value.

    Quantities with the iteration as index, on the trained classes: `loss`, of all training rows, without the weight
    decay; `given_accuracy`, the share of the given training labels that the network gives; `wrong_given_accuracy`, the
    same of the wrong ones among them, if there are any; `test_accuracy`; all by the largest logit with cross entropy,
    and by the nearest subspace with the coding rate; `accuracy_by_means` and `accuracy_by_subspaces` of the test rows;
    `v_train` and `v_test`, V_f as the mean over pairs of classes; `complexity`, the mean over classes of G_i, the mean
    squared norm of the map's Jacobian on the training rows of a class; `normalised_complexity`, the mean over pairs of
    (G_i + G_j) / (2 |m_i - m_j|^2) with the class means m_i of the features; both on the test rows as
    `complexity_test` and `normalised_complexity_test`; with cross entropy `margin_least`, `normalised_margin_least`
    and `normalised_margin_spread` (standard deviation over mean) of the training rows. On the classes that are not
    trained: `v_target` and `v_target_median`, over pairs, and `few_shot`, the accuracy with five classes and five rows
    of each. For the targets, the index -1 has the values of the inputs in place of features.

    Quantities at the end: `variance` and `class_complexity`, of the training rows, with the number of the trained class
    as index; and `pair_test` and `pair_bound`, both sides of `class_distance_bound` for features of training and test
    rows, with the number of the pair as index.

    Raises:
        ConfigError: the data set has no classes, or lacks one of the classes.
        TrainingDiverged: the loss is no longer finite; the message names the iteration.
    """
    task = _task(config, dataset)
    rows = list(_of_targets(task.x_targets, task, INPUTS)) if config.targets else []
    for iteration, model in _trained(config, task):
        rows += _measured(config, model, task, iteration)
    rows += _at_end(config, model, task)
    return [{"start": 0, "quantity": name, "index": index, "value": value} for name, index, value in rows]


def _task(config: TrainedFeaturesConfig, dataset: Dataset) -> Task:
    if dataset.classes is None:
        raise ConfigError(f"trained features need data in classes: {dataset.name!r} has none, use another data set")
    known = len(dataset.classes)
    sources = config.sources or tuple(one for one in range(known) if one not in config.targets)
    if absent := [one for one in (*sources, *config.targets) if one >= known]:
        raise ConfigError(f"{dataset.name!r} has the classes 0 to {known - 1}: got {absent[0]}, leave it out")
    if len(sources) < 2:
        raise ConfigError(f"sources must be two classes or more: got {len(sources)}")
    x_train, x_test = _scaled(dataset)
    train, test = dataset.y_train.argmax(1), dataset.y_test.argmax(1)
    here, there, unseen = (
        _places(labels, ones) for labels, ones in ((train, sources), (test, sources), (test, config.targets))
    )
    labels = _renumbered(train[here], sources)
    return Task(
        x_train[here],
        labels,
        _corrupted(labels, len(sources), config),
        x_test[there],
        _renumbered(test[there], sources),
        x_test[unseen],
        _renumbered(test[unseen], config.targets),
        len(sources),
    )


def _scaled(dataset: Dataset) -> tuple[Tensor, Tensor]:
    """The inputs as rows; pixels are scaled by the mean and the spread of all pixels of the training images."""
    x_train, x_test = (x.flatten(1).float() for x in (dataset.x_train, dataset.x_test))
    if not dataset.images:
        return x_train, x_test
    mean, spread = x_train.mean(), x_train.std(correction=0)
    return (x_train - mean) / spread, (x_test - mean) / spread


def _places(labels: Tensor, chosen: tuple[int, ...]) -> Tensor:
    return torch.isin(labels, torch.tensor(chosen, dtype=labels.dtype)).nonzero().squeeze(1)


def _renumbered(labels: Tensor, chosen: tuple[int, ...]) -> Tensor:
    """Labels as places in the list of chosen classes."""
    places = torch.zeros(max(chosen, default=0) + 1, dtype=torch.long)
    places[list(chosen)] = torch.arange(len(chosen))
    return places[labels]


def _corrupted(labels: Tensor, classes: int, config: TrainedFeaturesConfig) -> Tensor:
    """Labels of which a share is replaced by labels from all classes, so that some replaced ones are right."""
    generator = torch.Generator().manual_seed(config.seed)
    replaced = torch.randperm(len(labels), generator=generator)[: round(config.corrupted * len(labels))]
    given = labels.clone()
    given[replaced] = torch.randint(classes, (len(replaced),), generator=generator)
    return given


def _trained(config: TrainedFeaturesConfig, task: Task) -> Iterator[tuple[int, FeatureClassifier]]:
    """Train, and yield the network at every iteration to measure."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = FeatureClassifier(
            task.x_train.shape[1], width=config.width, depth=config.depth, features=config.features,
            classes=task.classes,
        )  # fmt: skip
    optimiser = torch.optim.SGD(
        model.parameters(), config.learning_rate, momentum=config.momentum, weight_decay=config.weight_decay, fused=True
    )
    generator = torch.Generator().manual_seed(config.seed)
    order = torch.empty(0, dtype=torch.long)
    for iteration in range(config.iterations + 1):
        if iteration in config.measured:
            yield iteration, model
        if iteration == config.iterations:
            return  # what is measured at the end is the same network
        if len(order) == 0:
            order = torch.randperm(len(task.x_train), generator=generator)
        rows, order = order[: config.batch_size], order[config.batch_size :]
        x = task.x_train[rows]
        value = _loss(config, model, x, task.given[rows])
        if config.penalty:
            value = value + config.penalty * model.squared_jacobians(x).mean()
        if not math.isfinite(value.item()):
            raise TrainingDiverged(
                f"{config.short_name}: the loss is no longer finite at iteration {iteration} (learning rate "
                f"{config.learning_rate:g}): try a smaller learning_rate, or most_gradient=1"
            )
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        if config.most_gradient is not None:
            clip_grad_norm_(model.parameters(), config.most_gradient)
        optimiser.step()


def _loss(config: TrainedFeaturesConfig, model: FeatureClassifier, x: Tensor, labels: Tensor) -> Tensor:
    if config.loss == CROSS_ENTROPY:
        return functional.cross_entropy(model(x), labels)
    return -coding_rate_reduction(functional.normalize(model.map(x)), labels)


@torch.no_grad()
def _measured(config: TrainedFeaturesConfig, model: FeatureClassifier, task: Task, iteration: int) -> Iterator[Value]:
    """Yield the quantities of an iteration."""
    train, test = (_features(config, model, x) for x in (task.x_train, task.x_test))
    subspaces = nearest_subspaces(train, task.given, test)
    yield "loss", iteration, _loss(config, model, task.x_train, task.given).item()
    if config.loss == CROSS_ENTROPY:
        logits = model(task.x_train)
        given, of_test = logits.argmax(1), model(task.x_test).argmax(1)
        yield from _margins(model, train, logits, task.given, iteration)
    else:
        given, of_test = nearest_subspaces(train, task.given, train), subspaces
    yield "given_accuracy", iteration, _share(given == task.given)
    wrong = task.given != task.labels
    if wrong.any():
        yield "wrong_given_accuracy", iteration, _share(given[wrong] == task.given[wrong])
    yield "test_accuracy", iteration, _share(of_test == task.test_labels)
    yield "accuracy_by_means", iteration, _share(nearest_means(train, task.given, test) == task.test_labels)
    yield "accuracy_by_subspaces", iteration, _share(subspaces == task.test_labels)
    yield "v_train", iteration, class_distance_normalized_variance(train, task.given)
    yield "v_test", iteration, class_distance_normalized_variance(test, task.test_labels)
    if config.complexity:
        for end, x, labels in (("", task.x_train, task.labels), ("_test", task.x_test, task.test_labels)):
            complexities = _complexities(model, x, labels)
            yield f"complexity{end}", iteration, complexities.mean().item()
            yield f"normalised_complexity{end}", iteration, _normalised(model.map(x).double(), labels, complexities)
    if config.targets:
        yield from _of_targets(_features(config, model, task.x_targets), task, iteration)


def _features(config: TrainedFeaturesConfig, model: FeatureClassifier, x: Tensor) -> Tensor:
    """The features in double precision; those of the coding rate have length 1."""
    features = model.map(x).double()
    return features if config.loss == CROSS_ENTROPY else functional.normalize(features)


def _margins(
    model: FeatureClassifier, features: Tensor, logits: Tensor, labels: Tensor, iteration: int
) -> Iterator[Value]:
    normalised = normalised_margins(features, labels, model.head.weight.double(), model.head.bias.double())
    yield "margin_least", iteration, margins(logits.double(), labels).min().item()
    yield "normalised_margin_least", iteration, normalised.min().item()
    yield "normalised_margin_spread", iteration, (normalised.std(correction=0) / normalised.mean()).item()


def _of_targets(features: Tensor, task: Task, index: int) -> Iterator[Value]:
    """Yield the quantities of the classes that are not trained."""
    pairs = _pairs(features.double(), task.target_labels)
    yield "v_target", index, pairs.mean().item()
    yield "v_target_median", index, pairs.median().item()
    accuracy = few_shot_accuracy(
        features.double(), task.target_labels, ways=min(WAYS, len(task.target_labels.unique())), shots=SHOTS,
        episodes=EPISODES, seed=0,
    )  # fmt: skip
    yield "few_shot", index, accuracy


def _pairs(features: Tensor, labels: Tensor) -> Tensor:
    """V_f of every pair of classes."""
    table = class_distance_bound(features, labels, features, labels)
    return torch.tensor(table["test"].to_numpy())


def _complexities(model: FeatureClassifier, x: Tensor, labels: Tensor) -> Tensor:
    """The complexity of the map on the rows of each trained class."""
    squared = torch.cat([model.squared_jacobians(rows) for rows in x.split(AT_ONCE)]).double()
    return torch.stack([squared[labels == one].mean() for one in labels.unique()])


def _normalised(features: Tensor, labels: Tensor, complexities: Tensor) -> float:
    """The mean over pairs of (G_i + G_j) / (2 |m_i - m_j|^2)."""
    means = torch.stack([features[labels == one].mean(0) for one in range(len(complexities))])
    i, j = torch.triu_indices(len(means), len(means), offset=1)
    distances = (means[i] - means[j]).square().sum(1)
    return ((complexities[i] + complexities[j]) / (2 * distances)).mean().item()


@torch.no_grad()
def _at_end(config: TrainedFeaturesConfig, model: FeatureClassifier, task: Task) -> Iterator[Value]:
    train, test = (model.map(x).double() for x in (task.x_train, task.x_test))
    for label in range(task.classes):
        own = train[task.labels == label]
        yield "variance", label, (own - own.mean(0)).square().sum(1).mean().item()
    if config.complexity:
        for label, complexity in enumerate(_complexities(model, task.x_train, task.labels).tolist()):
            yield "class_complexity", label, complexity
    for place, row in enumerate(class_distance_bound(train, task.labels, test, task.test_labels).to_dict("records")):
        yield "pair_test", place, row["test"]
        yield "pair_bound", place, row["bound"]


def _share(right: Tensor) -> float:
    return right.double().mean().item()
