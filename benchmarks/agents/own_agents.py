"""Faulty agents written from scratch: tabular ones in NumPy, deep ones in PyTorch."""

from __future__ import annotations

import numpy as np

from benchmarks.agents.own_tabular import TabularQ, TabularSarsa
from benchmarks.agents.own_torch import TorchDQN, TorchPPO, TorchReinforce
from benchmarks.agents.records import FaultyAgent


class QBootstrapsAlways(TabularQ):
    """There is always a next state in the table, the one after the end included."""

    def update(self, obs, action, reward, next_obs, next_action, terminated, truncated):
        super().update(obs, action, reward, next_obs, next_action, False, truncated)


class QStopsAtTimeouts(TabularQ):
    """`done = terminated or truncated`."""

    def update(self, obs, action, reward, next_obs, next_action, terminated, truncated):
        done = terminated or truncated
        super().update(obs, action, reward, next_obs, next_action, done, truncated)


class QAverages(TabularQ):
    """The value of a state is the mean of its row."""

    def bootstrap(self, next_observation, next_action):
        return float(self.row(next_observation).mean())


class QWholeRewards(TabularQ):
    """Casts rewards to int, as an integer reward array does."""

    def update(self, obs, action, reward, next_obs, next_action, terminated, truncated):
        super().update(
            obs, action, int(reward), next_obs, next_action, terminated, truncated
        )  # fmt: skip


class QGreedyFromTheStart(TabularQ):
    """argmax of an all-zero row is action 0, and nothing else is ever tried."""

    def act(self, observation):
        return self.greedy(observation)


class SarsaUpdatesWhereItWent(TabularSarsa):
    """Writes to the row of the next state."""

    def update(self, obs, action, reward, next_obs, next_action, terminated, truncated):
        super().update(next_obs, action, reward, next_obs, next_action, terminated, truncated)


class SarsaPaysLater(TabularSarsa):
    """Keeps the reward in a variable that is overwritten after the update."""

    kept = 0.0

    def update(self, obs, action, reward, next_obs, next_action, terminated, truncated):
        late, self.kept = self.kept, float(reward)
        super().update(obs, action, late, next_obs, next_action, terminated, truncated)


class PPOOneDone(TorchPPO):
    """One `done` for everything: no bootstrap where the time ran out."""

    def advantages(self, rollout):
        done = rollout["terminated"] | rollout["truncated"]
        return super().advantages(rollout | {"terminated": done})


class PPODonesOfTheRowBefore(TorchPPO):
    """Masks with the end flag of step t - 1 (the flag stored before stepping)."""

    def advantages(self, rollout):
        before = {
            name: np.concatenate([[False], rollout[name][:-1]])
            for name in ("terminated", "truncated")
        }
        return super().advantages(rollout | before)


class PPOValuesOfTheNextRow(TorchPPO):
    """Takes the next row's observation for the next state, and masks nothing."""

    def advantages(self, rollout):
        shifted = np.concatenate([rollout["obs"][1:], rollout["next_obs"][-1:]])
        never = np.zeros_like(rollout["terminated"])
        return super().advantages(rollout | {"next_obs": shifted, "terminated": never})


class PPOLambdaAndGammaSwapped(TorchPPO):
    """The two arguments of the GAE call are in the other order."""

    def advantages(self, rollout):
        self.gamma, self.lam = self.lam, self.gamma
        try:
            return super().advantages(rollout)
        finally:
            self.gamma, self.lam = self.lam, self.gamma


class PPOMinimises(TorchPPO):
    """A surrogate to be maximised is handed to an optimiser that minimises."""

    def surrogate(self, log_probs, old_log_probs, advantages):
        return -super().surrogate(log_probs, old_log_probs, advantages)


class ReinforceUndiscounted(TorchReinforce):
    """Returns to go are plain sums."""

    def advantages(self, rollout):
        gamma, self.gamma = self.gamma, 1.0
        try:
            return super().advantages(rollout)
        finally:
            self.gamma = gamma


