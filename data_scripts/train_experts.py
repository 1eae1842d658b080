"""Train the MuJoCo expert policies once with PPO; the resulting small networks are committed.

    python -m data_scripts.train_experts hopper

The algorithm is proximal policy optimisation from stable-baselines3, with normalised observations and
rewards. The policy is evaluated on ten episodes every 50,000 steps, and the best policy is kept. Training
stops when the policy is good enough. The reported return is then measured on 100 episodes with seeds that
were never used to choose the policy.
"""

import argparse
import json
import platform
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import stable_baselines3
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from data_scripts.expert_policy import EXPERTS, OBSERVATION_CLIP, ExpertPolicy

EVALUATE_EVERY, SELECTION_EPISODES, REPORT_EPISODES = 50_000, 10, 100
SELECTION_SEED, REPORT_SEED = 10_000, 20_000


@dataclass(frozen=True)
class Recipe:
    """Values for the training of one expert that differ between environments."""

    environment: str
    steps: int
    environments: int
    rollout: int  # number of steps in each environment between updates
    batch: int
    rate: float  # initial learning rate, which falls linearly to zero over the planned steps
    discount: float
    gae: float  # lambda of generalised advantage estimation
    enough: float  # training stops when the policy reaches this return


RECIPES = {
    "swimmer": Recipe("Swimmer-v5", 1_000_000, 4, 1024, 256, 6e-4, discount=0.9999, gae=0.98, enough=340.0),
    "reacher": Recipe("Reacher-v4", 600_000, 4, 512, 64, 3e-4, discount=0.99, gae=0.95, enough=np.inf),
    "hopper": Recipe("Hopper-v5", 3_000_000, 1, 2048, 64, 3e-4, discount=0.99, gae=0.95, enough=3400.0),
}


def episode_returns(policy: ExpertPolicy, environment: str, episodes: int, seed: int) -> np.ndarray:
    """Undiscounted returns (episodes,) of the deterministic policy, with another seed for each episode."""
    env = gymnasium.make(environment)
    returns = np.zeros(episodes)
    for episode in range(episodes):
        observation, _ = env.reset(seed=seed + episode)
        done = False
        while not done:
            observation, reward, terminated, truncated, _ = env.step(policy(observation))
            returns[episode] += float(reward)
            done = terminated or truncated
    env.close()
    return returns


def extract(model: PPO, normaliser: VecNormalize) -> ExpertPolicy:
    """The mean action of a PPO policy as an `ExpertPolicy`."""
    policy: Any = model.policy
    hidden, head = policy.mlp_extractor.policy_net, policy.action_net
    statistics: Any = normaliser.obs_rms
    parameters = {
        "observation_mean": statistics.mean,
        "observation_scale": np.sqrt(statistics.var + normaliser.epsilon),
        "action_low": normaliser.action_space.low,  # type: ignore[attr-defined]
        "action_high": normaliser.action_space.high,  # type: ignore[attr-defined]
    }
    for name, layer in (("1", hidden[0]), ("2", hidden[2]), ("3", head)):
        parameters[f"weight{name}"] = layer.weight.detach().cpu().numpy()
        parameters[f"bias{name}"] = layer.bias.detach().cpu().numpy()
    return ExpertPolicy({key: np.asarray(value, np.float64) for key, value in parameters.items()})


class KeepBest(BaseCallback):
    """Evaluate the policy every `EVALUATE_EVERY` steps, save the best policy, and stop when it is good enough."""

    def __init__(self, normaliser: VecNormalize, recipe: Recipe, path: Path):
        super().__init__()
        self.normaliser, self.recipe, self.path = normaliser, recipe, path
        self.best, self.due = -np.inf, EVALUATE_EVERY

    def _on_step(self) -> bool:
        if self.num_timesteps >= self.due:
            self.due += EVALUATE_EVERY
            policy = extract(self.model, self.normaliser)  # type: ignore[arg-type]
            returns = episode_returns(policy, self.recipe.environment, SELECTION_EPISODES, SELECTION_SEED)
            print(f"{self.num_timesteps} steps: return {returns.mean():.1f} +- {returns.std():.1f}", flush=True)
            if returns.mean() > self.best:
                self.best = float(returns.mean())
                policy.save(self.path)
        return self.best < self.recipe.enough


def train(name: str, recipe: Recipe, seed: int, folder: Path) -> dict[str, Any]:
    """Train one expert, write `<name>.safetensors` and `<name>.json`, and return the report."""
    started = time.time()
    torch.set_num_threads(1)
    vector = make_vec_env(recipe.environment, n_envs=recipe.environments, seed=seed)
    normaliser = VecNormalize(vector, gamma=recipe.discount, clip_obs=OBSERVATION_CLIP)
    model = PPO(
        "MlpPolicy", normaliser, seed=seed, device="cpu", gamma=recipe.discount, gae_lambda=recipe.gae,
        batch_size=recipe.batch, n_epochs=10, n_steps=recipe.rollout, learning_rate=lambda left: recipe.rate * left,
    )  # fmt: skip
    path = folder / f"{name}.safetensors"
    model.learn(recipe.steps, callback=KeepBest(normaliser, recipe, path))
    returns = episode_returns(ExpertPolicy.load(path), recipe.environment, REPORT_EPISODES, REPORT_SEED)
    report = {
        "environment": recipe.environment,
        "mean_return": round(float(returns.mean()), 2),
        "return_standard_deviation": round(float(returns.std(ddof=1)), 2),
        "episodes": REPORT_EPISODES,
        "algorithm": "PPO",
        "training_steps": model.num_timesteps,
        "planned_steps": recipe.steps,
        "training_environments": recipe.environments,
        "discount": recipe.discount,
        "seed": seed,
        "minutes": round((time.time() - started) / 60, 1),
        "versions": {
            "stable_baselines3": stable_baselines3.__version__,
            "gymnasium": gymnasium.__version__,
            "mujoco": mujoco.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    (folder / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


def main() -> None:
    """Train one expert, given by name on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument("--steps", type=int, help="environment steps (default: the recipe's)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=EXPERTS, help="where the policy and its report go")
    given = parser.parse_args()
    recipe = RECIPES[given.name]
    if given.steps:
        recipe = replace(recipe, steps=given.steps)
    given.folder.mkdir(parents=True, exist_ok=True)
    print(json.dumps(train(given.name, recipe, given.seed, given.folder), indent=2))


if __name__ == "__main__":
    main()
