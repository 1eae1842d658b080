"""Theoretical statements about collapse, which need no training."""

import lazy_loader

# Every name comes at its first use, as those of `nrc_core`.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
