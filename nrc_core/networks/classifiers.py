"""Networks that classify images, and which of their layers are sites."""

from collections.abc import Sequence

import torch
import torchvision
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.vgg import cfgs, make_layers

from nrc_core.config.base import check_depth, check_sizes, one_of
from nrc_core.config.classification import CLASSIFIERS, STEMS
from nrc_core.data.images import map_format
from nrc_core.errors import ConfigError
from nrc_core.networks import resnets
from nrc_core.networks.build import MLP

# Patterns for the names of the linear layers and convolutions that are sites. The first linear layer of VGG takes a map
# of 49 positions. With small images, all 49 positions are copies of one position, so this layer is not a site.
SITES = {
    "mlp": r"layers\.\d+",
    "resnet": resnets.RESNET_SITES,
    "vgg": r"features\.\d+|classifier\.[1-9]",
    "densenet": r"features\.transition\d\.conv|classifier",
}
DENSENETS = {121: (6, 12, 24, 16), 201: (6, 12, 48, 32)}
DENSENET_SIDES = {"small": 8, "imagenet": 29}  # smallest image side for which three transitions leave a pixel
VGG_SIDE = 32  # smallest image side for which five halvings leave a pixel
VGG_POOLED = 7
VGG_HIDDEN = 4096


class Classifier(resnets.ScalesPixels):
    """A classifier of images of bytes, which scales the images itself.

    Args:
        network: network that maps scaled images to logits.
        sites: names in `network` of the layers whose inputs are measured, in order of execution; the last layer is
            the head.
        pixel_mean, pixel_spread: mean and spread of each channel of the training images, 0 to 255.
        memory_format: order of the feature maps in memory.

    Attributes:
        sites: names of the same layers with the prefix "network.", as in `named_modules`.

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
        >>> model = Classifier(network, ["1"], pixel_mean=[128.0], pixel_spread=[64.0])
        >>> model(torch.zeros(5, 1, 4, 4, dtype=torch.uint8)).shape, model.sites
        (torch.Size([5, 3]), ('network.1',))
    """

    def __init__(
        self,
        network: nn.Module,
        sites: Sequence[str],
        *,
        pixel_mean: Sequence[float],
        pixel_spread: Sequence[float],
        memory_format: torch.memory_format = torch.channels_last,
    ):
        super().__init__()
        self.network = network
        self.sites = tuple(f"network.{name}" for name in sites)
        self.set_pixels(pixel_mean, pixel_spread, memory_format)

    def forward(self, x: UInt8[Tensor, "n c height width"]) -> Float[Tensor, "n k"]:
        """Logits for images."""
        return self.network(self.scaled(x))


