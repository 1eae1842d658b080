"""Data in common forms: every form gives the same samples, and data without a well-defined result are refused."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from nrc_core import ClassMoments, ConfigError, Moments, linear_cka, measure, nrc1, nrc2, nrc3, nrc4
from nrc_core.metrics.arrays import as_tensor, check_finite
from nrc_core.metrics.batches import Copies, batches
from tests.tried.data import two_inputs
from tests.tried.networks import mlp


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(100, 6, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def y(x) -> torch.Tensor:
    return torch.stack([x[:, 0] * x[:, 1], x[:, 2]], 1)


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, expected, rtol=1e-6, atol=1e-9)


FORMS = {
    "NumPy": lambda x, y: (x.numpy(), y.numpy()),
    "double": lambda x, y: (x.double(), y.double()),
    "big-endian": lambda x, y: (x.numpy().astype(">f4"), y.numpy().astype(">f8")),
    "reversed twice": lambda x, y: (x.numpy()[::-1].copy()[::-1], y.numpy()),
    "read-only": lambda x, y: (np.lib.stride_tricks.as_strided(x.numpy(), writeable=False), y),
    "extended precision": lambda x, y: (x.numpy().astype(np.longdouble), y),
    "pandas": lambda x, y: (pd.DataFrame(x.numpy()), pd.DataFrame(y.numpy(), columns=["a", "b"])),
    "nullable": lambda x, y: (pd.DataFrame(x.numpy()).astype("Float32"), y),
    "rows": lambda x, y: (x, list(y.requires_grad_())),
    "lists": lambda x, y: (x.tolist(), y.tolist()),
    "gradients": lambda x, y: (x.clone().requires_grad_(), y),
    "loader": lambda x, y: (DataLoader(TensorDataset(x, y), batch_size=32), None),
    "pairs": lambda x, y: (zip(x.split(32), y.split(32), strict=True), None),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_samples_in_any_form(form, x, y):
    model = mlp()
    assert_same(measure(model, *FORMS[form](x, y)), measure(model, x, y))


def test_a_loader_may_shuffle_as_x_and_y_come_together(x, y):
    model = mlp()
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True, generator=torch.Generator().manual_seed(3))
    assert_same(measure(model, loader), measure(model, x, y))


def test_a_loader_is_gone_through_once_and_not_held(x, y):
    alive = []

    class Once(IterableDataset):
        def __iter__(self):
            for number in range(50):
                alive.append(number)
                yield x[number], y[number]

    measure(mlp(), DataLoader(Once(), batch_size=10))
    assert alive == list(range(50))


def test_one_target_may_be_a_vector(x, y):
    model = nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 1))
    expected = measure(model, x, y[:, :1])
    squeezed = nn.Sequential(model, nn.Flatten(0))
    for given in (y[:, 0], y[:, 0].numpy(), pd.Series(y[:, 0].numpy())):
        assert_same(measure(model, x, given), expected)
        assert measure(squeezed, x, given)["nrc4"].tolist() == pytest.approx(expected["nrc4"].tolist(), rel=1e-6)
    pairs = [(x[:50], y[:50, 0].double()), (x[50:], y[50:, 0].double())]  # as collated from Python's floats
    assert_same(measure(squeezed, pairs)[["nrc1", "network_mse"]], expected[["nrc1", "network_mse"]])


def test_several_inputs_go_in_together(x, y):
    model = two_inputs()
    both = (x[:, :3], x[:, 3:].numpy())
    table = measure(model, both, y, batch_size=33)
    expected = nn.functional.mse_loss(model(x[:, :3], x[:, 3:]), y).item()
    assert table["network_mse"].iloc[0] == pytest.approx(expected, rel=1e-5)
    assert_same(measure(model, [(both, y)]), table)


def test_bytes_reach_a_network_that_scales_them_as_they_are(y):
    class Scales(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(12, 2)

        def forward(self, images):
            assert images.dtype == torch.uint8
            return self.head(images.flatten(1).float() / 255)

    images = torch.randint(256, (100, 3, 2, 2), dtype=torch.uint8)
    assert measure(Scales(), images.numpy(), y)["width"].iloc[0] == 12
    with pytest.raises(ConfigError, match=r"but gets torch\.uint8: give x in floating point"):
        measure(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), images, y)


class Items(Dataset):
    def __len__(self):
        return 9

    def __getitem__(self, number):
        return torch.zeros(6), torch.zeros(2)


def nan_at(tensor: torch.Tensor, value: float = torch.nan) -> torch.Tensor:
    changed = tensor.clone()
    changed[3, 1] = value
    return changed


REFUSED = {
    "fewer targets": (lambda x, y: (x, y[:60]), "x and y must have equal rows: x has 100 and y 60"),
    "in a batch": (lambda x, y: ([(x, y), (x, y[:9])],), "x of batch 1 has 100 and y of batch 1 9"),
    "second input": (lambda x, y: ((x, x[:9]), y), r"x\[1\] has 9 and y 100"),
    "NaN in x": (lambda x, y: (nan_at(x), y), "x must be finite, but holds NaN or infinity, first in row 3"),
    "infinity in y": (lambda x, y: (x, nan_at(y, -torch.inf)), "y must be finite"),
    "NaN in a batch": (lambda x, y: ([(x, y), (nan_at(x), y)],), "x of batch 1 must be finite"),
    "missing value": (lambda x, y: (pd.DataFrame(x.numpy()).mask(x.numpy() > 2), y), "x must be finite"),
    "one array a target": (
        lambda x, y: (x, [y[:, 0], y[:, 1]]),
        r"y is a list of 2 arrays of 100 rows each: stack them, one target a column, as torch.stack\(y, 1\)",
    ),
    "one array a target, as many rows": (
        lambda x, y: ([(x[i : i + 2], tuple(y[i : i + 2].T)) for i in range(0, 100, 2)],),
        "y of batch 0 is a tuple of 2 arrays of 2 rows each",
    ),
    "one array a sample": (lambda x, y: (list(x), y), "x is a list of 100 arrays, as of several inputs: stack them"),
    "a loader that fails": (
        lambda x, y: (DataLoader([(x[0], y[0]), (x[:2], y[0])], batch_size=2),),
        "batch 0 cannot be loaded from the DataLoader: RuntimeError: stack expects each tensor to be equal size",
    ),
    "too large": (lambda x, y: (x, y.double() * 1e200), "y is too large for its variance to be a number"),
    "complex x": (lambda x, y: (x.to(torch.cfloat), y), r"x must be real: got torch.complex64; give real and"),
    "complex y": (lambda x, y: (x, y.numpy() + 1j), "y must be real: got complex64"),
    "complex column": (lambda x, y: (pd.DataFrame({"z": x[:, 0].numpy() + 1j}), y), "column 'z' holds complex"),
    "text": (lambda x, y: (pd.DataFrame({"day": ["mon"] * 100}), y), "column 'day' holds (str|object) values"),
    "dates": (lambda x, y: (pd.DataFrame({"day": [pd.Timestamp(0)] * 100}), y), "column 'day' holds datetime64"),
    "objects": (lambda x, y: (x.numpy().astype(object), y), "x must hold numbers: got a ndarray of object values"),
    "ragged": (lambda x, y: ([[1.0], [1.0, 2.0]], y[:2]), "rows of different lengths"),
    "masked": (lambda x, y: (np.ma.masked_greater(x.numpy(), 2), y), "x has masked values"),
    "sparse": (lambda x, y: (x.to_sparse(), y), "dense tensor of numbers: got a sparse one"),
    "meta": (lambda x, y: (x.to("meta"), y), "dense tensor of numbers: got a meta one"),
    "a number": (lambda x, y: (torch.tensor(3.0), y), r"x must have one row a sample, with columns: got shape \(\)"),
    "no columns": (lambda x, y: (x[:, :0], y), r"got shape \(100, 0\)"),
    "steps": (lambda x, y: (x, y[:, None]), r"y must be \(n, t\), one row a sample: got shape \(100, 1, 2\)"),
    "no targets": (lambda x, y: (x, y[:, :0]), r"y must be \(n, t\)"),
    "other labels": (
        lambda x, y: (pd.DataFrame(x.numpy()), pd.DataFrame(y.numpy()).sample(frac=1, random_state=0)),
        r"different labels: give y.loc\[x.index\]",
    ),
    "other labels, several inputs": (
        lambda x, y: ((x, pd.DataFrame(x.numpy())), pd.Series(y[:, 0].numpy(), index=range(1, 101))),
        "different labels",
    ),
    "no y": (lambda x, y: (x,), "y is missing"),
    "a data set": (lambda x, y: (Items(),), r"x is a Items: wrap it, DataLoader\(dataset, batch_size=256\)"),
    "a data set and y": (lambda x, y: (Items(), y), "got a Items"),
    "a loader and y": (lambda x, y: (DataLoader(Items()), y), "brings its own targets, so give no y"),
    "a dictionary": (lambda x, y: ({"x": x}, y), "in the order of the network's inputs: got a dictionary"),
    "three parts": (
        lambda x, y: (DataLoader(TensorDataset(x, y, y)),),
        r"batch 0 must be a pair \(x, y\): got 3 parts",
    ),
    "dictionaries": (
        lambda x, y: ([{"x": x, "y": y}],),
        r"batch 0 must be a pair \(x, y\): got a dictionary of 'x', 'y'; make pairs of it",
    ),
    "a path": (lambda x, y: ("data.csv",), r"batch 0 must be a pair \(x, y\): got a str"),
    "other targets": (lambda x, y: ([(x, y), (x, y[:, 0])],), "every batch must have as many targets: got 1 after 2"),
    "no rows": (lambda x, y: (x[:0], y[:0]), "x has no rows"),
    "an empty loader": (lambda x, y: ([],), "x has no rows"),
    "one row": (lambda x, y: (x[:1], y[:1]), "x has 1 row: a variance needs 2 or more"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_number_can_be_made_of_is_refused_in_one_line(case, x, y):
    make, message = REFUSED[case]
    with pytest.raises(ConfigError, match=message) as caught:
        measure(mlp(), *make(x, y))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number, at least 1: got 0"),
        ({"rank": -1}, "rank must be a whole number, at least 1: got -1"),
        ({"tolerance": 1.0}, r"in \[0, 1\): got 1.0"),
    ],
)
def test_options_are_checked_before_anything_is_run(options, message, x, y):
    with pytest.raises(ConfigError, match=message):
        measure(mlp(), x, y, **options)


def test_a_loader_has_its_own_size_of_batches(x, y):
    with pytest.raises(ConfigError, match="a DataLoader has its own size of batches: got batch_size=9 too"):
        measure(mlp(), [(x, y)], batch_size=9)


@pytest.mark.parametrize("place", ["a weight", "a bias"])
def test_what_is_not_finite_in_a_network_is_named(place, x, y):
    model = mlp()
    with torch.no_grad():
        (model[2].weight[1] if place == "a weight" else model[2].bias)[:] = torch.nan
    named = {"a weight": "the weight of layer '2'", "a bias": "the features of site '4'"}[place]
    with pytest.raises(ConfigError, match=f"{named} must be finite"):
        measure(model, x, y)


def test_metrics_on_arrays_take_tables_and_refuse_what_is_not_real(x, y):
    frame = pd.DataFrame(x.numpy())
    assert nrc1(frame, 2) == nrc1(x, 2)
    assert linear_cka(frame, y.numpy()) == linear_cka(x, y)
    wave, weight = x.to(torch.cfloat), torch.ones(3, 6)
    for call in (
        lambda: nrc1(wave, 2),
        lambda: nrc2(x, y.numpy() + 1j),
        lambda: nrc3(x, weight.to(torch.cfloat), 2),
        lambda: nrc4(wave.numpy(), y),
        lambda: Moments.of(wave, y),
        lambda: ClassMoments.of(wave, torch.zeros(100, dtype=torch.int64), 1),
    ):
        with pytest.raises(ConfigError, match=r"must be real"):
            call()


def test_arrays_keep_their_numbers_and_their_memory():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert as_tensor(array, "x").data_ptr() == array.ctypes.data
    assert as_tensor(array.astype(np.uint16), "x").dtype == torch.int64
    assert as_tensor(array > 2, "x").dtype == torch.bool
    big = np.array([2**63 + 2**12], dtype=np.uint64)
    assert as_tensor(big, "x").item() == float(big[0])


@pytest.mark.parametrize("row", [0, 65_535, 65_536, 70_000])
def test_the_first_row_that_is_not_finite_is_named(row):
    values = torch.zeros(70_001)
    values[row] = torch.inf
    with pytest.raises(ConfigError, match=f"first in row {row}: "):
        check_finite(values, "x")


def test_copies_are_counted_over_batches_and_inputs():
    rows = torch.arange(6.0)[:, None]
    copies = Copies()
    for batch in batches((rows.repeat(3, 1), rows.repeat(3, 1).long()), torch.zeros(18), batch_size=4):
        copies.add(batch)
    assert (copies.rows, copies.different) == (18, 6)
    other = Copies()
    for batch in batches((rows.repeat(2, 1), torch.arange(12)), torch.zeros(12)):
        other.add(batch)
    assert other.different == 12
