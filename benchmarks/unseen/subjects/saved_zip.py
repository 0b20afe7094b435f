"""A wrapper of a saved model: what is handed over was loaded from a .zip."""

import tempfile
from pathlib import Path

from stable_baselines3 import DQN, PPO


class Resumed:
    """Goes on with the training of a saved model, and can be saved itself."""

    def __init__(self, algorithm, path, env, seed):
        self.algorithm, self.env, self.seed = algorithm, env, seed
        self.model = algorithm.load(path, env=env, device="cpu")
        self.model.set_random_seed(seed)
        self.acting = self.model

    def learn(self, total_timesteps):
        self.model.learn(total_timesteps, reset_num_timesteps=True)
        return self

    def predict(self, observation, deterministic=True):
        return self.acting.predict(observation, deterministic=deterministic)

    def save(self, path):
        self.model.save(path)

    @classmethod
    def load(cls, path):
        agent = cls.__new__(cls)
        agent.model = agent.acting = DQN.load(path, device="cpu")
        return agent


def make_dqn(env, *, seed, gamma=0.99):
    path = Path(tempfile.mkdtemp()) / "model.zip"
    fresh = DQN(
        "MlpPolicy", env, gamma=gamma, seed=seed, learning_rate=1e-3, learning_starts=500,
        train_freq=1, target_update_interval=300, exploration_fraction=0.4,
        policy_kwargs={"net_arch": [64]},
    )  # fmt: skip
    fresh.save(path)
    return Resumed(DQN, path, env, seed)


def make_ppo(env, *, seed, gamma=0.99):
    """Returns the loaded model itself."""
    path = Path(tempfile.mkdtemp()) / "model.zip"
    PPO("MlpPolicy", env, gamma=gamma, seed=seed, n_steps=512, learning_rate=1e-3).save(path)
    model = PPO.load(path, env=env, device="cpu")
    model.set_random_seed(seed)
    return model
