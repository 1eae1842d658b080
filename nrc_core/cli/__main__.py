"""The command line as `python -m nrc_core.cli`."""

import sys

from nrc_core.cli.main import main

sys.exit(main())
