from .cross_entropy import cross_entropy_ufm_loss
from .deep_features import deep_ufm_loss, deep_ufm_matrices
from .ordinal import ordinal_ufm_minimum
from .statements import ufm_minimum

__all__ = [
    "cross_entropy_ufm_loss",
    "deep_ufm_loss",
    "deep_ufm_matrices",
    "ordinal_ufm_minimum",
    "ufm_minimum",
]