class ReinforcePrefixSums(TorchReinforce):
    """Accumulates rewards from the start of the episode instead of from its end."""

    def advantages(self, rollout):
        returns, total, weight = np.zeros(len(rollout["reward"])), 0.0, 1.0
        for t, reward in enumerate(rollout["reward"]):
            total += weight * reward
            weight *= self.gamma
            returns[t] = total
            if rollout["terminated"][t] or rollout["truncated"][t]:
                total, weight = 0.0, 1.0
        return returns - self.values(rollout["obs"])


class DQNNeverSyncs(TorchDQN):
    """Calls `lerp` where `lerp_` was meant: the moved weights are computed and dropped."""

    def sync(self):
        for target, online in zip(
            self.target.parameters(), self.online.parameters(), strict=True
        ):  # fmt: skip
            target.data.lerp(online.data, self.tau)


class DQNIgnoresTerminated(TorchDQN):
    """The end flag is stored and never used."""

    def targets(self, reward, next_obs, terminated):
        return super().targets(reward, next_obs, terminated * 0.0)


class DQNRemembersDone(TorchDQN):
    """Stores `terminated or truncated`."""

    def remember(self, obs, action, reward, next_obs, terminated, truncated):
        done = terminated or truncated
        super().remember(obs, action, reward, next_obs, done, truncated)


class DQNRemembersTheStateTwice(TorchDQN):
    """Stores the observation in both places."""

    def remember(self, obs, action, reward, next_obs, terminated, truncated):
        super().remember(obs, action, reward, obs, terminated, truncated)


def _faulty(name, base, faults, cls):
    def make(env, *, seed, gamma=0.99):
        return cls(env, seed=seed, gamma=gamma)

    return FaultyAgent(f"own-{name}", base, faults, make, (cls.__doc__ or "").strip())


Q, SARSA = "NumPy Q-learning", "NumPy SARSA"
OWN_PPO, OWN_DQN, REINFORCE = "single-file PPO", "single-file DQN", "single-file REINFORCE"
LEAK = ("terminal-bootstrap", "terminal-as-truncation")
CUT = ("truncation-as-terminal",)

FAULTY = (
    _faulty("q-bootstraps-always", Q, LEAK, QBootstrapsAlways),
    _faulty("q-stops-at-timeouts", Q, CUT, QStopsAtTimeouts),
    _faulty("q-averages", Q, ("max-replaced-by-mean",), QAverages),
    _faulty("q-whole-rewards", Q, ("reward-truncated", "reward-clipped"), QWholeRewards),
    _faulty("q-greedy-from-the-start", Q, ("no-exploration",), QGreedyFromTheStart),
    _faulty(
        "sarsa-updates-where-it-went", SARSA,
        ("batch-misaligned", "observation-stale", "next-observation-stale"),
        SarsaUpdatesWhereItWent,
    ),
    _faulty("sarsa-pays-later", SARSA, ("reward-late",), SarsaPaysLater),
    _faulty("ppo-one-done", OWN_PPO, CUT, PPOOneDone),
    _faulty("ppo-dones-of-the-row-before", OWN_PPO, ("done-late",), PPODonesOfTheRowBefore),
    _faulty("ppo-values-of-the-next-row", OWN_PPO, ("terminal-bootstrap",), PPOValuesOfTheNextRow),
    _faulty(
        "ppo-lambda-and-gamma-swapped", OWN_PPO, ("discount-hard-coded", "discount-ignored"),
        PPOLambdaAndGammaSwapped,
    ),
    _faulty("ppo-minimises", OWN_PPO, ("advantage-sign-flipped",), PPOMinimises),
    _faulty("reinforce-undiscounted", REINFORCE, ("discount-ignored",), ReinforceUndiscounted),
    _faulty(
        "reinforce-prefix-sums", REINFORCE, ("reward-late", "discount-too-small"),
        ReinforcePrefixSums,
    ),
    _faulty("dqn-never-syncs", OWN_DQN, ("target-never-updated",), DQNNeverSyncs),
    _faulty("dqn-ignores-terminated", OWN_DQN, LEAK, DQNIgnoresTerminated),
    _faulty("dqn-remembers-done", OWN_DQN, CUT, DQNRemembersDone),
    _faulty(
        "dqn-remembers-the-state-twice", OWN_DQN, ("next-observation-stale",),
        DQNRemembersTheStateTwice,
    ),
)  # fmt: skip
