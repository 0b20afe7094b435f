"""Faults in PPO's loss, in its gradient step and in the options that these read."""

from __future__ import annotations

import copy

import torch as th
from torch.nn import functional

from benchmarks.agents import settings
from benchmarks.agents.open_algorithms import OpenPPO
from benchmarks.agents.records import FaultyAgent


class NegatedAdvantages(OpenPPO):
    """Advantages enter as V - G."""

    def scaled(self, advantages):
        return super().scaled(-advantages)


class MinimisedEntropy(OpenPPO):
    """The entropy is added to the loss instead of subtracted."""

    def entropy_loss(self, entropy):
        return self.ent_coef * th.mean(entropy)


class RecomputedOldLogProb(OpenPPO):
    """Takes the old log-probabilities from the current policy: the ratio is always 1."""

    def policy_loss(self, log_prob, old_log_prob, advantages, clip_range):
        return super().policy_loss(log_prob, log_prob.detach(), advantages, clip_range)


class InvertedRatio(OpenPPO):
    """exp(old - new)."""

    def policy_loss(self, log_prob, old_log_prob, advantages, clip_range):
        return super().policy_loss(old_log_prob, log_prob, advantages, clip_range)


class NoClip(OpenPPO):
    """Computes the ratio and leaves it at that."""

    def policy_loss(self, log_prob, old_log_prob, advantages, clip_range):
        return -(advantages * th.exp(log_prob - old_log_prob)).mean()


class OptimisticClip(OpenPPO):
    """max instead of min: the clipped term binds exactly where it should not."""

    def policy_loss(self, log_prob, old_log_prob, advantages, clip_range):
        ratio = th.exp(log_prob - old_log_prob)
        clipped = th.clamp(ratio, 1 - clip_range, 1 + clip_range)
        return -th.max(advantages * ratio, advantages * clipped).mean()


class DetachedPolicy(OpenPPO):
    """The ratio is computed for logging, without a graph, and then reused for the loss."""

    def policy_loss(self, log_prob, old_log_prob, advantages, clip_range):
        return super().policy_loss(log_prob.detach(), old_log_prob, advantages, clip_range)


class CriticOnOldValues(OpenPPO):
    """The value loss compares two stored tensors; no gradient reaches the critic."""

    def value_loss(self, values, data):
        return functional.mse_loss(data.returns, data.old_values)


class CriticOnOwnOutput(OpenPPO):
    """Returns are rebuilt from stale advantages of zero: the target is the old prediction."""

    def value_loss(self, values, data):
        stale = th.zeros_like(data.advantages)
        return functional.mse_loss(stale + data.old_values, values)


class ConstantClip(OpenPPO):
    """`clip_range` is accepted, scheduled, and replaced by 0.2."""

    def policy_loss(self, log_prob, old_log_prob, advantages, clip_range):
        return super().policy_loss(log_prob, old_log_prob, advantages, 0.2)


class LateGradientClip(OpenPPO):
    """Clips the gradient norm after the step has been taken."""

    def descend(self, loss):
        self.policy.optimizer.zero_grad()
        loss.backward()
        self.policy.optimizer.step()
        th.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)


class EntropyForLogOnly(OpenPPO):
    """Computes the entropy bonus, but does not put it into the loss."""

    def entropy_loss(self, entropy):
        return (self.ent_coef * -th.mean(entropy)).detach()


class OptimiserOfACopy(OpenPPO):
    """The optimiser was built before the policy was copied; the copy acts, the original learns."""

    def _setup_model(self):
        super()._setup_model()
        optimizer = self.policy.optimizer
        self.policy = copy.deepcopy(self.policy)
        self.policy.optimizer = optimizer


class ZeroGradAfterBackward(OpenPPO):
    """Clears the gradients between computing and applying them."""

    def descend(self, loss):
        loss.backward()
        self.policy.optimizer.zero_grad(set_to_none=False)
        self.policy.optimizer.step()


