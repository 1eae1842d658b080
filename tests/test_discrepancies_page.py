"""The page on differences of paper and code: expected sentences, differences without measurement, refused entries."""

import dataclasses
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
import yaml

from nrc_core.errors import ConfigError
from nrc_core.results.results import Results
from nrc_core.workflow.profiles import Page, Profile
from tests.fakes import network, results

ROOT = Path(__file__).parent.parent

ENTRY = {
    "id": "one", "group": "metrics", "subject": "A metric", "paper": "this", "code": "that", "here": "this too",
    "matters": "A reason.",
}  # fmt: skip
MEASURED = ENTRY | {"measured": "seeds", "pages": ["swimmer"]}


@pytest.fixture(scope="module")
def discrepancies():
    return import_module("book.builder.discrepancies")


@pytest.fixture(scope="module")
def measurements(discrepancies):
    return discrepancies.MEASUREMENTS


def written(folder: Path, *entries: dict) -> Path:
    path = folder / "discrepancies.yaml"
    path.write_text(yaml.safe_dump({"commit": "abc", "groups": {"metrics": "Metrics"}, "entries": list(entries)}))
    return path


def profile(*names: str) -> Profile:
    pages = tuple(Page(name, name.upper(), "deep_nrc_mlp", {}) for name in names)
    return Profile("toy", "a note", "store", names[0], pages)


def viewed(made: Results, **views: dict) -> Results:
    """Measurements with other views added, such as `pre={"nrc1": 0.1}`, for all rows of the first view."""
    frames = [made.measurements]
    for name, columns in views.items():
        column = "convention" if name in ("printed", "released") else "features"
        frames.append(made.measurements.assign(**{column: name, **columns}))
    return dataclasses.replace(made, measurements=pd.concat(frames, ignore_index=True))


def provenance(made: Results, **data: object) -> Results:
    return dataclasses.replace(made, provenance={key: {"data": data} for key in made.runs["key"]})


# The committed entries


def test_ids_are_unique_and_every_measurement_belongs_to_an_entry(discrepancies, measurements):
    found = discrepancies.read()
    used = [one.measured for one in found.entries if one.measured]
    assert sorted(used) == sorted(measurements)
    assert {one.group for one in found.entries} == set(found.groups)


