"""Training of one network of any kind by autograd, with the methods of a stack of MLPs."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from nrc_core.metrics.batches import rows_at_once
from nrc_core.metrics.sites import Site, collect

Loss = Callable[[Tensor, Tensor], Tensor]  # function of the outputs and the targets of a batch


class SingleNetwork:
    """A network under training, with the methods of a `StackedMLP` that has only one network.

    Example:
        >>> single = SingleNetwork(nn.Linear(3, 1), rate=0.1, weight_decay=0.0)
        >>> single.evaluate(torch.ones(2, 3), torch.ones(2, 1))[0] > 0
        True
    """

    def __init__(
        self, network: nn.Module, *, rate: float, weight_decay: float, momentum: float = 0.9, mixed: bool = False
    ):
        self._network, self._rate, self._mixed = network, rate, mixed
        self._optimiser = torch.optim.SGD(
            network.parameters(),
            rate,
            momentum=momentum,
            weight_decay=weight_decay,
            fused=True,  # one pass over the weights: on a CPU the same bits, five percent faster
        )

    def scale_rates(self, factor: float) -> None:
        """Multiply the initial learning rate by `factor`."""
        self._optimiser.param_groups[0]["lr"] = self._rate * factor

    def epoch(self, x: Tensor, y: Tensor, order: Tensor, batch_size: int) -> Tensor:
        """Make one pass over the rows; returns each batch's loss before its update, (1, steps)."""
        self._network.train()
        batches = order[0].split(batch_size)
        losses = torch.zeros(1, len(batches), device=x.device)
        for step, rows in enumerate(batches):
            losses[0, step], _ = self.step(x[rows], y[rows])
        return losses

    def step(self, x: Tensor, y: Tensor, loss: Loss = functional.mse_loss) -> tuple[Tensor, Tensor]:
        """Make one update on a batch; returns the loss and the outputs before the update."""
        self._optimiser.zero_grad(set_to_none=True)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self._mixed):
            outputs = self._network(x)
        value = loss(outputs.to(y.dtype), y)
        value.backward()
        self._optimiser.step()
        return value.detach(), outputs.detach()

    @torch.no_grad()
    def evaluate(self, x: Tensor, y: Tensor) -> list[float]:
        """Mean squared error per entry over a data set, in evaluation mode."""
        self._network.eval()
        total = torch.zeros((), dtype=torch.float64, device=x.device)
        size = rows_at_once(x)
        for a, b in zip(x.split(size), y.split(size), strict=True):
            total += (self._network(a) - b).square().sum(dtype=torch.float64)
        return [(total / y.numel()).item()]

    def collect(self, x: Tensor, y: Tensor, *, features: Sequence[str]) -> list[dict[str, list[Site]]]:
        """Result of `collect`, in a list of one."""
        return [collect(self._network, x, y, features=features)]

    def state(self, member: int) -> dict[str, Any]:
        """State of the network and the optimiser; with the order of the batches it decides the next update."""
        return {"model": self._network.state_dict(), "optimiser": self._optimiser.state_dict()}

    def restore(self, member: int, state: dict[str, Any]) -> None:
        """Continue from a result of `state`."""
        self._network.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
