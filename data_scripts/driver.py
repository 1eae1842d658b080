"""A scripted driver for CarRacing: it knows the middle line of the track, and steers along it."""

from __future__ import annotations

import numpy as np

VERSION = 1  # counts every change that makes the driver drive differently
FULL_LOCK = 0.4  # radians: the most the front wheels turn
WHEELBASE = 3.24  # between the axles, in the simulator's units of length
SIGHT = 34.0  # how far ahead the road is in the picture, so that a picture tells what the driver acts on
TOP_SPEED, SIDEWAYS, BRAKING = 45.0, 30.0, 20.0  # speed, and accelerations


class Driver:
    """Pure pursuit of the middle line, at the speed that the bends in sight allow.

    `track` (n, 2) are the points of the closed middle line, in driving order.
    """

    def __init__(self, track: np.ndarray):
        self.track = track
        self.step_length = float(np.linalg.norm(np.diff(track, axis=0), axis=1).mean())
        self.passed = 0  # points of the middle line since the start

    def __call__(self, position: np.ndarray, angle: float, speed: float) -> tuple[float, float, float]:
        """Steering as a share of full lock, positive to the right, then gas and brake, both of one.

        `angle` is that of the car, anticlockwise, zero when it heads along the second axis.
        """
        self._advance(position)
        gas, brake = pedals(speed, self.allowed_speed())
        forward = np.array([-np.sin(angle), np.cos(angle)])
        right = np.array([np.cos(angle), np.sin(angle)])
        # The steering point lies further away at speed, or the car would swing from side to side.
        away = self._ahead(6.0 + 0.2 * speed)[-1] - position
        wheels = (
            np.arctan2(2 * WHEELBASE * (away @ right), away @ away) if away @ forward > 0 else np.sign(away @ right)
        )
        return float(np.clip(wheels / FULL_LOCK, -1, 1)), gas, brake

    def allowed_speed(self) -> float:
        """The speed at which every bend in sight can be taken, braking on the way to it."""
        line = self._ahead(SIGHT)
        directions = np.unwrap(np.arctan2(*np.diff(line, axis=0).T))
        curvature = np.abs(directions[2:] - directions[:-2]) / (2 * self.step_length)
        distance = self.step_length * np.arange(len(curvature))
        squares = SIDEWAYS / np.maximum(curvature, 1e-6) + 2 * BRAKING * distance
        return float(min(TOP_SPEED, np.sqrt(squares.min())))

    def _advance(self, position: np.ndarray) -> None:
        """Find the nearest point of the middle line among the next few: elsewhere the track may pass close by."""
        near = self._points(self.passed, 8)
        self.passed += int(np.linalg.norm(near - position, axis=1).argmin())

    def _ahead(self, distance: float) -> np.ndarray:
        """The middle line from here to a distance ahead."""
        return self._points(self.passed, 1 + max(1, round(distance / self.step_length)))

    def _points(self, first: int, count: int) -> np.ndarray:
        return self.track[np.arange(first, first + count) % len(self.track)]


def pedals(speed: float, allowed: float) -> tuple[float, float]:
    """Gas and brake for a speed, in proportion to what is missing of the allowed one.

    Example:
        >>> pedals(20.0, 20.0), pedals(40.0, 20.0)
        ((0.0, 0.0), (0.0, 0.5))
    """
    return float(np.clip(0.05 * (allowed - speed), 0, 0.5)), float(np.clip(0.03 * (speed - allowed), 0, 0.5))


def disturbances(steps: int, generator: np.random.Generator) -> np.ndarray:
    """What pushes the wheel (steps,), in shares of full lock: short pushes at random times, zero between them."""
    pushes = np.zeros(steps)
    start = 0
    while (start := start + int(generator.integers(60, 200))) < steps:
        length, size = int(generator.integers(8, 20)), generator.uniform(0.3, 0.7)
        pushes[start : start + length] = size * generator.choice([-1, 1])
        start += length
    return pushes
