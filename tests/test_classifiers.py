"""Networks for classification: torchvision's at full size, their stems and sites, and how they scale pixels."""

import math
import os
import subprocess
import sys

import pytest
import torch
import torchvision
from torch import nn

from nrc_core.metrics.sites import collect
from nrc_core.networks.classifiers import CLASSIFIERS, Classifier, classifier

NETWORKS = [("mlp", 3), ("resnet", 18), ("resnet", 50), ("vgg", 11), ("densenet", 121), ("densenet", 201)]
MEAN, SPREAD = (120.0, 110.0, 100.0), (60.0, 50.0, 40.0)


def build(architecture="resnet", depth=18, *, width=4, channels=3, size=32, classes=5, seed=0, **more) -> Classifier:
    torch.manual_seed(seed)
    more = {"image_size": (size, size), "pixel_mean": MEAN[:channels], "pixel_spread": SPREAD[:channels]} | more
    return classifier(architecture, depth=depth, width=width, channels=channels, classes=classes, **more).eval()


def images(n: int, *, channels: int = 3, size: int = 32, low: int = 0, high: int = 256) -> torch.Tensor:
    source = torch.Generator().manual_seed(1)
    return torch.randint(low, high, (n, channels, size, size), dtype=torch.uint8, generator=source)


def inputs_of(model: Classifier, names, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The inputs of the named layers, in the order in which the layers run."""
    seen: dict[str, torch.Tensor] = {}
    handles = [
        model.get_submodule(name).register_forward_pre_hook(
            lambda _, inputs, name=name: seen.__setitem__(name, inputs[0].detach().clone())
        )
        for name in names
    ]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32), (3, 96)])
@pytest.mark.parametrize(("architecture", "depth"), [n for n in NETWORKS if n[1] != 201])
def test_every_network_takes_images_of_every_size(architecture, depth, channels, size):
    model = build(architecture, depth, channels=channels, size=size)
    logits = model(images(2, channels=channels, size=size))
    assert logits.shape == (2, 5)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


@pytest.mark.parametrize(
    ("architecture", "depth", "original"),
    [
        ("resnet", 18, torchvision.models.resnet18),
        ("resnet", 50, torchvision.models.resnet50),
        ("vgg", 11, torchvision.models.vgg11_bn),
        ("densenet", 121, torchvision.models.densenet121),
        ("densenet", 201, torchvision.models.densenet201),
    ],
)
def test_at_full_width_weights_have_the_names_and_shapes_of_torchvisions(architecture, depth, original):
    with torch.device("meta"):
        stem = "small" if architecture == "vgg" else "imagenet"
        own = build(architecture, depth, width=64, size=224, classes=1000, stem=stem).network.state_dict()
        expected = original(num_classes=1000).state_dict()
    assert [(name, value.shape) for name, value in own.items()] == [(n, v.shape) for n, v in expected.items()]


@pytest.mark.parametrize(
    ("architecture", "depth", "original"),
    [("resnet", 18, torchvision.models.resnet18), ("densenet", 121, torchvision.models.densenet121)],
)
def test_at_full_width_it_is_torchvisions_own(architecture, depth, original):
    model = build(architecture, depth, width=64, stem="imagenet", seed=3)
    torch.manual_seed(3)
    expected = original(num_classes=5).eval()
    assert all(torch.equal(model.network.state_dict()[n], value) for n, value in expected.state_dict().items())
    x = images(2)
    scaled = (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(SPREAD).view(3, 1, 1)
    torch.testing.assert_close(model(x), expected(scaled), rtol=1e-4, atol=1e-4)


def test_a_narrow_vgg_is_torchvisions_own_with_narrow_layers(monkeypatch):
    class Narrow(nn.Linear):
        def __init__(self, inputs: int, outputs: int):
            sizes = {512 * 49: 64 * 49, 4096: 512}
            super().__init__(sizes.get(inputs, inputs), sizes.get(outputs, outputs))

    model = build("vgg", 11, width=8, seed=3)
    monkeypatch.setattr(torchvision.models.vgg.nn, "Linear", Narrow)
    torch.manual_seed(3)
    plan = [c if c == "M" else c // 8 for c in torchvision.models.vgg.cfgs["A"]]
    features = torchvision.models.vgg.make_layers(plan, batch_norm=True)
    expected = torchvision.models.VGG(features, num_classes=5).eval()
    assert all(torch.equal(model.network.state_dict()[n], value) for n, value in expected.state_dict().items())
    x = images(2)
    scaled = (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(SPREAD).view(3, 1, 1)
    torch.testing.assert_close(model(x), expected(scaled), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("architecture", "depth"), NETWORKS)
def test_sites_are_in_order_of_execution_and_end_with_the_head(architecture, depth):
    model = build(architecture, depth, width=8)
    x, y = images(3), torch.eye(5)[[0, 1, 1]]
    sites = collect(model, x, y)["post"]
    assert [site.name for site in sites] == [*model.sites, "output"]
    assert list(inputs_of(model, model.sites, x)) == list(model.sites)
    layers = dict(model.named_modules())
    head = layers[model.sites[-1]]
    expected = {
        ("mlp", 3): (3, "network.layers.4", 8),
        ("resnet", 18): (17, "network.fc", 64),
        ("resnet", 50): (49, "network.fc", 256),
        ("vgg", 11): (10, "network.classifier.6", 512),
        ("densenet", 121): (4, "network.classifier", 128),
        ("densenet", 201): (4, "network.classifier", 240),
    }
    assert (len(model.sites), model.sites[-1], head.in_features) == expected[architecture, depth]
    assert sites[-2].moments.width == head.in_features
    assert sites[-2].weight.shape == (5, head.in_features)


def test_the_features_of_the_last_site_are_those_the_head_turns_into_logits():
    for architecture, depth in NETWORKS:
        model, x = build(architecture, depth), images(3)
        head = model.get_submodule(model.sites[-1])
        features = inputs_of(model, model.sites[-1:], x)[model.sites[-1]]
        torch.testing.assert_close(features @ head.weight.T + head.bias, model(x))


def test_which_layers_are_sites():
    assert build("mlp", 3).sites == ("network.layers.0", "network.layers.2", "network.layers.4")
    resnet = build("resnet", 50)
    assert resnet.sites[:4] == (*(f"network.layer1.0.conv{i}" for i in (1, 2, 3)), "network.layer1.1.conv1")
    assert not any("downsample" in name for name in resnet.sites)
    convolutions = tuple(f"network.features.{i}" for i in (0, 4, 8, 11, 15, 18, 22, 25))
    assert build("vgg", 11).sites == (*convolutions, *(f"network.classifier.{i}" for i in (3, 6)))
    transitions = tuple(f"network.features.transition{i}.conv" for i in (1, 2, 3))
    assert build("densenet", 121).sites == (*transitions, "network.classifier")


@pytest.mark.parametrize(("architecture", "depth"), NETWORKS)
def test_pixels_count_relative_to_their_mean_and_spread(architecture, depth):
    x = images(2, low=0, high=100)
    shifted = build(architecture, depth, pixel_mean=[m + 50 for m in MEAN])
    torch.testing.assert_close(shifted(x + 50), build(architecture, depth)(x))
    doubled = build(architecture, depth, pixel_mean=[2 * m for m in MEAN], pixel_spread=[2 * s for s in SPREAD])
    torch.testing.assert_close(doubled(2 * x), build(architecture, depth)(x))
    assert shifted.pixel_mean.shape == (1, 3, 1, 1)


@pytest.mark.parametrize(("architecture", "depth"), NETWORKS)
def test_the_seed_decides_the_weights(architecture, depth):
    first, again, other = (build(architecture, depth, seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize(("architecture", "depth"), [n for n in NETWORKS if n[0] in ("resnet", "densenet")])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_small_stem_keeps_the_resolution_and_torchvisions_quarters_it(architecture, depth, channels):
    first = "network.layer1" if architecture == "resnet" else "network.features.denseblock1"
    for stem, side in (("small", 32), ("imagenet", 8)):
        model = build(architecture, depth, channels=channels, stem=stem)
        assert inputs_of(model, [first], images(1, channels=channels))[first].shape == (1, 4, side, side)


@pytest.mark.parametrize("stem", ["small", "imagenet"])
@pytest.mark.parametrize(("architecture", "factor"), [("resnet", "out"), ("densenet", "in")])
def test_stems_start_as_torchvisions_convolutions(architecture, factor, stem):
    """Normal, of variance 2 / fan; torchvision's ResNet counts outputs and its DenseNet inputs."""
    depth, name = (18, "conv1") if architecture == "resnet" else (121, "features.conv0")
    weight = build(architecture, depth, width=48, channels=1, stem=stem).network.get_submodule(name).weight
    fan = weight[0].numel() if factor == "in" else weight[:, 0].numel()
    assert weight.std().item() == pytest.approx(math.sqrt(2 / fan), rel=0.15)


def test_widths_scale():
    resnet, vgg, densenet = build("resnet", 50, width=6), build("vgg", 11, width=16), build("densenet", 121, width=10)
    assert [resnet.get_submodule(f"network.layer{i}.0.conv1").out_channels for i in (1, 2, 3, 4)] == [6, 12, 24, 48]
    convolutions = [layer.out_channels for layer in vgg.modules() if isinstance(layer, nn.Conv2d)]
    assert convolutions == [16, 32, 64, 64, 128, 128, 128, 128]
    linear = [layer.weight.shape for layer in vgg.modules() if isinstance(layer, nn.Linear)]
    assert linear == [(1024, 128 * 49), (1024, 1024), (5, 1024)]
    assert densenet.network.features.denseblock1.denselayer1.conv2.out_channels == 5
    for architecture, depth in NETWORKS:
        assert build(architecture, depth, width=1)(images(2)).shape == (2, 5)


def test_vgg_frames_small_images_with_the_mean_colour():
    model = build("vgg", 11, size=28)
    x = images(2, size=28)
    framed = torch.tensor(MEAN, dtype=torch.uint8).view(1, 3, 1, 1).repeat(2, 1, 32, 32)
    framed[:, :, 2:30, 2:30] = x
    torch.testing.assert_close(model(x), model(framed))
    first = model.sites[0]
    assert inputs_of(model, [first], x)[first].shape[2:] == (32, 32)
    assert inputs_of(model, [first], images(2, size=29))[first].shape[2:] == (32, 32)
    assert inputs_of(model, [first], images(2, size=40))[first].shape[2:] == (40, 40)


@pytest.mark.parametrize(("architecture", "depth"), NETWORKS)
def test_images_need_not_be_square(architecture, depth):
    model, x = build(architecture, depth, image_size=(28, 40)), images(2, size=40)[:, :, :28]
    assert model(x).shape == (2, 5)
    if architecture == "vgg":
        assert inputs_of(model, model.sites[:1], x)[model.sites[0]].shape[2:] == (32, 40)


@pytest.mark.parametrize("given", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("architecture", "depth"), [n for n in NETWORKS if n[0] != "mlp"])
@pytest.mark.parametrize(("width", "order"), [(8, torch.channels_last), (4, torch.contiguous_format)])
def test_feature_maps_have_one_order_from_the_first_layer_on(architecture, depth, channels, width, order, given):
    """This includes images of one channel, for which torch finds the memory layout from the strides alone."""
    x = images(2, channels=channels, size=28)
    x = x.movedim(1, 3).contiguous().movedim(3, 1) if given == torch.channels_last else x
    model = build(architecture, depth, width=width, channels=channels, size=28)
    maps = inputs_of(model, [n for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)], x)
    assert all(x.is_contiguous(memory_format=order) for x in maps.values())


