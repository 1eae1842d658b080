"""Networks of many kinds of layers, each as small as it can be."""

from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from tests.tried import Trial

N = 40  # samples


class Chain(nn.Sequential):
    """Layers one after the other."""


class Apply(nn.Module):
    """A module with parts, whose output is a function of the parts and the input."""

    def __init__(self, function: Callable[..., Any], **parts: nn.Module | nn.Parameter):
        super().__init__()
        self._function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs: Tensor) -> Any:
        return self._function(self, *inputs)


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape) / shape[0] ** 0.5)


def on(model: nn.Module, *shape: int, t: int = 2, **options: Any) -> dict[str, Any]:
    """A network, normally distributed inputs of a shape, and targets that depend on the inputs."""
    x = torch.randn(N, *shape)
    flat = x.flatten(1)
    return {"model": model, "x": x, "y": torch.stack([flat[:, i] + flat[:, -1] ** 2 for i in range(t)], 1), **options}


def mlp() -> nn.Sequential:
    return Chain(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))


def head(size: int, kind: type[nn.Module] = nn.AdaptiveAvgPool1d) -> list[nn.Module]:
    return [kind(1), nn.Flatten(), nn.Linear(size, 2)]


def normalised() -> nn.Module:
    return Chain(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.GELU(), nn.Dropout(), nn.LayerNorm(16), nn.Linear(16, 2))


def mobilenet() -> dict[str, Any]:
    return on(torchvision.models.mobilenet_v3_small(weights=None, num_classes=2), 3, 32, 32)


def mobilenet_chosen() -> dict[str, Any]:
    given = mobilenet()
    layers = given["model"].named_modules()
    ones = [name for name, one in layers if isinstance(one, nn.Linear) or getattr(one, "groups", 0) == 1]
    return given | {"sites": ones}


def encoder(batch_first: bool) -> nn.Module:
    block = nn.TransformerEncoderLayer(16, nhead=2, dim_feedforward=20, batch_first=batch_first)

    def run(self: Any, tokens: Tensor) -> Tensor:
        embedded = self.embed(tokens)
        mixed = self.block(embedded) if batch_first else self.block(embedded.transpose(0, 1)).transpose(0, 1)
        return self.head(mixed.mean(1))

    return Apply(run, embed=nn.Linear(3, 16), block=block, head=nn.Linear(16, 2))


def padded() -> dict[str, Any]:
    block = nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=10, batch_first=True)
    model = Apply(
        lambda self, tokens, padding: self.head(self.encoder(tokens, src_key_padding_mask=padding)[:, 0]),
        encoder=nn.TransformerEncoder(block, num_layers=2),
        head=nn.Linear(8, 2),
    )
    given = on(model, 5, 8)
    return given | {"x": (given["x"], torch.arange(5) >= torch.randint(1, 6, (N, 1)))}


def attention(tokens_first: bool = False) -> nn.Module:
    def run(self: Any, tokens: Tensor) -> Tensor:
        q, k, v = (layer(tokens) for layer in (self.query, self.key, self.value))
        mixed = functional.scaled_dot_product_attention(q, k, v)
        return self.head(mixed.mean(1) if not tokens_first else mixed[:, 0])

    return Apply(run, query=nn.Linear(3, 8), key=nn.Linear(3, 8), value=nn.Linear(3, 8), head=nn.Linear(8, 2))


def folded(by: str) -> nn.Module:
    def run(self: Any, tokens: Tensor) -> Tensor:
        n, length, _ = tokens.shape
        if by == "sample":
            hidden = self.embed(tokens.reshape(n * length, -1)).reshape(n, length, -1)
        else:
            hidden = self.embed(tokens.transpose(0, 1).reshape(n * length, -1)).reshape(length, n, -1).transpose(0, 1)
        return self.head(hidden.relu().mean(1))

    return Apply(run, embed=nn.Linear(3, 16), head=nn.Linear(16, 2))


def frames() -> nn.Module:
    def run(self: Any, video: Tensor) -> Tensor:
        maps = self.conv(video.flatten(0, 1)).relu().mean((2, 3))
        return self.head(maps.unflatten(0, video.shape[:2]).mean(1))

    return Apply(run, conv=nn.Conv2d(4, 5, 3), head=nn.Linear(5, 2))


def recurrent(kind: type[nn.Module], **options: Any) -> nn.Module:
    size = 12 * (2 if options.get("bidirectional") else 1)
    return Apply(
        lambda self, x: self.head(self.rnn(x)[0][:, -1]),
        rnn=kind(3, 12, batch_first=True, **options),
        head=nn.Linear(size, 2),
    )


def cell() -> nn.Module:
    def run(self: Any, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), 12)
        for step in x.unbind(1):
            state = self.cell(step, state)
        return self.head(state)

    return Apply(run, cell=nn.GRUCell(3, 12), head=nn.Linear(12, 2))


