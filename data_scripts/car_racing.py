"""CarRacing: pictures of a car on a track, 84 x 96 -> steering and speed of a scripted driver.

A stand-in for CARLA, whose data take 14 GB: gymnasium's CarRacing seen from above, driven along one track an
episode. The bar of instruments under the picture is cut off, since it shows speed and wheels as such. Steering
is what the driver wants, as a share of full lock, positive to the right, while pushes at random times take the
car out of its way, so that there is something to steer against. Speed is in the simulator's units of length a
second; the road is 13 of them wide, the car 5 long.
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
FRAMES, FIRST_SEED = 20_000, 0  # episode i is the track of seed FIRST_SEED + i
ROWS_KEPT = 84  # of 96; the instruments are under them
FIRST_STEP = 51  # the picture zooms in during the first second
# 25 frames a second: the car moves by about a quarter of its length between two of them, and there are close to
# thirty tracks.
EVERY = 2
FRAMES_A_LAP = 720  # about
LONGEST = 4_000  # steps of an episode; a lap takes about 1,500
LOG_EVERY_SECONDS = 15.0
# A shape whose first corner lies further from the car is out of the picture: it reaches 48 units, a shape at most 24.
NEAR = 75.0
HEADLESS = {"SDL_VIDEODRIVER": "dummy", "PYGAME_HIDE_SUPPORT_PROMPT": "1"}


@dataclass(frozen=True)
class Episode:
    """Pictures as PNG, targets (frames, 2) of steering and speed, and the share of the track that was driven."""

    pictures: list[bytes]
    targets: np.ndarray
    lap_progress: float

    def first(self, frames: int) -> Episode:
        """The same lap, of which at most so many frames are recorded."""
        return replace(self, pictures=self.pictures[:frames], targets=self.targets[:frames])


def prepare(name: str, data_dir: Path, from_dir: Path | None) -> Manifest:
    """Make `data_dir/name` by driving.

    Raises:
        ConfigError: a folder is given, though no original file is needed.
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
    """Frames in order of episodes, and the share of its track that each episode drove.

    Episodes are driven on all cores at once. Each has a seed of its own, so the frames are those of driving one
    episode after the other.
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
    """One lap of the track of a seed, of which at most so many frames are recorded."""
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
    """CarRacing without a screen. It draws when `shown` and only what is near: drawing takes nearly all the time."""
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
        # Box2D's bindings warn while they are imported, and crash the process where warnings are errors.
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
            if options or math.dist(poly[0], self.here) < NEAR:  # only the lawn as a whole has options
                super()._draw_colored_polygon(surface, poly, *view, **options)

    return OnDemand()
