"""Input and output of `nrc claims`: it reads only the tables that checks need, recorded cases, one claim in full."""

import json

import pytest

from nrc_core import Store, deep_nrc_mlp, run, stored
from nrc_core.claims import ledger
from nrc_core.claims.checks import CHECKS, constructed
from nrc_core.claims.entries import read_claims
from nrc_core.claims.ledger import judge
from nrc_core.cli.main import main
from nrc_core.results.store import RESULTS_VERSION
from nrc_core.results.thresholds import thresholds
from nrc_core.workflow.profiles import read_profile
from tests.test_claims import PAPER, ROOT, toy_profile


@pytest.mark.parametrize("name", ["F3-2", "F5-3", "B27"])
def test_checks_are_given_every_table_that_they_look_at(name, monkeypatch):
    """Verdicts are the same with all tables; spectra, losses and downstream results are read only if needed."""
    profile = read_profile(PAPER)
    (with_few,) = judge(profile, Store(ROOT / profile.store), names=[name])
    monkeypatch.setattr(ledger, "READERS", {})
    (with_all,) = judge(profile, Store(ROOT / profile.store), names=[name])
    assert with_few.as_dict() == with_all.as_dict()
    assert with_few.groups


def test_a_table_that_was_not_read_is_missed_aloud(tmp_path):
    configs = deep_nrc_mlp("synthetic", samples=60, width=8, epochs=3)
    store = Store(tmp_path)
    run(configs, store=store)
    found, _ = stored(configs, store=store, tables=("measurements",))
    assert found is not None
    with pytest.raises(KeyError):
        found.final_spectra()
    with pytest.raises(KeyError):
        found.losses.groupby("key")
    assert len(found.where(dataset="synthetic").final()) == len(found.final())


def test_tables_that_are_not_read_are_compared_with_their_checksums_all_the_same(tmp_path):
    store = Store(tmp_path)
    key = run(deep_nrc_mlp("synthetic", samples=60, width=8, epochs=3), store=store).runs["key"].iloc[0]
    assert store.load(key, tables=()) is not None
    with (tmp_path / key / "spectra.parquet").open("ab") as file:
        file.write(b"0")
    assert store.load(key, tables=("measurements",)) is None


def test_the_recorded_cases_are_what_they_give_today():
    recorded = json.loads(constructed.recorded_file().read_text())
    assert recorded["results_version"] == RESULTS_VERSION
    assert recorded["cases"].keys() == constructed.MAKERS.keys()
    for name, maker in constructed.MAKERS.items():
        for before, now in zip(recorded["cases"][name], maker(), strict=True):
            assert before == now | {"value": pytest.approx(now["value"], rel=1e-6)}, name


def test_cases_recorded_by_another_version_are_made_anew(tmp_path, monkeypatch):
    row = {"group": "sums", "seed": -1}
    for version, value in ((RESULTS_VERSION + 1, 0.2), (RESULTS_VERSION, 5.0)):
        path = tmp_path / f"{version}.json"
        path.write_text(json.dumps({"results_version": version, "cases": {"superclass_cap": [row | {"value": 5.0}]}}))
        monkeypatch.setattr(constructed, "recorded_file", lambda path=path: path)
        found = CHECKS["superclass_cap"]({}, thresholds())
        assert found.rows["value"].tolist() == [value]


def test_one_claim_in_full(capsys):
    """The output has the claim as in the ledger, its evidence, and the thresholds that would change its verdict."""
    assert main(["claims", "F2-H3", "--store", str(ROOT / "results")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    one = next(claim for claim in read_claims() if claim.id == "F2-H3")
    limits = ["the limit is at least 0.9", "alignment_least = 0.9", "hangs on: with noise_most = 0.01 it would be"]
    for part in (one.statement, one.source, "hopper: holds in ", "another machine the verdict would change", *limits):
        assert part in said, part


def test_smaller_networks_that_give_the_verdict_are_not_called_left_out(capsys):
    assert main(["claims", "B01", "--store", str(ROOT / "results")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "B01: at reduced size: " in said
    assert "page collapse_cifar10: networks smaller than the paper's" in said
    assert "left out" not in said


def test_the_list_of_claims_says_what_each_claims(capsys, tmp_path):
    assert main(["claims", "--profile", str(toy_profile(tmp_path))]) == 0
    lines = capsys.readouterr().out.splitlines()
    for one, line in zip(read_claims(), lines[:-1], strict=True):
        assert line.startswith(one.id)
        assert one.statement in line


def test_a_claim_in_small_letters_is_met_with_its_name(capsys, tmp_path):
    assert main(["claims", "f2-h3", "--store", str(tmp_path)]) == 2
    assert "did you mean 'F2-H3'?" in capsys.readouterr().err


def test_a_claim_that_there_is_not_is_met_with_a_suggestion(capsys, tmp_path):
    assert main(["claims", "F2-H33", "--profile", str(toy_profile(tmp_path))]) == 2
    assert "there is no claim 'F2-H33': did you mean 'F2-H3'?" in capsys.readouterr().err
    assert main(["claims", "F2-H3", "--record", str(tmp_path / "v.json")]) == 2
    assert "leave the names out" in capsys.readouterr().err