def test_what_is_measured_is_measured_on_pages_of_the_published_book(discrepancies):
    published = yaml.safe_load((ROOT / "book" / "profiles" / "paper.yml").read_text())["pages"]
    for one in discrepancies.read().entries:
        assert set(one.pages) <= set(published) | {"ledger", "speed"}, one.id


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"matters": None}, "difference 'one' lacks matters"),
        ({"id": None}, "difference None lacks id"),
        ({"group": "metric"}, "unknown group 'metric': did you mean 'metrics'"),
        ({"measured": "seed", "pages": ["swimmer"]}, "unknown measurement 'seed': did you mean 'seeds'"),
        ({"measured": "seeds"}, "`measured` and `pages` go together"),
        ({"pages": ["swimmer"]}, "`measured` and `pages` go together"),
        ({"matter": "x"}, "has no field 'matter': did you mean 'matters'"),
    ],
)
def test_bad_entries_are_refused(discrepancies, tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        discrepancies.read(written(tmp_path, ENTRY | change))


def test_two_rows_of_one_name_are_refused(discrepancies, tmp_path):
    with pytest.raises(ConfigError, match="'one' is there twice"):
        discrepancies.read(written(tmp_path, ENTRY, ENTRY))


def test_an_entry_that_is_no_dictionary_is_refused(discrepancies, tmp_path):
    with pytest.raises(ConfigError, match="difference number 1 lacks all fields"):
        discrepancies.read(written(tmp_path, "words"))


def test_a_file_without_groups_is_refused(discrepancies, tmp_path):
    (tmp_path / "d.yaml").write_text("entries: []")
    with pytest.raises(ConfigError, match="must have `commit`, `groups` and `entries`"):
        discrepancies.read(tmp_path / "d.yaml")


# The page


def test_the_page_says_what_changes_a_verdict_and_where(discrepancies, tmp_path):
    """All four conditions hold in two of three networks; the third network alone would give another verdict."""
    three = results(network(seed=0), network(seed=1), network(seed=2, nrc3=0.5))
    differences = discrepancies.read(written(tmp_path, MEASURED, ENTRY | {"id": "two"}))
    text = discrepancies.page(profile("swimmer"), {"swimmer": three}, differences)
    assert "differ in 2 respects; 1 can be measured" in text
    assert '| <a href="#one">A metric</a> | at 1 of 3 networks, [SWIMMER](pages/swimmer.ipynb) |' in text
    row = next(line for line in text.splitlines() if '<span id="one">' in line)
    assert "*Text:* this<br>*Code:* that<br>*Here:* this too | A reason." in row
    assert "**Measured**, swimmer, 3 networks: the noise at the last site is 0.01; all four" in row
    assert "hold there in 2. Another verdict at 1 of 3 networks. [SWIMMER](pages/swimmer.ipynb). |" in row
    assert '<span id="two"></span>**A metric**' in text


@pytest.mark.parametrize(
    ("pages", "sources", "why"),
    [
        (["hopper"], {}, "this book has no page `swimmer`"),
        (["swimmer"], {"swimmer": None}, r"[SWIMMER](pages/swimmer.ipynb) has no results"),
        (["swimmer"], {"swimmer": results(network())}, "[SWIMMER](pages/swimmer.ipynb): it has one network"),
    ],
)
def test_what_is_not_there_is_not_measured(discrepancies, tmp_path, pages, sources, why):
    differences = discrepancies.read(written(tmp_path, MEASURED))
    text = discrepancies.page(profile(*pages), sources, differences)
    assert f"*Not measured at this profile: {why}.*" in text
    assert "; 0 can be measured" in text
    assert "<a href" not in text


def test_what_changes_no_verdict_is_measured_but_not_in_the_summary(discrepancies, tmp_path):
    alike = results(network(seed=0), network(seed=1))
    text = discrepancies.page(profile("swimmer"), {"swimmer": alike}, discrepancies.read(written(tmp_path, MEASURED)))
    assert "1 can be measured on what this book has computed. 1 of these bear on a threshold, and 0 change a" in text
    assert "Another verdict at 0 of 2 networks." in text
    assert "<a href" not in text


# The measurements


@pytest.fixture
def three_definitions() -> Results:
    """One network with four sites, two targets and error 0.01; NRC2 by the released code fails everywhere."""
    made = results(network(nrc2=0.95, nrc4=0.02))
    return viewed(
        made,
        printed={"nrc2": 0.92, "nrc4": 0.06},
        released={"nrc2": 0.0, "nrc4": 0.5, "feature_stable_rank": 1.125, "target_stable_rank": 1.25},
    )


def test_first_columns(measurements, three_definitions):
    found = measurements["first_columns"](three_definitions)
    assert found.words == (
        "swimmer, 1 network: at the last site 0.95 projected, 0.92 without projection, 0 by the first columns, "
        "which give exactly 0 at 4 of 4 sites."
    )
    assert (found.changed, found.of) == (4, 4)


def test_linear_prediction(measurements, three_definitions):
    found = measurements["linear_prediction"](three_definitions)
    assert "at the last site 0.02 here, 0.5 by the code and 0.06 by the formula, where the error of the network is 0.01" in found.words  # noqa: E501  # fmt: skip
    assert (found.changed, found.of) == (4, 4)  # 0.02 is at most 2 x 0.01 + 0.01, 0.5 is not


def test_stable_ranks(measurements, three_definitions):
    words = measurements["stable_ranks"](three_definitions).words
    assert words.endswith("1.5 for the features, and 1.12 by the code; 1.5 and 1.25 for the targets.")


@pytest.mark.parametrize("name", ["first_columns", "linear_prediction", "stable_ranks"])
def test_one_definition_is_not_enough(discrepancies, measurements, name):
    with pytest.raises(discrepancies.NotMeasured, match="by one definition only"):
        measurements[name](results(network()))


def test_cutoff(measurements):
    """Hidden sites 1 to 3: 0.5, 0.5 and 2 times the network's error, with the larger cutoff 4, 4 and 0.8 times it."""
    made = results(network(nrc4=[0.0, 0.005, 0.005, 0.02], nrc4_signal=[0.0, 0.04, 0.04, 0.008]))
    found = measurements["cutoff"](made)
    assert "at 2 of 3 hidden sites, down to 0.5 of it; with the larger cutoff at 1, down to 0.8." in found.words
    assert (found.changed, found.of) == (2, 3)


def test_rounding(measurements):
    found = measurements["rounding"](results(network(nrc1=[1e-9, 1e-6, 1e-8, 3e-10])))
    assert "below 1.2e-07, the rounding of single precision, at 2 of 3 hidden sites, and 3.0e-10 at" in found.words


def test_before_activation(measurements):
    found = measurements["before_activation"](viewed(results(network(nrc1=0.2)), pre={"nrc1": 0.02}))
    assert "0.2 after the activation, 0.02 before it" in found.words
    assert (found.changed, found.of) == (3, 3)


def test_positions(measurements):
    """Of four sites the two named as convolutions count; their NRC3 passes the threshold by averages only."""
    made = results(network("car_racing", name=["conv1", "layer1.conv2", "fc", "fc"], nrc1=0.2, nrc3=0.95))
    made.measurements.loc[made.measurements["site"] == 4, "name"] = "output"
    found = measurements["positions"](viewed(made, positions={"nrc1": 0.6, "nrc3": 0.7}))
    assert "the noise is 0.2 of averages and 0.6 of positions; NRC3 is up to 0.25 apart." in found.words
    assert (found.changed, found.of) == (2, 2)


@pytest.mark.parametrize("name", ["before_activation", "positions"])
def test_one_view_is_not_enough(discrepancies, measurements, name):
    with pytest.raises(discrepancies.NotMeasured, match="were not measured"):
        measurements[name](results(network()))


def test_residual_stream(measurements):
    made = results(network(name=["layer1.0.conv1", "layer1.0.conv2", "layer1.1.conv1", "fc"], nrc1=[0.1, 0.7, 0.2, 0.3]))  # noqa: E501  # fmt: skip
    made.measurements.loc[made.measurements["site"] == 4, "name"] = "output"
    words = measurements["residual_stream"](made).words
    assert words.endswith("0.2 (0.1 to 0.3) at sites on the residual stream, 0.7 inside blocks.")


def test_training_log(measurements):
    """NRC4 of 0.05 is too much for an error of 0.01, but not for the 0.04 of the log."""
    found = measurements["training_log"](results(network(nrc4=0.05, losses=[0.5, 0.04])))
    assert "the training log's last entry is 4 times the error" in found.words
    assert (found.changed, found.of) == (4, 4)


def test_left_out(measurements):
    made = provenance(results(network()), n_train=1000)
    made.runs["batch_size"] = 128
    words = measurements["left_out"](made).words
    assert "of 1,000 training rows 104 are left out in batches of 128, and 488 in the code's default of 512" in words


@pytest.fixture
def four_variants() -> Results:
    """The paper's network, one with a bias that does not align, and one of half the initial scale; NRC1 0.01 or 0.2."""
    made = results(network(), network(nrc1=0.2, nrc3=0.5), network(train=1.0, nrc1=0.2))
    made = viewed(made, pre={})
    made.runs["bias"], made.runs["init_scale"] = [False, True, False], [1.0, 1.0, 0.5]
    return made


def test_biases(measurements, four_variants):
    assert measurements["biases"](four_variants).words == (
        "swimmer: the noise at the last site is 0.01 without biases, where all four conditions hold in 1 of 1 network; "
        "0.2 with a bias, where all four conditions hold in 0 of 1 network."
    )


def test_initial_weights(measurements, four_variants):
    assert measurements["initial_weights"](four_variants).words == (
        "swimmer: default initial weights leave 0.01 of the training variance unexplained, all four conditions "
        "hold in 1 of 1 network; initial weights x 0.5 leave 1 of the training variance unexplained, all four "
        "conditions hold in 0 of 1 network."
    )


@pytest.mark.parametrize("name", ["biases", "initial_weights"])
def test_a_network_without_variants_does_not_tell(discrepancies, measurements, name):
    made = viewed(results(network()), pre={})
    made.runs["bias"], made.runs["init_scale"] = False, 1.0
    with pytest.raises(discrepancies.NotMeasured, match="no networks that differ in this"):
        measurements[name](made)


def test_years(measurements):
    words = measurements["years"](provenance(results(network("utkface")), target_spread=[20.0])).words
    assert words == "utkface, 1 network: a training error of 0.01 of the variance is 4 in squared years, and the variance 400."  # noqa: E501  # fmt: skip


def test_neighbours(measurements):
    """A gap of 0.01 by random rows and of 0.29 by blocks: the second is not small."""
    made = results(network(split="random"), network(split="blocked", test=0.3))
    found = measurements["neighbours"](made)
    assert "by a random and by a blocked split: swimmer 0.02 and 0.3." in found.words
    assert (found.changed, found.of) == (1, 1)


def test_one_split_does_not_tell(discrepancies, measurements):
    with pytest.raises(discrepancies.NotMeasured, match="one kind of split"):
        measurements["neighbours"](results(network()))


def test_rank_one(measurements):
    made = provenance(results(network("sgemm", target_stable_rank=1.00003)), n_train=80, n_test=20)
    assert measurements["rank_one"](made).words == "sgemm, 1 network: 100 rows, targets of stable rank 1.00003."


def test_limits(discrepancies, measurements):
    claim = {"thresholds": {"noise_most": 0.05}, "verdict": "reproduced", "moved": {}}
    entries = [
        claim,
        claim | {"moved": {"noise_most = 0.1": "partly"}},
        claim | {"moved": {"alignment_least = 0.8": "partly"}},
        claim | {"verdict": "not yet run"},
        claim | {"thresholds": {}},
    ]
    found = measurements["limits"](entries)
    assert "at 0.01 or 0.1 in place of 0.05" in found.words
    assert (found.changed, found.of) == (1, 3)
    with pytest.raises(discrepancies.NotMeasured, match="no claim about collapsed layers has a verdict"):
        measurements["limits"](entries[3:])


def test_sample_matrices(discrepancies, measurements):
    timed = [
        {"rows": rows, "threads": threads, "method": method, "median, s": seconds * threads}
        for rows in (10, 1000) for threads in (1, 2) for method, seconds in (("Gram", 50.0), ("moments", 0.01))
    ]  # fmt: skip
    grown = [{"rows": 100_000, "metrics, median, s": 0.5, "peak above data, GB": 0.008}]
    files = {"metrics": {"tables": [{"rows": timed}]}, "scaling": {"tables": [{"rows": grown}]}}
    words = measurements["sample_matrices"](files).words
    assert "1,000 rows and one thread, CKA alone takes 50 s" in words
    assert "take 0.01 s by covariances. With 100,000 rows one such matrix has 40 GB;" in words
    assert "everything takes 0.5 s and 0.008 GB beyond the data." in words
    with pytest.raises(discrepancies.NotMeasured, match="have not been run"):
        measurements["sample_matrices"]({"metrics": {}})


def test_the_toy_book_has_the_page(site):
    text = (site / "discrepancies.html").read_text()
    assert "which give exactly 0 at" in text
    assert "Not measured at this profile" in text
