"""Record the constructed cases again: `python -m nrc_core.claims.checks`."""

import nrc_core.claims.checks  # noqa: F401 - its modules contain the cases
from nrc_core.claims.checks.constructed import record, recorded_file

record(recorded_file())
