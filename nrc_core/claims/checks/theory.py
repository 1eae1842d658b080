"""Checks of statements that are theory: by counter-example, by construction, or on trained networks."""

from __future__ import annotations

from nrc_core.claims.checks.constructed import Rows, case
from nrc_core.claims.checks.observation import Evidence, Limits, Observation, observe
from nrc_core.sections.proposition_1.tables import site_bounds

# Rounding of CKA near 1, where a bound is the square root of one minus its square.
ROUNDING = 1e-6


def printed_bound(_: Evidence, __: Limits) -> Observation:
    """Residual of Proposition 1 over its bound as printed, for one family of features and targets."""
    return observe("residual over the bound as printed, in four cases of one family", 1.0, _counter_examples())


@case
def _counter_examples() -> Rows:
    from nrc_core.theory.statements import counter_example, proposition_1

    found = [proposition_1(*counter_example(delta, samples=8)) for delta in (0.5, 0.2, 0.1, 0.01)]
    return [{"group": "counter-example", "seed": -1, "value": one.residual / one.printed_bound} for one in found]


def reverse_bound_on_networks(evidence: Evidence, _: Limits) -> Observation:
    """Largest excess, over a network's weight sites, of the unpredicted share of the targets over its bound."""
    found = []
    for results in evidence.values():
        sites = site_bounds(results.label(results.final(), "dataset"))
        sites["excess"] = sites["nrc4_unexplained"] - sites["bound"]
        for (dataset, seed), rows in sites.groupby(["dataset", "seed"], sort=False):
            found.append({"group": dataset, "seed": int(seed), "value": rows["excess"].max()})
    return observe("largest excess of the unpredicted share of the targets over its bound", ROUNDING, found)


def zero_loss_without_alignment(_: Evidence, limits: Limits) -> Observation:
    """NRC3 of features that fit the targets exactly, with most of their variance where the weight is blind."""
    quantity = "NRC3 of a solution of zero loss"
    return observe(quantity, limits["misaligned_below"], _solution_of_zero_loss(), strict=True)


@case
def _solution_of_zero_loss() -> Rows:
    import torch

    from nrc_core.metrics.regression import nrc3
    from nrc_core.theory.statements import unregularised_solution

    generator = torch.Generator().manual_seed(0)
    weight, targets, free = (torch.randn(*shape, generator=generator) for shape in ((2, 16), (100, 2), (100, 16)))
    features = unregularised_solution(weight, targets - targets.mean(0), 100 * (free - free.mean(0)))
    if not torch.allclose(features @ weight.double().T, (targets - targets.mean(0)).double()):
        raise ArithmeticError("the family of solutions has no zero loss")
    return [{"group": "one solution", "seed": -1, "value": nrc3(features, weight.double(), 2)}]


THEORY = {
    function.__name__: function for function in (printed_bound, reverse_bound_on_networks, zero_loss_without_alignment)
}
