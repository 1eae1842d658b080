"""References and re-checks of pages, on networks of toy size."""

import json

import pandas as pd
import pytest

from nrc_core import ConfigError, DataDamaged, Store, run
from nrc_core.claims.checks import Observation
from nrc_core.claims.close_calls import chance_of_change
from nrc_core.claims.quantities import setting
from nrc_core.claims.rechecks import AGREES, DIFFERS, NOT_COMPARED, check_page, summary
from nrc_core.claims.references import (
    References,
    differences,
    machine_share,
    make,
    runs_elsewhere,
    seeds_of,
    trained_pages,
)
from nrc_core.cli.main import main
from nrc_core.workflow.profiles import Page, Profile, read_profile

TOY = {"dataset": "synthetic", "samples": 200, "width": 8, "depth": 3, "epochs": 6, "measurements": 3}
PAGE = Page("toy", "Toy", "deep_nrc_mlp", TOY | {"seeds": [0]})
IDLE = Page("idle", "Idle", "four_conditions", {})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("references")
    store = Store(folder / "store")
    assert make([PAGE], range(6), folder / "table", store) == []
    return References.read(folder / "table"), store


def changed(page: Page, **parameters) -> Page:
    return Page(page.name, page.title, page.notebook, {**page.parameters, **parameters})


def test_references_are_read_as_they_were_made(made, tmp_path):
    references, store = made
    references.write(tmp_path / "again")
    again = References.read(tmp_path / "again")
    pd.testing.assert_frame_equal(again.quantities, references.quantities)
    assert sorted(again.runs["seed"]) == list(range(6))
    assert set(again.runs["key"]) == set(store.all_keys())


def test_references_that_are_there_are_not_made_again(made, tmp_path, monkeypatch):
    references, store = made
    references.write(tmp_path / "table")
    monkeypatch.setattr("nrc_core.claims.references.run", lambda *a, **k: pytest.fail("trained again"))
    assert make([PAGE], range(6), tmp_path / "table", store) == []


def test_references_of_random_starts_have_their_seeds_too():
    """Networks and flows have the seeds 0 and 1; each is there once."""
    parameters = {"products": [0.1], "decays": [0.1], "scales": [1.0], "datasets": ["synthetic"], "depths": [2]}
    page = Page("free", "Free", "unconstrained_features", parameters)
    configs = seeds_of(page, [0, 1])
    assert [(config.TASK, config.seed) for config in configs] == [
        *[("regression features", 0)] * 3,
        *[(None, 0), (None, 1)],
        *[("regression features", 1)] * 3,
    ]


def test_published_runs_are_taken_where_they_are(made, tmp_path, monkeypatch):
    _, published = made
    monkeypatch.setattr("nrc_core.claims.references.run", lambda *a, **k: pytest.fail("trained again"))
    assert make([PAGE], range(6), tmp_path / "table", Store(tmp_path / "empty"), published) == []
    assert len(References.read(tmp_path / "table").runs) == 6


def test_the_same_runs_agree_to_the_bit(made):
    references, store = made
    found = check_page(PAGE, store, references)
    assert (found.outcome, found.number) == (AGREES, 0.0)
    assert found.references == 6


def test_two_new_seeds_are_no_alarm_and_three_that_are_outside_are(made, tmp_path, monkeypatch):
    references, _ = made
    store = Store(tmp_path / "store")
    page = changed(PAGE, seeds=[6, 7, 8])
    run(seeds_of(page, [6, 7, 8]), store=store)
    monkeypatch.setattr("nrc_core.claims.rechecks.LIMIT", 0.0)
    for seeds in ([6], [6, 7]):
        few = check_page(changed(PAGE, seeds=seeds), store, references)
        assert few.outcome == NOT_COMPARED
        assert "a new seed went another way" in few.reason
    assert check_page(page, store, references).outcome == DIFFERS


def test_a_fault_in_training_is_seen(made, tmp_path, monkeypatch):
    references, _ = made
    from nrc_core.training.stacked import StackedMLP

    monkeypatch.setattr(StackedMLP, "scale_rates", lambda self, factor: self._rates.copy_(self._initial_rates * 4))
    run(seeds_of(PAGE, [0]), store=Store(tmp_path / "store"))
    found = check_page(PAGE, Store(tmp_path / "store"), references)
    assert found.outcome == DIFFERS
    assert "toy differs" in summary([found])
    assert "expected from" in summary([found])


def test_why_a_page_is_not_compared(made, tmp_path, monkeypatch):
    references, store = made
    monkeypatch.setenv("NRC_DATA_DIR", str(tmp_path / "no data"))
    cases = {
        "it was not run here": check_page(PAGE, Store(tmp_path / "empty"), references),
        "changed since the references were made": check_page(changed(PAGE, width=9), store, references),
        "no references": check_page(Page("other", "", "deep_nrc_mlp", TOY | {"width": 9}), store, references),
        "its data are not here": check_page(
            Page("hopper", "", "deep_nrc_mlp", {"dataset": "hopper"}), store, references
        ),
    }
    for reason, found in cases.items():
        assert found.outcome == NOT_COMPARED
        assert reason in found.reason
    counted = summary(list(cases.values())).splitlines()[-1]
    assert counted == "0 of 4 pages agree with their references, 0 differ, 4 are not compared"


