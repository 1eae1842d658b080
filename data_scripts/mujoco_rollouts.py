"""Swimmer, Reacher and Hopper: states -> expert actions, simulated in MuJoCo or from your own demonstrations."""

import hashlib
import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nrc_core.data.prepared import Manifest, write_prepared
from nrc_core.errors import DataDamaged, DataUnavailable
from nrc_core.files import sha256

FIRST_SEED = 0  # episode i starts from seed FIRST_SEED + i
DEMONSTRATIONS = (".hdf5", ".npz", ".parquet")


@dataclass(frozen=True)
class Rollout:
    """An environment and the sizes of its data set, from Table 2 of the Deep NRC paper."""

    environment: str
    pairs: int
    inputs: int
    targets: int


# Reacher-v4 has the paper's 11 inputs; version 5 dropped one input that is always zero.
ROLLOUTS = {
    "swimmer": Rollout("Swimmer-v5", 1_000, 8, 2),
    "reacher": Rollout("Reacher-v4", 1_000, 11, 2),
    "hopper": Rollout("Hopper-v5", 5_000, 11, 3),
}


def prepare(name: str, data_dir: Path, from_dir: Path | None) -> Manifest:
    """Make `data_dir/name` from demonstrations in `from_dir`, or else by simulation with the expert policy.

    Raises:
        DataUnavailable: `from_dir` contains no demonstrations.
        DataDamaged: the demonstrations are not arrays `observations` and `actions` of equal length.
    """
    demonstrations = None if from_dir is None else find_demonstrations(name, from_dir)
    if demonstrations is None:
        table, facts = roll_out(name)
        kind, licence = "simulated", "MIT, as this project"
        source = f"{facts['environment']} in MuJoCo, actions of an expert policy trained for this project"
        identity = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    else:
        table, facts = read_demonstrations(demonstrations), {"file": demonstrations.name}
        kind, licence = "your own demonstrations", "that of the file"
        source, identity = demonstrations.name, sha256(demonstrations)
    manifest = Manifest(
        name=name,
        kind=kind,
        source=source,
        licence=licence,
        identity=identity,
        inputs=[column for column in table.columns if column.startswith("observation")],
        targets=[column for column in table.columns if column.startswith("action")],
        rows=len(table),
        groups="episode",
        facts=facts,
    )
    return write_prepared(data_dir / name, table, manifest)


def roll_out(name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Raw states with the actions of the expert, and the facts on which these numbers depend."""
    import gymnasium  # imported here, so that demonstrations can be read without a simulator
    import mujoco

    from data_scripts.expert_policy import EXPERTS, ExpertPolicy

    rollout, weights = ROLLOUTS[name], EXPERTS / f"{name}.safetensors"
    policy = ExpertPolicy.load(weights)
    observations: list[np.ndarray] = []
    actions: list[np.ndarray] = []
    episodes: list[int] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # gymnasium advises against version 4
        environment = gymnasium.make(rollout.environment)
    episode = -1
    while len(observations) < rollout.pairs:
        episode += 1
        observation, _ = environment.reset(seed=FIRST_SEED + episode)
        done = False
        while not done and len(observations) < rollout.pairs:
            action = policy(observation)
            observations.append(observation)
            actions.append(action)
            episodes.append(episode)
            observation, _, terminated, truncated, _ = environment.step(action)
            done = terminated or truncated
    environment.close()
    facts = {
        **asdict(rollout),
        "episodes": episode + 1,
        "first_seed": FIRST_SEED,
        "reward_threshold": gymnasium.spec(rollout.environment).reward_threshold,
        "expert_sha256": sha256(weights),
        "expert": json.loads((EXPERTS / f"{name}.json").read_text()),
        "gymnasium": gymnasium.__version__,
        "mujoco": mujoco.__version__,
    }
    return _table(np.array(observations), np.array(actions), np.array(episodes)), facts


def find_demonstrations(name: str, folder: Path) -> Path:
    """The file `name.hdf5`, `.npz` or `.parquet` in a folder."""
    for suffix in DEMONSTRATIONS:
        if (folder / f"{name}{suffix}").is_file():
            return folder / f"{name}{suffix}"
    raise DataUnavailable(
        f"{folder} holds no {name}.hdf5, .npz or .parquet with arrays 'observations' and 'actions': put one there, "
        f"or run `nrc data {name}` without a folder to simulate"
    )


def read_demonstrations(path: Path) -> pd.DataFrame:
    """Demonstrations as a table: arrays `observations` (n, d), `actions` (n, t) and, if there, `episode` (n,).

    HDF5 and NPZ files contain arrays with these names (the layout of D4RL). Parquet files contain them as columns of
    lists, or as separate columns observation0, ..., action0, ...
    """
    try:
        arrays = _arrays(path)
        observations = np.asarray(arrays["observations"], np.float64)
        actions = np.asarray(arrays["actions"], np.float64)
        episodes = np.asarray(arrays.get("episode", np.zeros(len(observations))), np.int64)
    except Exception as error:  # a parser may raise any error on bytes that it does not expect
        raise DataDamaged(f"{path} does not hold arrays 'observations' and 'actions' of numbers ({error})") from None
    if observations.ndim != 2 or actions.ndim != 2 or not len(observations) == len(actions) == len(episodes):
        raise DataDamaged(
            f"{path}: observations {observations.shape}, actions {actions.shape} and episode {episodes.shape} must "
            "be two matrices and a vector with equal rows"
        )
    if not (np.isfinite(observations).all() and np.isfinite(actions).all()):
        raise DataDamaged(f"{path} holds NaN or infinity: drop those steps")
    return _table(observations, actions, episodes)


def _arrays(path: Path) -> dict[str, Any]:
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    if path.suffix == ".hdf5":
        import h5py

        with h5py.File(path, "r") as file:
            return {name: file[name][()] for name in ("observations", "actions", "episode") if name in file}
    table = pd.read_parquet(path)
    arrays: dict[str, Any] = {"episode": table["episode"]} if "episode" in table else {}
    for name, prefix in (("observations", "observation"), ("actions", "action")):
        columns = [column for column in table.columns if column.startswith(prefix) and column != name]
        arrays[name] = np.stack(table[name].tolist()) if name in table else table[columns].to_numpy()
    return arrays


def _table(observations: np.ndarray, actions: np.ndarray, episodes: np.ndarray) -> pd.DataFrame:
    columns = {f"observation{i}": observations[:, i] for i in range(observations.shape[1])}
    columns |= {f"action{i}": actions[:, i] for i in range(actions.shape[1])}
    return pd.DataFrame(columns | {"episode": episodes})
