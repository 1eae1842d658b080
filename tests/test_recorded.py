"""Layers that run and their inputs, compared with torchlens, which records every operation of a forward pass."""

import pytest
import torch
import torchlens
import torchvision
from torch import nn
from torchlens.options import CaptureOptions
from torchvision.models import SqueezeNet, SwinTransformer, VisionTransformer

from nrc_core import measure
from tests import oracle
from tests.tried.networks import attention, embedding, encoder, frames, head, mlp, normalised, recurrent, unet
from tests.tried.wrappers import in_place

N = 12
CONVOLUTIONS = ("conv1d", "conv2d", "conv3d", "convtranspose1d", "convtranspose2d", "convtranspose3d")


def images(size: int = 32) -> torch.Tensor:
    return torch.randn(N, 3, size, size)


def vision_transformer() -> nn.Module:
    return VisionTransformer(
        image_size=16, patch_size=8, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=12, num_classes=2
    )


def swin() -> nn.Module:
    """A Swin transformer, whose attention passes the weights of its linear layers to a function."""
    return SwinTransformer([2, 2], 8, [1, 1], [2, 2], [2, 2], num_classes=2)


# Networks and inputs.
ARCHITECTURES = {
    "MLP": (mlp, lambda: torch.randn(N, 6)),
    "activation in place": (lambda: in_place()["model"], lambda: torch.randn(N, 6)),
    "normalised": (normalised, lambda: torch.randn(N, 6)),
    "Conv1d": (lambda: nn.Sequential(nn.Conv1d(3, 5, 3), nn.ReLU(), *head(5)), lambda: torch.randn(N, 3, 9)),
    "Conv3d": (
        lambda: nn.Sequential(nn.Conv3d(3, 5, 2), nn.ReLU(), *head(5, nn.AdaptiveAvgPool3d)),
        lambda: torch.randn(N, 3, 4, 4, 4),
    ),
    "U-Net": (unet, lambda: torch.randn(N, 4, 8, 8)),
    "frames": (frames, lambda: torch.randn(N, 3, 4, 6, 6)),
    "attention": (attention, lambda: torch.randn(N, 5, 3)),
    "encoder": (lambda: encoder(True), lambda: torch.randn(N, 5, 3)),
    "encoder, tokens first": (lambda: encoder(False), lambda: torch.randn(N, 5, 3)),
    "LSTM": (lambda: recurrent(nn.LSTM), lambda: torch.randn(N, 5, 3)),
    "embedding": (lambda: embedding()["model"], lambda: torch.randint(20, (N, 5))),
    "ResNet-18": (lambda: torchvision.models.resnet18(num_classes=2), images),
    "SqueezeNet": (lambda: SqueezeNet("1_1", num_classes=2), images),
    "vision transformer": (vision_transformer, lambda: images(16)),
    "Swin": (swin, lambda: images(8)),
}


def recorded(model: nn.Module, x: torch.Tensor) -> tuple[list[tuple[str, torch.Tensor]], set[str]]:
    """Layers that applied their own weight, with their inputs, and parts whose weights another module applied."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # without hooks, torch runs this as one operation
    try:
        with torch.no_grad():
            trace = torchlens.trace(model.eval(), x, capture=CaptureOptions(unwrap_when_done=True))
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    layers, outside = [], set()
    for operation in trace.layers:
        matrices = [one.address for one in operation.params if len(one.shape) > 1]
        if operation.layer_type == "embedding" or not matrices:
            continue
        owners = {address.rpartition(".")[0] for address in matrices}
        module = (operation.module or "").rpartition(":")[0]
        is_layer = isinstance(model.get_submodule(module), nn.Linear | nn.modules.conv._ConvNd)
        if is_layer and owners == {module}:
            layers.append((module, entering(operation, trace)))
        elif operation.layer_type not in ("add", "cat", "expand", "getitem"):  # tokens and places of one's own
            outside |= owners
    return layers, outside


def entering(operation, trace) -> torch.Tensor:
    """The input of an operation, averaged over the positions of each sample."""
    tensor = trace[operation.parents[0]].out
    rows = tensor.movedim(1, -1) if operation.layer_type in CONVOLUTIONS else tensor
    if rows.shape[0] != N and rows.ndim == 3 and rows.shape[1] == N:  # tokens first
        rows = rows.transpose(0, 1)
    return rows.reshape(N, -1, rows.shape[-1]).mean(1)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_sites_are_the_layers_that_ran_and_what_entered_them(name, caplog):
    make, data = ARCHITECTURES[name]
    torch.manual_seed(1)
    model, x = make(), data()
    table = measure(model, x, torch.randn(N, 2))
    layers, outside = recorded(model, x)
    assert layers
    assert table["name"].tolist() == [*(module for module, _ in layers), "output"]
    for number, (_, features) in enumerate(layers):
        assert table["width"].iloc[number] == features.shape[1]
        assert table["nrc1"].iloc[number] == pytest.approx(oracle.noise(features.numpy(), 2), rel=1e-3, abs=1e-7)
    told = caplog.text  # of a layer in a part of another kind, that part
    assert all(part.removesuffix(".out_proj") in told for part in outside)
    assert ("no site at" in told) == bool(outside)
