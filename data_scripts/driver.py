"""A scripted driver for CarRacing, which knows the middle line of the track and steers along it."""

import numpy as np

VERSION = 1  # increases by one with every change of the driver's behaviour
FULL_LOCK = 0.4  # largest angle of the front wheels in radians
WHEELBASE = 3.24  # distance between the axles, in the simulator's units of length
SIGHT = 34.0  # length of the road ahead that a picture shows; the driver uses no more than that
TOP_SPEED, SIDEWAYS, BRAKING = 45.0, 30.0, 20.0  # largest speed, sideways acceleration and braking acceleration


class Driver:
    """Driver that follows the middle line by pure pursuit, at the speed that the bends in sight allow.

    Args:
        track: (n, 2), the points of the closed middle line, in driving order.
    """

    def __init__(self, track: np.ndarray):
        self.track = track
        self.step_length = float(np.linalg.norm(np.diff(track, axis=0), axis=1).mean())
        self.passed = 0  # points of the middle line since the start

    def __call__(self, position: np.ndarray, angle: float, speed: float) -> tuple[float, float, float]:
        """Return steering, gas and brake.

        Steering is a share of the largest angle of the wheels, positive to the right; gas and brake are shares of one.

        Args:
            position: (2,), position of the car.
            angle: direction of the car, anticlockwise, zero if the car heads along the second axis.
            speed: speed of the car.
        """
        self._advance(position)
        gas, brake = pedals(speed, self.allowed_speed())
        forward = np.array([-np.sin(angle), np.cos(angle)])
        right = np.array([np.cos(angle), np.sin(angle)])
        # At a higher speed the steering point is further away; otherwise the car would swing from side to side.
        away = self._ahead(6.0 + 0.2 * speed)[-1] - position
        wheels = (
            np.arctan2(2 * WHEELBASE * (away @ right), away @ away) if away @ forward > 0 else np.sign(away @ right)
        )
        return float(np.clip(wheels / FULL_LOCK, -1, 1)), gas, brake

    def allowed_speed(self) -> float:
        """The largest speed from which the car can still brake in time for every bend in sight."""
        line = self._ahead(SIGHT)
        directions = np.unwrap(np.arctan2(*np.diff(line, axis=0).T))
        curvature = np.abs(directions[2:] - directions[:-2]) / (2 * self.step_length)
        distance = self.step_length * np.arange(len(curvature))
        squares = SIDEWAYS / np.maximum(curvature, 1e-6) + 2 * BRAKING * distance
        return float(min(TOP_SPEED, np.sqrt(squares.min())))

    def _advance(self, position: np.ndarray) -> None:
        """Find the nearest of the next few points of the middle line; other parts of the track may be closer."""
        near = self._points(self.passed, 8)
        self.passed += int(np.linalg.norm(near - position, axis=1).argmin())

    def _ahead(self, distance: float) -> np.ndarray:
        """Points of the middle line from the car to a distance ahead."""
        return self._points(self.passed, 1 + max(1, round(distance / self.step_length)))

    def _points(self, first: int, count: int) -> np.ndarray:
        return self.track[np.arange(first, first + count) % len(self.track)]


def pedals(speed: float, allowed: float) -> tuple[float, float]:
    """Gas and brake, in proportion to the difference between the speed and the allowed speed.

    Example:
        >>> pedals(20.0, 20.0), pedals(40.0, 20.0)
        ((0.0, 0.0), (0.0, 0.5))
    """
    return float(np.clip(0.05 * (allowed - speed), 0, 0.5)), float(np.clip(0.03 * (speed - allowed), 0, 0.5))


def disturbances(steps: int, generator: np.random.Generator) -> np.ndarray:
    """Pushes on the steering (steps,), as shares of full lock: short pushes at random times, zero between them."""
    pushes = np.zeros(steps)
    start = 0
    while (start := start + int(generator.integers(60, 200))) < steps:
        length, size = int(generator.integers(8, 20)), generator.uniform(0.3, 0.7)
        pushes[start : start + length] = size * generator.choice([-1, 1])
        start += length
    return pushes
