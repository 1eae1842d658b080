"""Work on several cores gives the same result as on one core."""

import threading

import pytest
import torch

from nrc_core.metrics import threads
from nrc_core.metrics.regression import eigen, eigen_each
from nrc_core.metrics.threads import on_all_cores
from nrc_core.networks.build import MLP
from nrc_core.training.loop import reproducible_arithmetic
from nrc_core.training.stacked import StackedMLP

SMALLEST = torch.finfo(torch.float32).tiny


@pytest.fixture(autouse=True)
def three_cores(monkeypatch):
    monkeypatch.setattr(threads, "_cores", lambda: 3)


def together(parties: int) -> set[str]:
    """Names of the threads that handle `parties` items at the same time; the items wait for each other."""
    meeting = threading.Barrier(parties, timeout=20)

    def meet(_: int) -> str:
        meeting.wait()
        return threading.current_thread().name

    return set(on_all_cores(meet, range(parties)))


def test_items_are_worked_at_at_once_where_arithmetic_has_one_thread():
    with reproducible_arithmetic():
        assert len(together(3)) == 3


def test_with_more_threads_they_come_one_after_the_other():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        names = on_all_cores(lambda _: threading.current_thread().name, range(5))
    finally:
        torch.set_num_threads(threads)
    assert set(names) == {threading.current_thread().name}


def test_outcomes_keep_their_order_and_errors_are_raised():
    with reproducible_arithmetic():
        assert on_all_cores(lambda number: number**2, range(20)) == [number**2 for number in range(20)]
        with pytest.raises(ZeroDivisionError):
            on_all_cores(lambda number: 1 / number, [2, 1, 0])
        assert on_all_cores(abs, []) == []


def test_threads_flush_denormal_numbers_as_the_one_that_asks_does():
    tiny = torch.tensor([SMALLEST])
    with reproducible_arithmetic():
        halves = on_all_cores(lambda number: (tiny / number).item(), [2.0, 4.0, 8.0])
    assert halves == [0.0, 0.0, 0.0]
    assert (tiny / 2).item() > 0


@pytest.mark.parametrize("features", ["post", "pre"])
def test_moments_of_a_stack_have_the_bits_that_one_core_gives_them(monkeypatch, features):
    torch.manual_seed(0)
    stack = StackedMLP([MLP(5, 70, 4, 2) for _ in range(2)], rates=[0.1, 0.1], weight_decays=[0.0, 0.0])
    x, y = torch.randn(5000, 5), torch.randn(5000, 2)  # two batches
    with reproducible_arithmetic():
        several = stack.collect(x, y, features=[features])
        monkeypatch.setattr(threads, "_cores", lambda: 1)
        alone = stack.collect(x, y, features=[features])
    for one, other in zip(several, alone, strict=True):
        for site, expected in zip(one[features], other[features], strict=True):
            assert torch.equal(site.moments.scatter, expected.moments.scatter)
            assert torch.equal(site.moments.mean, expected.moments.mean)


def test_decompositions_have_the_bits_they_have_one_by_one():
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randn(300, width, generator=generator, dtype=torch.float64) for width in (130, 64, 130, 7, 64)]
    covariances = [one.T @ one for one in rows]
    with reproducible_arithmetic():
        alone, each = [eigen(one) for one in covariances], eigen_each(covariances)
    for one, other in zip(alone, each, strict=True):
        assert torch.equal(one.values, other.values)
        assert torch.equal(one.vectors, other.vectors)
