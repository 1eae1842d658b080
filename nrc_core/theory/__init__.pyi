from .cross_entropy import cross_entropy_ufm_loss
from .deep_features import deep_ufm_loss, deep_ufm_matrices
from .normalised_features import normalised_features_minimum
from .ordinal import ordinal_ufm_minimum
from .statements import ufm_minimum

__all__ = [
    "cross_entropy_ufm_loss",
    "deep_ufm_loss",
    "deep_ufm_matrices",
    "normalised_features_minimum",
    "ordinal_ufm_minimum",
    "ufm_minimum",
]
