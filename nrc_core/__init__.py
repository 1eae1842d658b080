"""Neural regression collapse: data, networks, metrics, results. This file is the public surface.

Conventions, everywhere: samples in rows; site i is the input of weight layer i, counted from 0, so
site 0 is the raw input; the last site is the network's output. Letters: n samples, d input
dimensions, h width, t target dimensions, r rank, L weight layers, K classes.
"""

import lazy_loader

# Every name comes at its first use: torch and pandas take seconds to import, and much does without them.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
