"""Run all trials, and write the outcomes into the file that the book's page on own networks reads."""

from benchmarks.timing import write
from nrc_core.files import project_folder
from tests.tried import outcome
from tests.tried.data import DATA
from tests.tried.networks import NETWORKS
from tests.tried.wrappers import WRAPPERS

OUTPUT = project_folder() / "benchmarks" / "tried" / "measure.json"
TRIALS = {
    "The tests run each of these. The answer is an error, a line in the log or a doubt. First, networks by their "
    "parts.": NETWORKS,
    "Networks, by what was done to them.": WRAPPERS,
    "Data, by their container and their content.": DATA,
}


def tables() -> list[dict]:
    """One table for each kind of trials."""
    return [{"caption": caption, "rows": [outcome(trial) for trial in trials]} for caption, trials in TRIALS.items()]


if __name__ == "__main__":
    write(OUTPUT, "What it was tried on", tables())
