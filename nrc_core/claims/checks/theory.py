"""Checks of theoretical statements: by counter-example, by construction, or on trained networks."""

import pandas as pd

from nrc_core.claims.checks.constructed import Rows, case
from nrc_core.claims.checks.observation import Items, Value, check
from nrc_core.claims.checks.subjects import parts
from nrc_core.results.results import Results
from nrc_core.sections.proposition_1.tables import site_bounds

# Rounding error of a bound for CKA near 1: the bound is the square root of 1 - CKA^2.
ROUNDING = 1e-6


@case(limit=1.0)
def printed_bound() -> Rows:
    """Residual over the bound as printed, in four cases of one family."""
    from nrc_core.theory.statements import counter_example, proposition_1

    found = [proposition_1(*counter_example(delta, samples=8)) for delta in (0.5, 0.2, 0.1, 0.01)]
    return [{"group": "counter-example", "seed": -1, "value": one.residual / one.printed_bound} for one in found]


def _bounded(results: Results) -> Items:
    yield from parts(site_bounds(results.label(results.final(), "dataset")), ["dataset", "seed"])


@check(limit=ROUNDING, over=_bounded)
def reverse_bound_on_networks(rows: pd.DataFrame) -> Value:
    """Largest excess of the unpredicted share of the targets over its bound."""
    return (rows["nrc4_unexplained"] - rows["bound"]).max()


@case(limit="misaligned_below", strict=True)
def zero_loss_without_alignment() -> Rows:
    """NRC3 of a solution of zero loss.

    The features fit the targets exactly, and most of their variance is in the null space of the weight.
    """
    import torch

    from nrc_core.metrics.regression import nrc3
    from nrc_core.theory.statements import unregularised_solution

    generator = torch.Generator().manual_seed(0)
    weight, targets, free = (torch.randn(*shape, generator=generator) for shape in ((2, 16), (100, 2), (100, 16)))
    features = unregularised_solution(weight, targets - targets.mean(0), 100 * (free - free.mean(0)))
    if not torch.allclose(features @ weight.double().T, (targets - targets.mean(0)).double()):
        raise ArithmeticError("the family of solutions has no zero loss")
    return [{"group": "one solution", "seed": -1, "value": nrc3(features, weight.double(), 2)}]
