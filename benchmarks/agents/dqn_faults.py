"""Faults in DQN's targets, gradient step, networks and acting."""

from __future__ import annotations

import torch as th
from stable_baselines3 import DQN

from benchmarks.agents import settings, wrappers
from benchmarks.agents.open_algorithms import OpenDQN
from benchmarks.agents.records import FaultyAgent


class NoTerminalMask(OpenDQN):
    """Bootstraps from the stored terminal observation, too."""

    def targets(self, data, next_values):
        return data.rewards + self.gamma * next_values


class Undiscounted(OpenDQN):
    """gamma is read by nothing."""

    def targets(self, data, next_values):
        return data.rewards + (1 - data.dones) * next_values


class UsualGamma(OpenDQN):
    """gamma is the usual 0.99, whatever was asked for."""

    def targets(self, data, next_values):
        return data.rewards + 0.99 * (1 - data.dones) * next_values


class ThreeStepGamma(OpenDQN):
    """Discounts with gamma^3, as for a 3-step buffer; the buffer holds single steps."""

    def targets(self, data, next_values):
        return data.rewards + self.gamma**3 * (1 - data.dones) * next_values


class GammaOnBoth(OpenDQN):
    """The next value is discounted where it is computed, and again in the target."""

    def next_values(self, data):
        return self.gamma * super().next_values(data)


class CentredBatch(OpenDQN):
    """Subtracts the mean reward of the batch."""

    def targets(self, data, next_values):
        centred = data._replace(rewards=data.rewards - data.rewards.mean())
        return super().targets(centred, next_values)


class MeanOverActions(OpenDQN):
    """Averages over the next actions."""

    def next_values(self, data):
        return self.q_net_target(data.next_observations).mean(dim=1, keepdim=True)


class MinOverActions(OpenDQN):
    """Uses min, as the twin critics of other algorithms do, over the wrong axis."""

    def next_values(self, data):
        return self.q_net_target(data.next_observations).min(dim=1, keepdim=True).values


class ActionsIndexRows(OpenDQN):
    """`q[actions]` picks rows of the batch, not columns."""

    def taken(self, data):
        rows = self.q_net(data.observations)[data.actions.long().flatten()]
        return rows.mean(dim=1, keepdim=True)


class BroadcastLoss(OpenDQN):
    """Compares [B] with [B, 1]: every prediction is pulled to every target."""

    def taken(self, data):
        return super().taken(data).flatten().expand(len(data.actions), -1)

    def targets(self, data, next_values):
        return super().targets(data, next_values).expand(-1, len(data.actions))


class TargetLoadsItself(OpenDQN):
    """The target network loads its own weights."""

    def _on_step(self):
        self._n_calls += 1
        if self._n_calls % self.target_update_interval == 0:
            self.q_net_target.load_state_dict(self.q_net_target.state_dict())
        self.exploration_rate = self.exploration_schedule(self._current_progress_remaining)


class TargetIsAnAlias(OpenDQN):
    """The target network was assigned, not copied."""

    def _setup_model(self):
        super()._setup_model()
        self.policy.q_net_target = self.policy.q_net
        self._create_aliases()


class OptimisesTheTarget(OpenDQN):
    """The optimiser was given the target network's parameters."""

    def _setup_model(self):
        super()._setup_model()
        rate = self.lr_schedule(1)
        self.policy.optimizer = th.optim.Adam(self.q_net_target.parameters(), lr=rate)


class ClipsTheTarget(OpenDQN):
    """Clips the gradient norm of the target network, which has no gradients."""

    def descend(self, loss):
        self.policy.optimizer.zero_grad()
        loss.backward()
        th.nn.utils.clip_grad_norm_(self.q_net_target.parameters(), self.max_grad_norm)
        self.policy.optimizer.step()


