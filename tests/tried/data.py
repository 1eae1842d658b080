"""Data in many forms, all for one small network."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from tests.tried import Trial
from tests.tried.networks import Apply, N, mlp


def x(n: int = N) -> Tensor:
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(1))


def y(n: int = N) -> Tensor:
    data = x(n)
    return torch.stack([data[:, 0] * data[:, 1], data[:, 2]], 1)


def given(inputs: Any, targets: Any = None, model: nn.Module | None = None, **options: Any) -> dict[str, Any]:
    return {"model": model or mlp(), "x": inputs, "y": targets, **options}


def frame() -> pd.DataFrame:
    return pd.DataFrame(x().numpy(), columns=list("abcdef"))


def column() -> pd.DataFrame:
    return pd.DataFrame({"y": y()[:, 0].numpy(), "z": y()[:, 1].numpy()})


def bad(tensor: Tensor, value: float) -> Tensor:
    tensor[3, 1] = value
    return tensor


def loader(*parts: Tensor, **options: Any) -> DataLoader:
    return DataLoader(TensorDataset(*parts), batch_size=16, **options)


def two_inputs() -> nn.Module:
    return Apply(
        lambda self, a, b: self.head((self.a(a) * self.b(b)).relu()),
        a=nn.Linear(3, 9),
        b=nn.Linear(3, 9),
        head=nn.Linear(9, 2),
    )


def pictures() -> dict[str, Any]:
    model = Apply(
        lambda self, images: self.head(self.conv(images.float() / 255).mean((2, 3))),
        conv=nn.Conv2d(3, 8, 3),
        head=nn.Linear(8, 2),
    )
    return given(torch.randint(256, (N, 3, 5, 5), dtype=torch.uint8), y(), model)


def halves() -> tuple[Tensor, Tensor]:
    return x()[:, :3], x()[:, 3:]


def masked() -> np.ma.MaskedArray:
    array = np.ma.masked_array(x().numpy())
    array[2, 3] = np.ma.masked
    return array


DATA = [
    Trial("tensors", lambda: given(x(), y())),
    Trial("tensors that require a gradient", lambda: given(x().requires_grad_(), y().requires_grad_())),
    Trial("x in float64, weights in float32", lambda: given(x().double(), y())),
    Trial("x of whole numbers", lambda: given(x().long(), y())),
    Trial("images of bytes, scaled by the network", pictures),
    Trial("complex x", lambda: given(x().to(torch.cfloat), y())),
    Trial("complex y", lambda: given(x(), y().to(torch.cfloat))),
    Trial("sparse x", lambda: given(x().to_sparse(), y())),
    Trial("y of shape (n,), one output", lambda: given(x(), y()[:, 0], nn.Linear(6, 1))),
    Trial("y of shape (n, steps, t)", lambda: given(x(), y()[:, None])),
    Trial("y of whole numbers", lambda: given(x(), y().long())),
    Trial("NumPy arrays", lambda: given(x().numpy(), y().numpy())),
    Trial(
        "NumPy arrays, another byte order, read-only, reversed",
        lambda: given(x().numpy().astype(">f8")[::-1], np.broadcast_to(y().numpy(), (N, 2))[::-1]),
    ),
    Trial("NumPy array of objects", lambda: given(x().numpy().astype(object), y())),
    Trial("NumPy masked array", lambda: given(masked(), y())),
    Trial("lists", lambda: given(x().tolist(), y().tolist())),
    Trial("pandas tables", lambda: given(frame(), column())),
    Trial("pandas table with a column of text", lambda: given(frame().assign(f="red"), column())),
    Trial("pandas table with a column of dates", lambda: given(frame().assign(f=pd.Timestamp("2026-01-02")), column())),
    Trial("pandas table with missing values", lambda: given(frame().where(frame() > -2), column())),
    Trial("pandas tables in another order of rows", lambda: given(frame(), column().sample(frac=1, random_state=0))),
    Trial("DataLoader", lambda: given(loader(x(), y()))),
    Trial("DataLoader that shuffles", lambda: given(loader(x(), y(), shuffle=True))),
    Trial("DataLoader, and y too", lambda: given(loader(x(), y()), y())),
    Trial("DataLoader of batches of three parts", lambda: given(loader(x(), y(), y()))),
    Trial("DataLoader of batches of one part", lambda: given(loader(x()))),
    Trial("generator of pairs", lambda: given(pair for pair in [(x(), y())] * 2)),
    Trial("Dataset without a loader", lambda: given(TensorDataset(x(), y()))),
    Trial("several inputs", lambda: given(halves(), y(), two_inputs())),
    Trial("several inputs of different lengths", lambda: given((x()[:, :3], x(30)[:, 3:]), y(), two_inputs())),
    Trial("x in a dictionary", lambda: given({"x": x()}, y())),
    Trial("targets in a list, one array each", lambda: given(x(), list(y().T))),
    Trial("samples in a list, one array each", lambda: given(list(x()), y())),
    Trial("DataLoader of samples of different lengths", lambda: given(DataLoader([(x()[0], 0), (x()[0, :2], 1)], 2))),
    Trial("no y", lambda: given(x())),
    Trial("more rows in x than in y", lambda: given(x(), y()[:20])),
    Trial("no rows", lambda: given(x()[:0], y()[:0])),
    Trial("one row", lambda: given(x()[:1], y()[:1])),
    Trial("NaN in x", lambda: given(bad(x(), torch.nan), y())),
    Trial("infinity in y", lambda: given(x(), bad(y(), torch.inf))),
    Trial("no more rows than features", lambda: given(x(12), y(12))),
    Trial("rows that are copies", lambda: given(x(20).repeat(2, 1), y(20).repeat(2, 1))),
    Trial("targets that are multiples of each other", lambda: given(x(), y()[:, :1] * torch.tensor([1.0, -3.0]))),
    Trial("constant targets", lambda: given(x(), torch.ones(N, 2))),
    Trial("a rank above a width", lambda: given(x(), y(), rank=5)),
]
