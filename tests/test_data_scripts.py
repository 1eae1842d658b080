"""Data scripts with local copies, a server that breaks off, a simulator, and demonstrations."""

import hashlib
import http.server
import json
import re
import threading
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from book.builder import assemble
from conftest import local_copies
from data_scripts import SCRIPTS, mujoco_rollouts, prepare, sgemm
from data_scripts.download import obtain
from data_scripts.expert_policy import EXPERTS, ExpertPolicy
from nrc_core import DataDamaged, DataUnavailable, load_dataset
from nrc_core.cli.main import main
from nrc_core.data.prepared import read_prepared
from nrc_core.files import project_folder
from nrc_core.sections.recipes import RECIPES
from tests.damaged import check_made_again

CONTENT = bytes(range(256)) * 4096
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """A server of CONTENT: the first `breaks` answers stop half-way; requests for a range get only this range."""

    breaks = 0
    requests: list[str]

    def do_GET(self):
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        type(self).requests.append(self.headers.get("Range") or "all")
        body = CONTENT[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if type(self).breaks:
            type(self).breaks -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    Handler.breaks, Handler.requests = 0, []
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}/file.bin"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_a_download_is_verified_and_kept(server, tmp_path):
    assert obtain(server, CHECKSUM, tmp_path, None).read_bytes() == CONTENT
    obtain(server, CHECKSUM, tmp_path, None)
    assert Handler.requests == ["all"]


def test_a_download_that_broke_off_goes_on_where_it_stopped(server, tmp_path):
    Handler.breaks = 1
    with pytest.raises((DataDamaged, DataUnavailable)):
        obtain(server, CHECKSUM, tmp_path, None)
    assert obtain(server, CHECKSUM, tmp_path, None).read_bytes() == CONTENT
    assert Handler.requests == ["all", f"bytes={len(CONTENT) // 2}-"]


def test_a_wrong_download_is_removed(server, tmp_path):
    with pytest.raises(DataDamaged, match=r"expected 000000000000.*truncated or altered, run the command again"):
        obtain(server, "0" * 64, tmp_path, None)
    assert list(tmp_path.iterdir()) == []


def test_no_server_says_what_to_do(tmp_path):
    with pytest.raises(DataUnavailable, match=r"cannot download .*--from-dir, or set NRC_DATA_MIRROR"):
        obtain("http://127.0.0.1:9/file.bin", CHECKSUM, tmp_path, None)


def archive(path: Path, name: str = sgemm.MEMBER, text: str = "a,b\n1,2\n") -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(name, text)
    return path


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip"])
def test_a_wrong_archive_is_refused_by_its_checksum(tmp_path, content, capsys):
    (tmp_path / "sgemm_product_dataset.zip").write_bytes(content)
    assert main(["data", "sgemm", "--from-dir", str(tmp_path), "--data-dir", str(tmp_path / "data")]) == 1
    assert "it is truncated or altered, get a fresh copy from" in capsys.readouterr().err
    assert not (tmp_path / "data" / "sgemm").exists()


def test_a_missing_local_copy_is_named(tmp_path, capsys):
    assert main(["data", "sgemm", "--from-dir", str(tmp_path), "--data-dir", str(tmp_path / "data")]) == 1
    assert "sgemm_product_dataset.zip is not there: put" in capsys.readouterr().err


def test_archives_are_read_in_place(tmp_path):
    assert sgemm.read_archive(archive(tmp_path / "good.zip")).shape == (1, 2)
    with pytest.raises(DataDamaged, match="is not the original archive"):
        sgemm.read_archive(archive(tmp_path / "other.zip", "../sgemm_product.csv"))
    truncated = tmp_path / "truncated.zip"
    truncated.write_bytes((tmp_path / "good.zip").read_bytes()[:-30])
    with pytest.raises(DataDamaged, match="is not the original archive"):
        sgemm.read_archive(truncated)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.zip", "other.zip", "truncated.zip"]


def test_an_archive_that_unpacks_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sgemm, "MEMBER_BYTES", 5)
    with pytest.raises(DataDamaged, match="unpacks to more than 5 bytes"):
        sgemm.read_archive(archive(tmp_path / "bomb.zip"))