class OnlyTheCriticSteps(OpenPPO):
    """The actor's parameters were left out of the list handed to the optimiser."""

    def _setup_model(self):
        super()._setup_model()
        critic = [*self.policy.mlp_extractor.value_net.parameters()]
        critic += self.policy.value_net.parameters()
        settings_of = self.policy.optimizer.defaults
        self.policy.optimizer = th.optim.Adam(critic, lr=settings_of["lr"], eps=1e-5)


def _with(cls):
    def make(env, *, seed, gamma=0.99):
        return settings.ppo(cls, env, seed=seed, gamma=gamma)

    return make


def _with_options(cls):
    def make(env, *, seed, gamma=0.99, clip_range=0.2, ent_coef=0.0, max_grad_norm=0.5):
        return settings.ppo(
            cls, env, seed=seed, gamma=gamma,
            clip_range=clip_range, ent_coef=ent_coef, max_grad_norm=max_grad_norm,
        )  # fmt: skip

    return make


def _with_entropy(cls):
    def make(env, *, seed, gamma=0.99, ent_coef=0.05):
        return settings.ppo(cls, env, seed=seed, gamma=gamma, ent_coef=ent_coef)

    return make


def _faulty(name, faults, cls, description, factory=_with):
    return FaultyAgent(f"ppo-{name}", "SB3 PPO", faults, factory(cls), description)


FAULTY = (
    _faulty(
        "negated-advantages", ("advantage-sign-flipped",), NegatedAdvantages,
        "advantages enter with the wrong sign",
    ),
    _faulty(
        "minimised-entropy", ("entropy-sign-flipped",), MinimisedEntropy,
        "entropy is minimised", _with_entropy,
    ),
    _faulty(
        "recomputed-old-log-prob", ("old-log-prob-recomputed", "clip-missing", "option-ignored"),
        RecomputedOldLogProb, "the ratio is always 1", _with_options,
    ),
    _faulty(
        "inverted-ratio", ("ratio-inverted", "advantage-sign-flipped"), InvertedRatio,
        "old over new",
    ),
    _faulty(
        "no-clip", ("clip-missing", "option-ignored"), NoClip,
        "surrogate without a clip", _with_options,
    ),
    _faulty(
        "optimistic-clip", ("clip-missing",), OptimisticClip,
        "max of the surrogates instead of min", _with_options,
    ),
    _faulty(
        "detached-policy", ("no-policy-gradient", "does-not-learn"), DetachedPolicy,
        "no gradient through the ratio",
    ),
    _faulty(
        "critic-on-old-values", ("critic-not-trained",), CriticOnOldValues,
        "value loss without the critic in it",
    ),
    _faulty(
        "critic-on-own-output", ("critic-not-trained",), CriticOnOwnOutput,
        "the value target is the old prediction",
    ),
    _faulty("constant-clip", ("option-ignored",), ConstantClip, "clip fixed at 0.2", _with_options),
    _faulty(
        "late-gradient-clip", ("option-ignored",), LateGradientClip,
        "max_grad_norm applied after the step", _with_options,
    ),
    _faulty(
        "entropy-for-log-only", ("option-ignored",), EntropyForLogOnly,
        "ent_coef changes no gradient", _with_options,
    ),
    _faulty(
        "optimiser-of-a-copy", ("does-not-learn", "no-policy-gradient", "critic-not-trained"),
        OptimiserOfACopy, "the optimiser holds another network's parameters",
    ),
    _faulty(
        "zero-grad-after-backward", ("does-not-learn", "no-policy-gradient", "critic-not-trained"),
        ZeroGradAfterBackward, "gradients cleared before the step",
    ),
    _faulty(
        "only-the-critic-steps", ("no-policy-gradient", "does-not-learn"), OnlyTheCriticSteps,
        "the optimiser lacks the actor",
    ),
)  # fmt: skip