def embedding() -> dict[str, Any]:
    model = Apply(lambda self, x: self.head(self.table(x).mean(1)), table=nn.Embedding(20, 8), head=nn.Linear(8, 2))
    return on(model, 5) | {"x": torch.randint(20, (N, 5))}


def experts() -> nn.Module:
    def run(self: Any, x: Tensor) -> Tensor:
        out, chosen = x.new_zeros(len(x), 2), x[:, 0] > 0
        out[chosen], out[~chosen] = self.first(x[chosen]), self.second(x[~chosen])
        return out

    return Apply(run, first=nn.Linear(6, 2), second=nn.Linear(6, 2))


def unrolled() -> nn.Module:
    def run(self: Any, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), 8)
        for step in x.unbind(1):
            state = self.step(torch.cat([step, state], 1)).tanh()
        return self.head(state)

    return Apply(run, step=nn.Linear(11, 8), head=nn.Linear(8, 2))


def tied() -> nn.Module:
    return Apply(
        lambda self, x: self.head(functional.linear(self.body(x).relu(), self.body.weight.T)),
        body=nn.Linear(6, 8),
        head=nn.Linear(6, 2),
    )


def ensemble() -> nn.Module:
    """Three networks whose weights are stacked, and a layer that reads the mean of their outputs."""
    one, members = mlp(), [mlp() for _ in range(3)]
    stacked, _ = torch.func.stack_module_state(members)

    def run(self: Any, x: Tensor) -> Tensor:
        each = torch.func.vmap(lambda weights: torch.func.functional_call(one, weights, (x,)))
        mean = each({name: self.get_parameter(own) for name, own in names.items()}).mean(0)
        return self.head(mean)

    names = {name: name.replace(".", "_") for name in stacked}
    each = {own: nn.Parameter(stacked[name]) for name, own in names.items()}
    return Apply(run, head=nn.Linear(2, 2), **each)


def unet() -> nn.Module:
    def run(self: Any, x: Tensor) -> Tensor:
        first = self.down(x).relu()
        up = self.up(self.middle(first).relu())
        return self.head(torch.cat([first, up], 1).mean((2, 3)))

    return Apply(
        run, down=nn.Conv2d(4, 6, 3), middle=nn.Conv2d(6, 8, 2, stride=2), up=nn.ConvTranspose2d(8, 6, 2, stride=2),
        head=nn.Linear(12, 2),
    )  # fmt: skip


def projected() -> nn.Module:
    model = Apply(lambda s, x: s.a((x @ s.w).relu()), a=nn.Linear(9, 2))
    model.register_buffer("w", torch.randn(6, 9))
    return model


def ordered() -> nn.Module:
    def run(self: Any, x: Tensor) -> Tensor:
        places = x[:, 0].argsort()
        return self.b(self.a(x[places]).relu())[places.argsort()]

    return Apply(run, a=nn.Linear(6, 8), b=nn.Linear(8, 2))


def by_batch() -> nn.Module:
    return Chain(nn.Linear(6, 8), nn.BatchNorm1d(8, track_running_stats=False), nn.Linear(8, 2))


def recomputed() -> nn.Module:
    def run(self: Any, x: Tensor) -> Tensor:
        return self.b(checkpoint(lambda inputs: self.a(inputs).relu(), x, use_reentrant=False))

    return Apply(run, a=nn.Linear(6, 16), b=nn.Linear(16, 2))


def reordered() -> nn.Module:
    return Apply(lambda s, x: s.b(s.a(x).flip(1).relu()), a=nn.Linear(6, 8), b=nn.Linear(8, 2))


def positions() -> nn.Module:
    def run(self: Any, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], dtype=tokens.dtype)[:, None]
        return self.head((tokens + self.place(places)).mean(1))

    return Apply(run, place=nn.Linear(1, 3), head=nn.Linear(3, 2))


