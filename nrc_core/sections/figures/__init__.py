"""The figures of the book: each from tidy results only, each with its message in words."""

from nrc_core.sections.figures.bridge import classification_beside_regression, train_beside_test
from nrc_core.sections.figures.canvas import Picture
from nrc_core.sections.figures.cascade import cascade, regression_cascade
from nrc_core.sections.figures.classification import (
    margins_over_training,
    train_and_test_variances,
    variances_by_train_size,
)
from nrc_core.sections.figures.conventions import conventions
from nrc_core.sections.figures.foundations import collapsing_cloud
from nrc_core.sections.figures.low_rank import low_rank, low_rank_control, noise_by_rank
from nrc_core.sections.figures.networks import (
    conditions,
    dynamics,
    headline,
    losses,
    measured,
    spectrum,
    stable_ranks,
    strip,
    views,
)
from nrc_core.sections.figures.theory import counter_example_curve, proposition_bounds
from nrc_core.sections.figures.training import generalisation, onset_order, over_epochs, training_curves
from nrc_core.sections.figures.transfer import transfer_by_collapse
from nrc_core.sections.figures.variants import cone, noise_before_and_after, variants
from nrc_core.sections.figures.weight_decay import weight_decay_errors, weight_decay_lines, weight_decay_map

__all__ = [
    "Picture",
    "cascade",
    "classification_beside_regression",
    "collapsing_cloud",
    "conditions",
    "cone",
    "conventions",
    "counter_example_curve",
    "dynamics",
    "generalisation",
    "headline",
    "losses",
    "low_rank",
    "low_rank_control",
    "margins_over_training",
    "measured",
    "noise_before_and_after",
    "noise_by_rank",
    "onset_order",
    "over_epochs",
    "proposition_bounds",
    "regression_cascade",
    "spectrum",
    "stable_ranks",
    "strip",
    "train_and_test_variances",
    "train_beside_test",
    "training_curves",
    "transfer_by_collapse",
    "variances_by_train_size",
    "variants",
    "views",
    "weight_decay_errors",
    "weight_decay_lines",
    "weight_decay_map",
]
