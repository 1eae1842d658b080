"""Modified networks: adapters, reparametrised and quantised weights, compilers, wrappers, outputs."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from tests.tried import Trial
from tests.tried.networks import Apply, mlp, on, weight


class LoRALinear(nn.Linear):
    """A linear layer with an adapter, as in the library loralib."""

    def __init__(self, *sizes: int):
        super().__init__(*sizes)
        self.a, self.b = weight(2, self.in_features), weight(self.out_features, 2)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) + input @ self.a.T @ self.b.T


class Adapter(nn.Module):
    """A linear layer with an adapter around it, as in the library peft."""

    def __init__(self, layer: nn.Linear):
        super().__init__()
        self.base_layer = layer
        self.lora_A, self.lora_B = (
            nn.Linear(layer.in_features, 2, bias=False),
            nn.Linear(2, layer.out_features, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.base_layer(x) + self.lora_B(self.lora_A(x))


class Scaled(nn.Linear):
    """A layer that scales its weight at run time (equalised learning rate)."""

    def forward(self, input: Tensor) -> Tensor:
        return nn.functional.linear(input, 0.5 * self.weight, self.bias)


def with_first(layer: nn.Module) -> nn.Module:
    model = mlp()
    model[0] = layer
    return model


def in_place(**options: Any) -> dict[str, Any]:
    model = mlp()
    model[1], model[3] = nn.ReLU(inplace=True), nn.ReLU(inplace=True)
    return on(model, 6, **options)


def compiled(*, itself: bool = False) -> dict[str, Any]:
    model = mlp().eval()
    if itself:
        model.compile(backend="eager")
    wrapped = model if itself else torch.compile(model, backend="eager")
    with torch.no_grad():
        wrapped(torch.randn(3, 6))
    return on(wrapped, 6)


def quantised(model: nn.Module, kinds: Any = (nn.Linear,)) -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(model, set(kinds))


def partly_quantised() -> nn.Module:
    return nn.Sequential(quantised(nn.Sequential(nn.Linear(6, 8))), nn.ReLU(), nn.Linear(8, 2))


def exported() -> nn.Module:
    return torch.export.export(mlp().eval(), (torch.randn(3, 6),)).module()


def dead() -> nn.Module:
    model = mlp()
    with torch.no_grad():
        model[2].weight[0, 0] = torch.nan
    return model


def meta() -> nn.Module:
    with torch.device("meta"):
        return mlp()


def gives(what: str) -> nn.Module:
    def run(self: Any, x: Tensor) -> Any:
        out = self.net(x)
        return {
            "a tuple": (out, x), "a dictionary": {"pred": out, "input": x}, "steps": out[:, None].expand(-1, 3, -1),
            "one column less": out[:, 0], "integers": out.long(), "a map": out[..., None, None],
        }[what]  # fmt: skip

    return Apply(run, net=mlp())


def named() -> nn.Module:
    model = mlp()
    model.sites = ["2", "4"]
    return nn.DataParallel(model)


class Around(nn.Module):
    """A user's wrapper around a network that names its sites."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp()
        self.net.sites = ["2", "4"]

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


WRAPPERS = [
    Trial("activation in place, features before it", lambda: in_place(features="pre")),
    Trial("weight normalisation", lambda: on(with_first(parametrizations.weight_norm(nn.Linear(6, 16))), 6)),
    Trial("spectral normalisation", lambda: on(with_first(parametrizations.spectral_norm(nn.Linear(6, 16))), 6)),
    Trial("pruned weight", lambda: on(with_first(prune.l1_unstructured(nn.Linear(6, 16), "weight", 0.5)), 6)),
    Trial("LoRA in a subclass of Linear", lambda: on(with_first(LoRALinear(6, 16)), 6)),
    Trial("LoRA around a layer (peft)", lambda: on(with_first(Adapter(nn.Linear(6, 16))), 6)),
    Trial("weight scaled at run time", lambda: on(with_first(Scaled(6, 16)), 6)),
    Trial("the same, other layers named by `sites`", lambda: on(with_first(Scaled(6, 16)), 6, sites=["2", "4"])),
    Trial("torch.compile", compiled),
    Trial("torch.compile in place", lambda: compiled(itself=True)),
    Trial("torch.jit.script", lambda: on(torch.jit.script(mlp()), 6)),
    Trial("torch.jit.trace", lambda: on(torch.jit.trace(mlp(), torch.randn(3, 6)), 6)),
    Trial("torch.export", lambda: on(exported(), 6)),
    Trial("torch.fx.symbolic_trace", lambda: on(torch.fx.symbolic_trace(mlp()), 6)),
    Trial("a scripted part", lambda: on(with_first(torch.jit.script(nn.Linear(6, 16))), 6)),
    Trial("dynamic quantisation", lambda: on(quantised(mlp()), 6)),
    Trial("dynamic quantisation of a part", lambda: on(partly_quantised(), 6)),
    Trial("DataParallel", lambda: on(nn.DataParallel(mlp()), 6)),
    Trial("DataParallel around named sites", lambda: on(named(), 6)),
    Trial("a wrapper of one's own around named sites", lambda: on(Around(), 6)),
    Trial("lazy layers that never ran", lambda: on(nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(2)), 6)),
    Trial("weights on the meta device", lambda: on(meta(), 6)),
    Trial("NaN in a weight", lambda: on(dead(), 6)),
    Trial("weights in float64", lambda: on(mlp().double(), 6)),
    Trial("weights in bfloat16", lambda: on(mlp().bfloat16(), 6)),
    Trial(
        "complex weights",
        lambda: on(Apply(lambda s, x: s.a(x.to(torch.cfloat)).real, a=nn.Linear(6, 2, dtype=torch.cfloat)), 6),
    ),
    Trial("a function, no module", lambda: on(lambda x: x, 6)),
    Trial("output: a tuple", lambda: on(gives("a tuple"), 6)),
    Trial("output: a tuple, `output=0`", lambda: on(gives("a tuple"), 6, output=0)),
    Trial("output: a dictionary", lambda: on(gives("a dictionary"), 6)),
    Trial('output: a dictionary, `output="pred"`', lambda: on(gives("a dictionary"), 6, output="pred")),
    Trial("output: a dictionary, another name", lambda: on(gives("a dictionary"), 6, output="prediction")),
    Trial("output: (n, steps, t)", lambda: on(gives("steps"), 6)),
    Trial(
        "output: (n, steps, t), the last by a function", lambda: on(gives("steps"), 6, output=lambda out: out[:, -1])
    ),
    Trial("output: a map (n, t, 1, 1)", lambda: on(gives("a map"), 6)),
    Trial("output: (n,) for one target", lambda: on(gives("one column less"), 6, t=1)),
    Trial("output: more columns than targets", lambda: on(mlp(), 6, t=1)),
    Trial("output: whole numbers", lambda: on(gives("integers"), 6)),
    Trial("the network in training mode", lambda: on(copy.deepcopy(mlp()).train(), 6)),
]