SIAMESE = Apply(
    lambda self, x: self.head(self.body(x[:, :3]) * self.body(x[:, 3:])), body=nn.Linear(3, 8), head=nn.Linear(8, 2)
)
NETWORKS = [
    Trial("linear layers, ReLU", lambda: on(mlp(), 6)),
    Trial("batch and layer normalisation, GELU, dropout", lambda: on(normalised(), 6)),
    Trial("Conv1d", lambda: on(Chain(nn.Conv1d(4, 8, 3), nn.ReLU(), *head(8)), 4, 10)),
    Trial("Conv2d", lambda: on(Chain(nn.Conv2d(4, 8, 3), nn.ReLU(), *head(8, nn.AdaptiveAvgPool2d)), 4, 6, 6)),
    Trial("Conv3d", lambda: on(Chain(nn.Conv3d(4, 8, 2), nn.ReLU(), *head(8, nn.AdaptiveAvgPool3d)), 4, 4, 4, 4)),
    Trial("ConvTranspose1d", lambda: on(Chain(nn.ConvTranspose1d(4, 8, 3), nn.ReLU(), *head(8)), 4, 5)),
    Trial("ConvTranspose2d", lambda: on(Chain(nn.ConvTranspose2d(4, 8, 3), *head(8, nn.AdaptiveAvgPool2d)), 4, 5, 5)),
    Trial(
        "ConvTranspose3d", lambda: on(Chain(nn.ConvTranspose3d(4, 8, 2), *head(8, nn.AdaptiveAvgPool3d)), 4, 3, 3, 3)
    ),
    Trial("U-Net with a skip", lambda: on(unet(), 4, 8, 8)),
    Trial("U-Net, features before the activation", lambda: on(unet(), 4, 8, 8, features="pre")),
    Trial("residual network of torchvision", lambda: on(torchvision.models.resnet18(num_classes=2), 3, 32, 32)),
    Trial("convolutions in groups (MobileNet)", mobilenet),
    Trial("the same, its other layers named by `sites`", mobilenet_chosen),
    Trial("TransformerEncoderLayer", lambda: on(encoder(True), 5, 3)),
    Trial("TransformerEncoderLayer, tokens first inside", lambda: on(encoder(False), 5, 3)),
    Trial("TransformerEncoder with a padding mask", padded),
    Trial("attention of linear layers", lambda: on(attention(), 5, 3)),
    Trial("tokens and samples in one axis, by sample", lambda: on(folded("sample"), 5, 3)),
    Trial("tokens and samples in one axis, by token", lambda: on(folded("token"), 5, 3)),
    Trial("frames and samples in one axis, convolution", lambda: on(frames(), 3, 4, 6, 6)),
    Trial("LSTM", lambda: on(recurrent(nn.LSTM), 5, 3)),
    Trial("GRU, both directions", lambda: on(recurrent(nn.GRU, bidirectional=True), 5, 3)),
    Trial("RNN", lambda: on(recurrent(nn.RNN), 5, 3)),
    Trial("GRUCell", lambda: on(cell(), 5, 3)),
    Trial("linear layer unrolled in time", lambda: on(unrolled(), 5, 3)),
    Trial("one encoder for two inputs (Siamese)", lambda: on(SIAMESE, 6)),
    Trial("Embedding", embedding),
    Trial("Bilinear", lambda: on(Apply(lambda s, x: s.b(s.a(x), x), a=nn.Linear(6, 4), b=nn.Bilinear(4, 6, 2)), 6)),
    Trial(
        "own parameter, `x @ self.w`",
        lambda: on(Apply(lambda s, x: s.a((x @ s.w).relu()), a=nn.Linear(9, 2), w=weight(6, 9)), 6),
    ),
    Trial("weight of a layer applied once more by a function", lambda: on(tied(), 6)),
    Trial("ensemble by torch.func", lambda: on(ensemble(), 6)),
    Trial("own parameters only", lambda: on(Apply(lambda self, x: x @ self.w, w=weight(6, 2)), 6)),
    Trial("no weights", lambda: on(nn.Sequential(nn.Flatten(), nn.ReLU()), 2)),
    Trial("own weight in a buffer", lambda: on(projected(), 6)),
    Trial(
        "own parameter, product and sum",
        lambda: on(Apply(lambda s, x: s.a((x[:, None] * s.w).sum(2)), a=nn.Linear(9, 2), w=weight(9, 6)), 6),
    ),
    Trial("samples sorted inside", lambda: on(ordered(), 6)),
    Trial("a layer under torch.vmap", lambda: on(Apply(lambda s, x: torch.vmap(s.a)(x), a=nn.Linear(6, 2)), 6)),
    Trial("batch normalisation by the batch", lambda: on(by_batch(), 6)),
    Trial("recomputed in the backward pass (checkpoint)", lambda: on(recomputed(), 6)),
    Trial("features reordered, before the activation", lambda: on(reordered(), 6, features="pre")),
    Trial("mixture of experts", lambda: on(experts(), 6)),
    Trial("layer that takes the same for all samples", lambda: on(positions(), 5, 3)),
    Trial("layer that does not run", lambda: on(Apply(lambda s, x: s.a(x), a=nn.Linear(6, 2), b=nn.Linear(6, 2)), 6)),
    Trial("layer called by keyword", lambda: on(Apply(lambda s, x: s.a(input=x), a=nn.Linear(6, 2)), 6)),
    Trial(
        "attention over the batch",
        lambda: on(Apply(lambda s, x: s.a(functional.scaled_dot_product_attention(x, x, x)), a=nn.Linear(6, 2)), 6),
    ),
    Trial(
        "dropout that is always on", lambda: on(Apply(lambda s, x: s.a(functional.dropout(x)), a=nn.Linear(6, 2)), 6)
    ),
]
