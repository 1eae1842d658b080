"""The expert policies: a small tanh network on normalised observations, stored as safetensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

EXPERTS = Path(__file__).parent / "experts"
OBSERVATION_CLIP = 10.0  # limit of observations in standard deviations, as in training


@dataclass(frozen=True)
class ExpertPolicy:
    """A deterministic policy: action = clip(W3 tanh(W2 tanh(W1 z + b1) + b2) + b3, low, high).

    z = (observation - `observation_mean`) / `observation_scale`, clipped to +-10. The parameters are numpy arrays in
    double precision, so that rollouts do not depend on a network library.
    """

    parameters: dict[str, np.ndarray]

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """The action (t,) of the expert for one raw observation (d,)."""
        p = self.parameters
        z = (observation - p["observation_mean"]) / p["observation_scale"]
        hidden = np.clip(z, -OBSERVATION_CLIP, OBSERVATION_CLIP)
        for layer in ("1", "2"):
            hidden = np.tanh(p[f"weight{layer}"] @ hidden + p[f"bias{layer}"])
        return np.clip(p["weight3"] @ hidden + p["bias3"], p["action_low"], p["action_high"])

    def save(self, path: Path) -> None:
        """Write the parameters as float32 safetensors, in one step."""
        partial = path.with_suffix(".partial")
        save_file({name: np.asarray(value, np.float32) for name, value in self.parameters.items()}, partial)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> ExpertPolicy:
        """Read a policy written by `save`."""
        return cls({name: value.astype(np.float64) for name, value in load_file(path).items()})