def test_a_table_of_another_shape_is_refused(tmp_path, monkeypatch):
    path = archive(tmp_path / "sgemm_product_dataset.zip")
    monkeypatch.setattr(sgemm, "CHECKSUM", hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(DataDamaged, match=r"shape \(1, 2\), expected \(241600, 18\)"):
        prepare("sgemm", tmp_path / "data", from_dir=tmp_path)


@pytest.mark.skipif(local_copies() is None, reason="no local copy of SGEMM: NRC_DATA_MIRROR is not set")
def test_sgemm_from_a_local_copy(tmp_path, capsys):
    arguments = ["data", "sgemm", "--from-dir", str(local_copies() / "sgemm"), "--data-dir", str(tmp_path)]
    assert main(arguments) == 0
    assert "sgemm: 241600 rows, 14 inputs, 4 targets, real" in capsys.readouterr().out


def test_some_data_failing_does_not_stop_the_others(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("NRC_DATA_MIRROR", raising=False)
    monkeypatch.setattr(sgemm, "URL", "http://127.0.0.1:9/sgemm_product_dataset.zip")
    assert main(["data", "sgemm", "swimmer", "--data-dir", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "swimmer: 1000 rows" in captured.out
    assert "cannot download" in captured.err
    assert "1 of 2 data sets failed" in captured.err


def test_damaged_data_are_named_and_made_again(tmp_path, caplog):
    assert main(["data", "swimmer", "--data-dir", str(tmp_path)]) == 0
    check_made_again(tmp_path / "swimmer", caplog)


@pytest.mark.parametrize("name", mujoco_rollouts.ROLLOUTS)
def test_rollouts_are_the_same_twice_and_raw(name):
    first, facts = mujoco_rollouts.roll_out(name)
    second, _ = mujoco_rollouts.roll_out(name)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    rollout = mujoco_rollouts.ROLLOUTS[name]
    assert first.shape == (rollout.pairs, rollout.inputs + rollout.targets + 1)
    assert facts["episodes"] == first["episode"].nunique()
    actions = first[[c for c in first if c.startswith("action")]]
    assert actions.abs().max().max() <= 1


@pytest.mark.parametrize("name", mujoco_rollouts.ROLLOUTS)
def test_experts_return_what_their_report_says(name):
    """Two fresh episodes lie within four standard deviations of the reported mean."""
    import warnings

    from data_scripts.train_experts import episode_returns

    report = json.loads((EXPERTS / f"{name}.json").read_text())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        returns = episode_returns(ExpertPolicy.load(EXPERTS / f"{name}.safetensors"), report["environment"], 2, 555)
    assert report["environment"] == mujoco_rollouts.ROLLOUTS[name].environment
    margin = 4 * report["return_standard_deviation"] + 0.01 * abs(report["mean_return"])
    assert abs(returns - report["mean_return"]).max() < margin


def test_a_policy_survives_saving(tmp_path):
    policy = ExpertPolicy.load(EXPERTS / "hopper.safetensors")
    policy.save(tmp_path / "copy.safetensors")
    observation = np.linspace(-1, 1, 11)
    assert np.array_equal(policy(observation), ExpertPolicy.load(tmp_path / "copy.safetensors")(observation))


def demonstrations(path: Path, n: int = 30) -> Path:
    generator = np.random.default_rng(0)
    arrays = {"observations": generator.standard_normal((n, 11)), "actions": generator.standard_normal((n, 3))}
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".hdf5":
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
    else:
        pd.DataFrame({name: list(array) for name, array in arrays.items()}).to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", mujoco_rollouts.DEMONSTRATIONS)
def test_demonstrations_of_ones_own(tmp_path, suffix):
    demonstrations(tmp_path / f"hopper{suffix}")
    manifest = prepare("hopper", tmp_path / "data", from_dir=tmp_path)
    assert (manifest.kind, manifest.rows) == ("your own demonstrations", 30)
    data = load_dataset("hopper", data_dir=tmp_path / "data")
    assert (data.input_dim, data.target_dim) == (11, 3)


def test_an_executed_data_set_comes_back_as_demonstrations(tmp_path):
    prepare("swimmer", tmp_path / "first")
    table, _ = read_prepared(tmp_path / "first" / "swimmer")
    table.to_parquet(tmp_path / "swimmer.parquet")
    manifest = prepare("swimmer", tmp_path / "second", from_dir=tmp_path)
    assert (len(manifest.inputs), len(manifest.targets)) == (8, 2)


def test_no_demonstrations_say_what_is_expected(tmp_path):
    with pytest.raises(DataUnavailable, match=r"holds no hopper\.hdf5, \.npz or \.parquet with arrays"):
        prepare("hopper", tmp_path / "data", from_dir=tmp_path)


def bad_npz(path: Path, **arrays) -> None:
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"observations": np.zeros((3, 2))}, "does not hold arrays 'observations' and 'actions'"),
        ({"observations": np.zeros((3, 2)), "actions": np.zeros((4, 1))}, "must be two matrices and a vector"),
        ({"observations": np.zeros((3, 2)), "actions": np.full((3, 1), np.nan)}, "holds NaN or infinity"),
        ({"observations": np.array([{}]), "actions": np.zeros((1, 1))}, "does not hold arrays"),
    ],
)
def test_bad_demonstrations_are_refused(tmp_path, arrays, message):
    bad_npz(tmp_path / "hopper.npz", **arrays)
    with pytest.raises(DataDamaged, match=message):
        prepare("hopper", tmp_path / "data", from_dir=tmp_path)
    assert not (tmp_path / "data" / "hopper").exists()


def test_a_truncated_hdf5_file_is_refused(tmp_path):
    whole = demonstrations(tmp_path / "hopper.hdf5").read_bytes()
    (tmp_path / "hopper.hdf5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataDamaged, match="does not hold arrays"):
        prepare("hopper", tmp_path / "data", from_dir=tmp_path)


def test_the_mirror_is_taken_first(tmp_path, monkeypatch):
    (tmp_path / "mirror" / "hopper").mkdir(parents=True)
    demonstrations(tmp_path / "mirror" / "hopper" / "hopper.npz")
    monkeypatch.setenv("NRC_DATA_MIRROR", str(tmp_path / "mirror"))
    assert prepare("hopper", tmp_path / "data").kind == "your own demonstrations"


def test_every_data_set_is_in_all_lists():
    from nrc_core.data.catalogue import BUILT_IN, CLASSIFIED, GENERATED

    assert set(SCRIPTS) == set(BUILT_IN) - set(GENERATED)
    assert set(BUILT_IN) == {*assemble.PAPER, *assemble.CLASSES} == {*RECIPES, *GENERATED, *CLASSIFIED}
    assert set(assemble.GENERATED) == set(GENERATED)
    made = re.search(r"printf '%s\\n' ([a-z0-9_ ]+) \| xargs .* nrc data", (project_folder() / "Makefile").read_text())
    assert made
    left_out = {"carla2d", "svhn", "stl10", "digits_and_clothes"}  # not made, or after the others
    assert set(made[1].split()) == set(SCRIPTS) - left_out
