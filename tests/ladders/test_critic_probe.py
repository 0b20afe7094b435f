"""Known critics in SAC, TD3 and DDPG: right ones pass, planted mistakes show by their arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from stable_baselines3 import DDPG, SAC, TD3
from stable_baselines3.common.utils import polyak_update
from torch.nn import functional as F

import rlcheck
from ladders.critic_probe_check import judge_probe
from rlcheck.records import Context, Settings, Status

NAME = "agent/critic-target-and-actor"


class OwnSAC(SAC):
    """`train()` written out, with every term where a mistake may sit."""

    def next_q(self, q):
        return q.min(dim=1, keepdim=True).values

    def target(self, data, next_q, entropy):
        return data.rewards + self.gamma * (1 - data.dones) * (next_q + entropy)

    def actor_loss(self, alpha, log_prob, q):
        return (alpha * log_prob - q).mean()

    temperature_sign = 1.0

    def train(self, gradient_steps, batch_size=64):
        self._update_learning_rate([self.actor.optimizer, self.critic.optimizer])
        for _ in range(gradient_steps):
            data = self.replay_buffer.sample(batch_size)
            actions, log_prob = self.actor.action_log_prob(data.observations)
            alpha = self.log_ent_coef.detach().exp()
            gap = (log_prob + self.target_entropy).detach()
            self.ent_coef_optimizer.zero_grad()
            (-self.temperature_sign * self.log_ent_coef * gap).mean().backward()
            self.ent_coef_optimizer.step()
            with torch.no_grad():
                following, next_log_prob = self.actor.action_log_prob(data.next_observations)
                q = torch.cat(self.critic_target(data.next_observations, following), dim=1)
                target = self.target(data, self.next_q(q), -alpha * next_log_prob[:, None])
            told = self.critic(data.observations, data.actions)
            loss = sum(F.smooth_l1_loss(q, target) for q in told)
            self.critic.optimizer.zero_grad()
            loss.backward()
            self.critic.optimizer.step()
            q = torch.cat(self.critic(data.observations, actions), dim=1).min(1, True).values
            self.actor.optimizer.zero_grad()
            self.actor_loss(alpha, log_prob[:, None], q).backward()
            self.actor.optimizer.step()
            polyak_update(self.critic.parameters(), self.critic_target.parameters(), self.tau)
        self._n_updates += gradient_steps


class Maximum(OwnSAC):
    def next_q(self, q):
        return q.max(dim=1, keepdim=True).values


class Unmasked(OwnSAC):
    def target(self, data, next_q, entropy):
        return data.rewards + self.gamma * (next_q + entropy)


class EntropyUnmasked(OwnSAC):
    def target(self, data, next_q, entropy):
        return data.rewards + self.gamma * ((1 - data.dones) * next_q + entropy)


class EntropyIsCost(OwnSAC):
    def target(self, data, next_q, entropy):
        return super().target(data, next_q, -entropy)


class TypedIn(OwnSAC):
    def target(self, data, next_q, entropy):
        return data.rewards + 0.99 * (1 - data.dones) * (next_q + entropy)


class Descends(OwnSAC):
    def actor_loss(self, alpha, log_prob, q):
        return (alpha * log_prob + q).mean()


class Cut(OwnSAC):
    def actor_loss(self, alpha, log_prob, q):
        return (0.0 * log_prob - q.detach()).mean()


class Warms(OwnSAC):
    temperature_sign = -1.0


class Rolled(OwnSAC):
    def target(self, data, next_q, entropy):
        return super().target(data._replace(dones=data.dones.roll(1, 0)), next_q, entropy)


class MeanOfCritics(OwnSAC):
    """A published choice, not a mistake: nothing is said of it."""

    def next_q(self, q):
        return q.mean(dim=1, keepdim=True)


def outcome(algorithm: type, **options):
    def make_agent(env, *, seed, gamma):
        sizes = {"policy_kwargs": {"net_arch": [32, 32]}}
        return algorithm("MlpPolicy", env, gamma=gamma, seed=seed, **sizes, **options)

    report = rlcheck.check(make_agent, "agent", select=(NAME,))
    return next(result for result in report.results if result.check == NAME)


@pytest.mark.parametrize("algorithm", [SAC, TD3, DDPG, OwnSAC])
def test_right_actor_critics_pass(algorithm):
    assert outcome(algorithm).status is Status.PASSED


def test_a_fixed_temperature_and_a_seldom_updated_actor_pass():
    assert outcome(SAC, ent_coef=0.2).status is Status.PASSED
    assert outcome(TD3, policy_delay=50).status is Status.PASSED


def test_what_nothing_known_explains_is_not_called_wrong():
    assert outcome(MeanOfCritics).status is Status.SKIPPED


@pytest.mark.parametrize(
    ("algorithm", "fault"),
    [
        (Maximum, "overestimation"),
        (Unmasked, "terminal-bootstrap"),
        (EntropyUnmasked, "terminal-bootstrap"),
        (EntropyIsCost, "entropy-sign-flipped"),
        (TypedIn, "discount-hard-coded"),
        (Descends, "advantage-sign-flipped"),
        (Cut, "no-policy-gradient"),
        (Warms, "entropy-sign-flipped"),
        (Rolled, "batch-misaligned"),
    ],
)
def test_planted_mistakes_are_named(algorithm, fault):
    found = outcome(algorithm)
    assert found.status is Status.FAILED, found.message
    assert max(found.suspects, key=found.suspects.get) == fault


def evidence(targets, **more):
    said = {"said": [3.0, 1.0], "soft": False, "log_prob": None, "climbed": [0.5, -0.5]}
    return said | {"targets": targets} | more


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        pytest.param(evidence([1.4, 0.5, 1.4]), Status.PASSED, id="as defined"),
        pytest.param(evidence([1.4, 0.5, 0.5]), Status.FAILED, id="a time limit is an end"),
        pytest.param(evidence([5.0, 0.5, 5.0]), Status.FAILED, id="the online critics"),
        pytest.param(
            evidence([1.526, 0.5, 1.526], soft=True), Status.SKIPPED, id="own temperature"
        ),
        pytest.param(evidence([1.3, 0.5, 1.3], soft=True), Status.SKIPPED, id="own, the other way"),
        pytest.param(evidence([1.3, 0.5, 1.3]), Status.FAILED, id="a discount of 0.8"),
        pytest.param(evidence([2.3, 0.5, 2.3]), Status.SKIPPED, id="mean of critics"),
        pytest.param(evidence([None, 0.5, 1.4]), Status.SKIPPED, id="pulled nowhere"),
        pytest.param(evidence([1.4, 0.5, 1.4], climbed=[0.5, 0.1]), Status.PASSED, id="drifts"),
    ],
)
def test_only_exact_arithmetic_convicts(seen, status):
    context = Context(Settings(gamma=0.9), {})
    assert judge_probe(seen, context).status is status
    assert np.isfinite(seen["climbed"]).all()
