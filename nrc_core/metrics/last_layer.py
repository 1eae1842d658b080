"""The covariances around the last weight of a network, which theories of the last layer speak about."""

from collections.abc import Sequence

import pandas as pd

from nrc_core.metrics.sites import Site


def last_layer(sites: Sequence[Site]) -> pd.DataFrame:
    """The weight, targets and errors of the last layer, as t x t matrices: one row for each entry.

    Args:
        sites: the sites of a network, the output last; the one before it must have a weight.

    Returns:
        Columns `quantity, row, column, value`. Quantities: `weight_gram`, W W^T of the last weight W (t, h);
        `target_covariance`; `error_covariance`, of targets minus predictions; and in one row (0, 0) `feature_energy`,
        the mean of ||h||^2 over the samples, not centred.

    Raises:
        ValueError: the site before the output has no weight.

    Example:
        >>> from nrc_core.metrics.moments import Moments
        >>> h, y = torch.tensor([[2.0], [0.0]]), torch.tensor([[1.0], [0.0]])
        >>> hidden = Site("head", torch.tensor([[0.5]]), Moments.of(h, y))
        >>> table = last_layer([hidden, Site("output", None, Moments.of(h / 2, y))])
        >>> dict(zip(table["quantity"], table["value"]))
        {'weight_gram': 0.25, 'target_covariance': 0.25, 'error_covariance': 0.0, 'feature_energy': 2.0}
    """
    hidden, output = sites[-2], sites[-1]
    if hidden.weight is None:
        raise ValueError(f"the site before the output must have a weight: {hidden.name!r} has none")
    weight, moments = hidden.weight.detach().double().cpu(), output.moments.cpu()
    targets, cross = moments.target_covariance, moments.cross_covariance
    features = hidden.moments.cpu()
    energy = features.feature_covariance.trace() + features.feature_mean.square().sum()
    found = {
        "weight_gram": weight @ weight.T,
        "target_covariance": targets,
        "error_covariance": moments.feature_covariance + targets - cross - cross.T,
        "feature_energy": energy.reshape(1, 1),
    }
    rows = [
        {"quantity": name, "row": i, "column": j, "value": value}
        for name, matrix in found.items()
        for i, entries in enumerate(matrix.tolist())
        for j, value in enumerate(entries)
    ]
    return pd.DataFrame(rows)