class ExploresInEvaluation(DQN):
    """Uses the training policy for evaluation: epsilon-greedy at its final epsilon."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return super().predict(observation, state, episode_start, deterministic=False)


class OptimiserSavedOnly(DQN):
    """Saves no network."""

    def _get_torch_save_params(self):
        return ["policy.optimizer"], []


class SquashedTargets(OpenDQN):
    """Limits the whole target to [-1, 1], where only the error should be."""

    def targets(self, data, next_values):
        return super().targets(data, next_values).clamp(-1.0, 1.0)


class CriticRegressesOnItself(OpenDQN):
    """The target is read back from the prediction that it should correct."""

    def targets(self, data, next_values):
        return self.taken(data)


def _with(cls=DQN, **changes):
    def make(env, *, seed, gamma=0.99):
        return settings.dqn(cls, env, seed=seed, gamma=gamma, **changes)

    return make


def _behind(wrapper):
    def make(env, *, seed, gamma=0.99):
        return settings.dqn(DQN, wrapper(env), seed=seed, gamma=gamma)

    return make


def clips_the_target(env, *, seed, gamma=0.99, max_grad_norm=10.0):
    return settings.dqn(ClipsTheTarget, env, seed=seed, gamma=gamma, max_grad_norm=max_grad_norm)


def _faulty(name, faults, factory, description):
    return FaultyAgent(f"dqn-{name}", "SB3 DQN", faults, factory, description)


FAULTY = (
    _faulty(
        "no-terminal-mask", ("terminal-bootstrap", "terminal-as-truncation"),
        _with(NoTerminalMask), "(1 - done) is missing",
    ),
    _faulty(
        "timeouts-as-terminals", ("truncation-as-terminal",),
        _with(replay_buffer_kwargs={"handle_timeout_termination": False}),
        "the buffer's timeout handling is switched off",
    ),
    _faulty("undiscounted", ("discount-ignored",), _with(Undiscounted), "no gamma in the target"),
    _faulty(
        "usual-gamma", ("discount-hard-coded", "discount-ignored"), _with(UsualGamma),
        "0.99 whatever gamma says",
    ),
    _faulty("three-step-gamma", ("discount-too-small",), _with(ThreeStepGamma), "gamma cubed"),
    _faulty(
        "gamma-on-both", ("discount-applied-twice", "discount-too-small"), _with(GammaOnBoth),
        "gamma squared",
    ),
    _faulty("centred-batch", ("reward-mean-subtracted",), _with(CentredBatch), "r - mean(r)"),
    _faulty("mean-over-actions", ("max-replaced-by-mean",), _with(MeanOverActions), "mean for max"),
    _faulty(
        "min-over-actions", ("max-replaced-by-min", "max-replaced-by-mean"), _with(MinOverActions),
        "min for max",
    ),
    _faulty(
        "actions-index-rows", ("batch-misaligned", "does-not-learn"), _with(ActionsIndexRows),
        "actions index the batch axis",
    ),
    _faulty(
        "broadcast-loss", ("batch-misaligned", "observation-ignored", "does-not-learn"),
        _with(BroadcastLoss), "[B] against [B, 1]",
    ),
    _faulty(
        "target-loads-itself", ("target-never-updated",), _with(TargetLoadsItself),
        "the target network keeps its first weights",
    ),
    _faulty("target-is-an-alias", ("target-is-online",), _with(TargetIsAnAlias), "one network"),
    _faulty(
        "optimises-the-target", ("does-not-learn", "critic-not-trained"),
        _with(OptimisesTheTarget), "the optimiser holds the wrong parameters",
    ),
    _faulty(
        "clips-the-target", ("option-ignored",), clips_the_target, "max_grad_norm has no effect"
    ),
    _faulty(
        "explores-in-evaluation", ("train-eval-mismatch",),
        _with(ExploresInEvaluation, exploration_final_eps=0.2), "evaluation is epsilon-greedy",
    ),
    _faulty(
        "no-exploration", ("no-exploration",),
        _with(exploration_initial_eps=0.0, exploration_final_eps=0.0, learning_starts=1),
        "epsilon is zero throughout",
    ),
    _faulty(
        "optimiser-saved-only", ("save-load-lossy",), _with(OptimiserSavedOnly), "weights not saved"
    ),
    _faulty(
        "squashed-targets", ("reward-clipped",), _with(SquashedTargets), "targets within [-1, 1]"
    ),
    _faulty(
        "regresses-on-itself", ("critic-not-trained", "does-not-learn"),
        _with(CriticRegressesOnItself), "the target is the prediction",
    ),
    _faulty("sign-reward", ("reward-clipped",), _behind(wrappers.SignReward), "signs only"),
    _faulty("cost-as-reward", ("reward-sign-flipped",), _behind(wrappers.CostAsReward), "negated"),
    _faulty(
        "reversed-actions", ("action-permuted", "action-not-executed"),
        _behind(wrappers.ReversedActions), "actions counted from the other end",
    ),
    _faulty(
        "unwritten-buffer", ("observation-ignored", "train-eval-mismatch"),
        _behind(wrappers.UnwrittenBuffer), "every observation is zero",
    ),
    _faulty(
        "previous-observation", ("observation-stale",), _behind(wrappers.PreviousObservation),
        "observations one step late",
    ),
    _faulty("merged-done", ("truncation-as-terminal",), _behind(wrappers.MergedDone), "old gym API"),
)  # fmt: skip