def test_a_page_agrees_only_if_all_of_it_was_compared(made, tmp_path):
    references, store = made
    wider = Page("toy", "", "weight_decay", TOY | {"weight_decays": [0.0, 0.5]})
    assert check_page(wider, store, references).outcome == NOT_COMPARED
    two = Store(tmp_path / "two")
    run(seeds_of(PAGE, [0]), store=two)
    found = check_page(changed(PAGE, seeds=[0, 1]), two, references)
    assert found.outcome == NOT_COMPARED
    assert "1 of its 2 runs are not in the store" in found.reason


def test_a_run_that_diverged_differs_where_no_reference_did(made, tmp_path):
    references, _ = made
    config = seeds_of(PAGE, [0])[0]
    store = Store(tmp_path / "store")
    run([config], store=store)
    (key,) = store.all_keys()
    record = {name: value for name, value in store.load(key).provenance.items() if name not in ("key", "files")}
    store.save(key, {}, record | {"failure": "the loss became nan"})
    found = check_page(PAGE, store, references)
    assert found.outcome == DIFFERS
    assert "diverged" in found.reason


def test_pages_of_a_profile():
    profile = Profile("p", "", "", "toy", (PAGE, IDLE))
    assert trained_pages(profile) == [PAGE]
    with pytest.raises(ConfigError, match="has no page 'tay'"):
        trained_pages(profile, ["tay"])
    with pytest.raises(ConfigError, match="page idle trains nothing"):
        trained_pages(profile, ["idle"])


def test_a_damaged_table_is_told(tmp_path):
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "runs.parquet").write_text("no")
    with pytest.raises(DataDamaged, match="holds no references"):
        References.read(tmp_path / "table")


def test_other_machines_are_compared_seed_by_seed(made):
    references, _ = made
    name = setting(seeds_of(PAGE, [0])[0])
    moved = references.quantities.copy()
    kind = moved["kind"] == "error, share of variance"
    moved.loc[kind, "value"] *= 1.01
    machine = References(references.runs, moved)
    found = differences(references, {"other": machine}).set_index("kind")["z"]
    assert (found.drop("error, share of variance") == 0).all()
    assert (found["error, share of variance"] > 0).all()
    for names, own, there in runs_elsewhere(references, {"other": machine}):
        assert there.distances(own).idxmin() == names["seed"]
    unit = references.of(name)
    z = found["error, share of variance"].to_numpy()[:2]
    expected = (z**2).sum() / len(unit.values)
    assert machine_share(references, {"other": machine}) == pytest.approx(expected**0.5, rel=1e-9)
    assert machine_share(references, {}) is None


def test_the_command_says_what_differs_and_fails(made, tmp_path, capsys):
    references, store = made
    references.write(tmp_path / "table")
    profile = tmp_path / "toy.yml"
    entry = {"title": "Toy", "notebook": "deep_nrc_mlp", "parameters": TOY | {"seeds": [0]}}
    given = {"name": "toy", "note": "", "store": "store", "headline": "toy", "pages": {"toy": entry}}
    profile.write_text(json.dumps(given))
    assert read_profile(profile).pages[0].parameters["seeds"] == [0]
    options = ["--profile", str(profile), "--references", str(tmp_path / "table"), "--store", str(store.folder)]
    assert main(["check", *options, "--json"]) == 0
    (page,) = json.loads(capsys.readouterr().out)["pages"]
    assert (page["page"], page["outcome"], page["number"], page["runs"]) == ("toy", "agrees", 0.0, 1)
    shifted = references.quantities.assign(value=references.quantities["value"] * 0.5)
    References(references.runs, shifted).write(tmp_path / "table")
    assert main(["check", *options]) == 1
    assert "1 of 1 pages differ from their references (toy)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "limit", "expected"),
    [([1.0, 1.1, 0.9], 5.0, 0.0), ([1.0, 1.1, 0.9], 1.0001, 0.5)],
)
def test_the_chance_of_another_verdict(values, limit, expected):
    """Far from the limit nothing changes; half of the reruns of a network near the limit are on the other side."""
    rows = pd.DataFrame({"group": "a", "seed": range(3), "value": values})
    rows["holds"] = rows["value"] <= limit
    first = chance_of_change(Observation("noise", limit, False, rows), lambda r: str(r["holds"].iloc[0]), 0.5)
    assert first == pytest.approx(expected, abs=0.05)


def test_networks_that_fail_for_another_reason_stay_as_they_are():
    rows = pd.DataFrame({"group": "a", "seed": range(3), "value": [0.9, 0.89, 0.91], "holds": False})
    seen = Observation("alignment", 0.9001, True, rows)
    found = chance_of_change(seen, lambda r: str(r["holds"].iloc[2]), 1.0)
    assert found == 0.0
    few = Observation("alignment", 0.9, True, rows.iloc[:2])
    assert chance_of_change(few, lambda r: "", 1.0) is None