def classifier(
    architecture: str,
    *,
    depth: int,
    width: int,
    channels: int,
    image_size: tuple[int, int],
    classes: int,
    stem: str = "small",
    pixel_mean: Sequence[float],
    pixel_spread: Sequence[float],
) -> Classifier:
    """An untrained network of Hui, Belkin and Nakkiran (2022), section 3.2, as in torchvision but of any width.

    * "mlp": `depth` linear layers with biases and ReLU between them; hidden layers have `width` units. Sites: all
      layers.
    * "resnet": depth 18 or 50; `width` channels in the first stage. Sites: the convolutions of the four
      stages, without the stem and the shortcuts, and the head.
    * "vgg": depth 11, batch normalisation; `width` channels after the first convolution. It halves images
      five times, so images below 32 pixels get a frame of the mean colour. Sites: all eight convolutions, and
      all linear layers except the first one, whose input is copies of a map of one pixel.
    * "densenet": depth 121 or 201; `width` channels after the stem, and a growth rate of `width` / 2.
      Sites: the convolutions of the three transitions, and the head.

    The networks were made for images of 224 pixels. The paper does not say what their first layer is for images of 28
    to 96 pixels. `stem` "small" is a 3x3 convolution of stride 1 without pooling. `stem` "imagenet" is torchvision's
    7x7 convolution of stride 2 with max-pooling; only "resnet" and "densenet" have it. With this stem, width 64, three
    channels and a thousand classes, the weights have the same names and shapes as in torchvision.

    Args:
        image_size: height and width in pixels.
        pixel_mean, pixel_spread: mean and spread of each channel of the training images, 0 to 255.

    Raises:
        ConfigError: architecture, depth or stem is unknown, a size is below 1, or images are too small.

    Example:
        >>> pixels = {"pixel_mean": [33.0], "pixel_spread": [79.0]}
        >>> model = classifier("resnet", depth=18, width=4, channels=1, image_size=(28, 28), classes=10, **pixels)
        >>> model(torch.zeros(5, 1, 28, 28, dtype=torch.uint8)).shape, len(model.sites), model.sites[-1]
        (torch.Size([5, 10]), 17, 'network.fc')
    """
    _check_offered(architecture, depth, stem)
    height, columns = image_size
    check_sizes(depth=depth, width=width, channels=channels, image_size=min(image_size), classes=classes)
    for name, values in (("pixel_mean", pixel_mean), ("pixel_spread", pixel_spread)):
        if len(values) != channels:
            raise ConfigError(f"{name} must be one number for each of {channels} channels: got {list(values)}")
    network: nn.Module
    if architecture == "mlp":
        network = _MLP(channels * height * columns, width, depth, classes, bias=True)
    elif architecture == "resnet":
        network = resnets.AnyResNet(depth, width, channels, classes, stem=stem)
    elif architecture == "vgg":
        network = _VGG(width, channels, classes)
    else:
        if min(image_size) < DENSENET_SIDES[stem]:
            raise ConfigError(
                f"images for a densenet with stem {stem!r} must be at least {DENSENET_SIDES[stem]} pixels high and "
                f"wide: got {height} x {columns}, use larger ones or another architecture or stem"
            )
        network = _densenet(depth, width, channels, classes, stem)
    sites, order = resnets.site_names(network, SITES[architecture]), map_format(width)
    return Classifier(network, sites, pixel_mean=pixel_mean, pixel_spread=pixel_spread, memory_format=order)


def _check_offered(architecture: str, depth: int, stem: str) -> None:
    one_of(CLASSIFIERS).check("architecture", architecture)
    one_of(STEMS).check("stem", stem)
    check_depth(architecture, depth, CLASSIFIERS)
    if stem != "small" and architecture not in ("resnet", "densenet"):
        raise ConfigError(
            f"stem of architecture {architecture!r} must be 'small', it has no other: got {stem!r}, leave it out or "
            "use resnet or densenet"
        )


class _MLP(MLP):
    """An MLP for images."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1))


class _VGG(nn.Module):
    """torchvision's VGG11 with batch normalisation, of any width; torchvision's own class has 4096 hidden units."""

    def __init__(self, width: int, channels: int, classes: int):
        super().__init__()
        plan = [c if isinstance(c, str) else _scaled(c, width) for c in cfgs["A"]]
        last, hidden = _scaled(8 * resnets.TORCHVISION_WIDTH, width), _scaled(VGG_HIDDEN, width)
        self.features = make_layers(plan, batch_norm=True)
        if channels != 3:
            self.features[0] = nn.Conv2d(channels, self.features[0].out_channels, kernel_size=3, padding=1)
        self.avgpool = nn.AdaptiveAvgPool2d((VGG_POOLED, VGG_POOLED))
        self.classifier = nn.Sequential(
            nn.Linear(last * VGG_POOLED**2, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(hidden, classes),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, 0, 0.01)
            if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        missing = [max(VGG_SIDE - side, 0) for side in x.shape[2:]]
        (top, bottom), (left, right) = ((side // 2, side - side // 2) for side in missing)
        framed = functional.pad(x, (left, right, top, bottom))  # zero is the mean of the scaled pixels
        return self.classifier(self.avgpool(self.features(framed)).flatten(1))


def _densenet(depth: int, width: int, channels: int, classes: int, stem: str) -> torchvision.models.DenseNet:
    """torchvision's DenseNet with either stem."""
    network = torchvision.models.DenseNet(max(width // 2, 1), DENSENETS[depth], width, num_classes=classes)
    if stem == "small":
        del network.features.pool0
    if (channels, stem) != (3, "imagenet"):
        network.features.conv0 = resnets.stem_convolution(stem, channels, width)
        nn.init.kaiming_normal_(network.features.conv0.weight)
    return network


def _scaled(channels: int, width: int) -> int:
    return max(channels * width // resnets.TORCHVISION_WIDTH, 1)
