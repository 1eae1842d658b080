"""CarRacing: the script drives, gives the same data twice, and marks the data as a stand-in."""

import io
import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from data_scripts import car_racing
from data_scripts.driver import Driver, disturbances
from data_scripts.images import fault
from nrc_core.cli.main import main
from nrc_core.data.prepared import read_prepared
from tests.damaged import check_made_again


def test_driving_is_the_same_twice_and_on_any_number_of_cores(monkeypatch):
    """The rows do not depend on the number of laps, or on whether laps are driven in parallel or one after another."""
    first, laps = car_racing.roll_out(900)
    monkeypatch.setattr(car_racing, "FRAMES_A_LAP", 900)
    monkeypatch.setattr(car_racing, "cpu_count", lambda: 1)
    second, _ = car_racing.roll_out(900)
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert (len(first), laps) == (900, [1.0, 1.0])
    assert first["episode"].tolist() == [0] * 800 + [1] * 100
    assert all(fault(content, "PNG", (96, 84)) is None for content in first["image"])
    assert first["steering"].between(-1, 1).all()


def test_drawing_only_what_is_near_changes_no_picture(monkeypatch):
    quick = car_racing.drive(3, 40)
    monkeypatch.setattr(car_racing, "NEAR", np.inf)
    assert car_racing.drive(3, 40).pictures == quick.pictures


@pytest.mark.parametrize("seed", [9_001, 9_002, 9_003])
def test_the_driver_stays_on_tracks_it_never_saw(seed):
    before = dict(os.environ)
    episode = car_racing.drive(seed, 3)
    assert episode.lap_progress >= 0.9
    assert len(episode.pictures) == len(episode.targets) == 3
    assert dict(os.environ) == before


def test_the_instruments_are_cut_off():
    """The bar of instruments is black; no row of the pictures is black."""
    pixels = np.asarray(Image.open(io.BytesIO(car_racing.drive(0, 1).pictures[0])))
    assert pixels.shape == (84, 96, 3)
    assert (pixels.max(axis=(1, 2)) > 50).all()


def test_the_stand_in_says_so_and_is_made_again_when_damaged(tmp_path, monkeypatch, capsys, caplog):
    monkeypatch.delenv("NRC_DATA_MIRROR", raising=False)
    monkeypatch.setattr(car_racing, "FRAMES", 20)
    assert main(["data", "car_racing", "--data-dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "car_racing: 20 rows, images, 2 targets, stand-in" in printed
    assert "car_racing: 100.0% of 1 laps driven" in printed
    check_made_again(tmp_path / "car_racing", caplog)
    manifest = read_prepared(tmp_path / "car_racing")[1]
    assert (manifest.kind, manifest.groups) == ("stand-in", "episode")
    assert manifest.source.startswith("stand-in for CARLA")


def test_the_stand_in_reads_no_files(tmp_path, capsys):
    assert main(["data", "car_racing", "--from-dir", str(tmp_path), "--data-dir", str(tmp_path / "data")]) == 2
    assert "car_racing is simulated, not read from files: run it without --from-dir" in capsys.readouterr().err


def circle(radius: float) -> np.ndarray:
    """A circular track around the origin, anticlockwise, which starts on the first axis."""
    angles = np.linspace(0, 2 * np.pi, round(2 * np.pi * radius / 3.5), endpoint=False)
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_the_driver_steers_along_a_bend_and_back_to_the_middle():
    driver, start = Driver(circle(40.0)), np.array([40.0, 0.0])
    along = driver(start, 0.0, 20.0)[0]
    assert -0.5 < along < 0
    outside, inside = driver(start * 1.1, 0.0, 20.0)[0], driver(start * 0.9, 0.0, 20.0)[0]
    assert outside < along < inside
    assert driver(start, np.pi, 20.0)[0] == 1.0  # thrown round, it turns to where the road is: here to the right
    tight, wide = Driver(circle(15.0)).allowed_speed(), driver.allowed_speed()
    assert tight == pytest.approx(np.sqrt(30.0 * 15.0), rel=0.02)
    assert tight < wide < 45.0


def test_pushes_are_short_and_seeded():
    pushes = disturbances(4000, np.random.default_rng(1))
    assert np.array_equal(pushes, disturbances(4000, np.random.default_rng(1)))
    assert 0.02 < (pushes != 0).mean() < 0.3
    assert np.abs(pushes).max() <= 0.7