NARROW = """
import torch
from nrc_core.networks.classifiers import classifier
torch.set_num_threads(1)
pixels = {"pixel_mean": [33.0], "pixel_spread": [79.0]}
model = classifier("resnet", depth=18, width=4, channels=1, image_size=(28, 28), classes=3, **pixels)
for step in range(5):
    model(torch.zeros(16, 28, 28, 1, dtype=torch.uint8).movedim(3, 1)).square().mean().backward()
"""


def test_narrow_networks_survive_a_processor_without_avx512():
    """On such a processor, oneDNN would write past the end of other feature maps, and the process would be killed."""
    done = subprocess.run([sys.executable, "-c", NARROW], env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}, timeout=120)
    assert done.returncode == 0


def test_the_last_layers_of_vgg_drop_out_only_in_training():
    model, x = build("vgg", 11), images(2)
    assert torch.equal(model(x), model(x))
    assert [type(layer) for layer in model.network.classifier] == [
        nn.Linear, nn.ReLU, nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"architecture": "alexnet"}, "architecture must be one of mlp, resnet, vgg, densenet: got 'alexnet'"),
        ({"depth": 34}, "depth of a resnet must be 18 or 50: got 34"),
        ({"architecture": "vgg", "depth": 16}, "depth of a vgg must be 11: got 16"),
        ({"architecture": "densenet", "depth": 169}, "depth of a densenet must be 121 or 201: got 169"),
        ({"architecture": "mlp", "depth": 0}, "depth must be at least 1: got 0"),
        ({"stem": "large"}, "stem must be one of small, imagenet: got 'large'"),
        ({"architecture": "mlp", "stem": "imagenet"}, "stem of architecture 'mlp' must be 'small'.*got 'imagenet'"),
        (
            {"architecture": "vgg", "depth": 11, "stem": "imagenet"},
            "stem of architecture 'vgg' must be 'small'.*got 'imagenet'",
        ),
        ({"width": 0}, "width must be at least 1: got 0"),
        ({"classes": 0}, "classes must be at least 1: got 0"),
        ({"channels": 0}, "channels must be at least 1: got 0"),
        ({"size": 0}, "image_size must be at least 1: got 0"),
        ({"pixel_mean": [1.0]}, r"pixel_mean must be one number for each of 3 channels: got \[1.0\]"),
        ({"architecture": "densenet", "depth": 121, "size": 7}, "at least 8 pixels .* got 7 x 7"),
        ({"architecture": "densenet", "depth": 121, "size": 28, "stem": "imagenet"}, "at least 29 .* got 28 x 28"),
    ],
)
def test_what_is_not_offered(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


@pytest.mark.parametrize(("stem", "side"), [("small", 8), ("imagenet", 29)])
def test_the_least_images_of_a_densenet(stem, side):
    assert build("densenet", 121, size=side, stem=stem)(images(1, size=side)).isfinite().all()


def test_every_depth_that_a_configuration_allows_is_built():
    assert {(a, d) for a, depths in CLASSIFIERS.items() for d in depths or ()} == set(NETWORKS) - {("mlp", 3)}
