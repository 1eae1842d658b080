"""CarRacing: pictures of a car on a track, 84 x 96 -> steering and speed of a scripted driver.

This data set stands in for CARLA, whose data take 14 GB. It is gymnasium's CarRacing seen from above, with one
track for each episode. The bar of instruments under the picture is cut off, since it shows speed and wheels directly.
The target steering is the driver's command as a share of full lock, positive to the right. Pushes at random times
turn the car away from its path, so that the driver has to correct it. Speed is in the simulator's units of length
per second; the road is 13 units wide, and the car is 5 units long.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, cpu_count, delayed

from data_scripts import driver
from data_scripts.images import png
from nrc_core.data.prepared import Manifest, write_prepared
from nrc_core.errors import ConfigError, DataUnavailable

logger = logging.getLogger(__name__)
FRAMES, FIRST_SEED = 20_000, 0  # episode i is on the track of seed FIRST_SEED + i
ROWS_KEPT = 84  # number of rows kept of the 96 rows of a picture; the instruments are in the rows below
FIRST_STEP = 51  # first recorded step; the picture zooms in during the first second
# Every second step is recorded, which gives 25 frames a second. The car moves by about a quarter of its length between
# two frames, and there are nearly thirty tracks.
EVERY = 2
FRAMES_A_LAP = 720  # approximate
LONGEST = 4_000  # largest number of steps of an episode; a lap takes about 1,500 steps
LOG_EVERY_SECONDS = 15.0
# A shape is outside the picture if its first corner is further from the car than this distance: the picture reaches 48
# units from the car, and a shape is at most 24 units long.
NEAR = 75.0
HEADLESS = {"SDL_VIDEODRIVER": "dummy", "PYGAME_HIDE_SUPPORT_PROMPT": "1"}


@dataclass(frozen=True)
class Episode:
    """One episode: pictures as PNG, targets (frames, 2), and the share of the track that was driven.

    The targets are steering and speed.
    """

    pictures: list[bytes]
    targets: np.ndarray
    lap_progress: float

    def first(self, frames: int) -> Episode:
        """The same lap with at most `frames` frames."""
        return replace(self, pictures=self.pictures[:frames], targets=self.targets[:frames])


def prepare(name: str, data_dir: Path, from_dir: Path | None) -> Manifest:
    """Make the data set in `data_dir/name` by simulation.

    Raises:
        ConfigError: a folder is given, but the simulation needs no original files.
        DataUnavailable: the simulator is not installed.
    """
    if from_dir is not None:
        raise ConfigError(f"{name} is simulated, not read from files: run it without --from-dir or {from_dir}")
    table, laps = roll_out(FRAMES)
    recipe = {
        "environment": "CarRacing-v3",
        "frames": FRAMES,
        "every": EVERY,
        "first_seed": FIRST_SEED,
        "driver": driver.VERSION,
        **{package: version(package) for package in ("gymnasium", "box2d", "pygame-ce")},
    }
    manifest = Manifest(
        name=name,
        kind="stand-in",
        source="stand-in for CARLA: gymnasium's CarRacing driven by a scripted driver",
        licence="MIT, as this project",
        identity=hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest(),
        inputs=["image"],
        targets=["steering", "speed"],
        rows=len(table),
        groups="episode",
        images=True,
        facts={**recipe, "episodes": len(laps), "lap_progress": float(np.mean(laps)), "lap_progress_each": laps},
    )
    return write_prepared(data_dir / name, table, manifest)


def roll_out(frames: int) -> tuple[pd.DataFrame, list[float]]:
    """Frames in the order of episodes, and for each episode the share of its track that was driven.

    Episodes are driven in parallel on all cores. Each episode has its own seed, so the frames are the same as if the
    episodes were driven one after another.
    """
    episodes: list[Episode] = []
    done, logged = 0, time.monotonic()
    while done < frames:
        count = math.ceil((frames - done) / FRAMES_A_LAP)
        seeds = range(FIRST_SEED + len(episodes), FIRST_SEED + len(episodes) + count)
        driving = Parallel(n_jobs=min(cpu_count(), count), return_as="generator")
        for episode in driving(delayed(drive)(seed, frames) for seed in seeds):
            if done < frames:  # laps may be shorter or longer than expected, so the last ones may not be needed
                episodes.append(episode.first(frames - done))
                done += len(episodes[-1].pictures)
            if time.monotonic() - logged > LOG_EVERY_SECONDS:
                logged = time.monotonic()
                logger.info("car_racing: %d of %d frames", done, frames)
    targets = np.concatenate([episode.targets for episode in episodes])
    table = pd.DataFrame(
        {
            "image": [picture for episode in episodes for picture in episode.pictures],
            "steering": targets[:, 0],
            "speed": targets[:, 1],
            "episode": np.repeat(np.arange(len(episodes)), [len(episode.pictures) for episode in episodes]),
        }
    )
    return table, [round(episode.lap_progress, 4) for episode in episodes]


def drive(seed: int, frames: int) -> Episode:
    """Drive one lap of the track of a seed and record at most `frames` frames."""
    with _simulator() as environment:
        environment.shown = False
        environment.reset(seed=seed)
        track = np.array(environment.track)[:, 2:]
        steer = driver.Driver(track)
        pushes = driver.disturbances(LONGEST, np.random.default_rng(seed))
        pictures: list[bytes] = []
        targets: list[tuple[float, float]] = []
        for step, push in enumerate(pushes, 1):
            hull = environment.car.hull
            speed = float(np.hypot(*hull.linearVelocity))
            steering, gas, brake = steer(np.array(hull.position), hull.angle, speed)
            if environment.shown:
                pictures.append(png(np.ascontiguousarray(environment.state[:ROWS_KEPT])))
                targets.append((steering, speed))
            turned = driver.FULL_LOCK * np.clip(steering + push, -1, 1)
            environment.shown = step >= FIRST_STEP and step % EVERY == 0 and len(pictures) < frames
            _, _, terminated, _, _ = environment.step(np.array([turned, gas, brake]))
            if terminated or steer.passed >= len(track):
                break
        return Episode(pictures, np.array(targets).reshape(-1, 2), environment.tile_visited_count / len(track))


@contextmanager
def _simulator() -> Iterator[Any]:
    """Make CarRacing without a screen.

    Drawing takes nearly all the time, so the simulator draws only if `shown` is set, and only shapes near the car.
    """
    before = {name: os.environ.get(name) for name in HEADLESS}
    os.environ.update(HEADLESS)
    try:
        environment = _environment()
        yield environment
        environment.close()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _environment() -> Any:
    with warnings.catch_warnings():
        # Box2D's bindings warn while they are imported, and crash the process if warnings are errors.
        warnings.filterwarnings("ignore", "builtin type .* has no __module__ attribute", DeprecationWarning)
        try:
            from gymnasium.envs.box2d.car_racing import CarRacing
        except ImportError as error:
            raise DataUnavailable(f"car_racing is simulated, but {error.name or error}: make environment") from None

    class OnDemand(CarRacing):
        shown = False

        def _render(self, mode: str) -> Any:
            return super()._render(mode) if self.shown else None

        def _render_road(self, *view: Any) -> None:
            assert self.car is not None
            self.here = tuple(self.car.hull.position)
            road = self.road_poly
            self.road_poly = [tile for tile in road if math.dist(tile[0][0], self.here) < NEAR]
            super()._render_road(*view)
            self.road_poly = road

        def _draw_colored_polygon(self, surface: Any, poly: Any, *view: Any, **options: Any) -> None:
            if options or math.dist(poly[0], self.here) < NEAR:  # only the call for the whole lawn has options
                super()._draw_colored_polygon(surface, poly, *view, **options)

    return OnDemand()
