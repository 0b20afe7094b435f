"""V-trace: the reference and other people's forms pass, faults of one's own making are named."""

import numpy as np
import pytest
import torch
from policy_checks import few, verdict

from reference_agents.returns import vtrace


class Solver(torch.nn.Module):
    """The textbook recursion in torch; the attributes are where the faulty ones differ."""

    behind = False
    rho_bound, c_bound = staticmethod(torch.clamp), staticmethod(torch.clamp)

    def ratio(self, new, old):
        return torch.exp(new - old)

    def correction(self, delta, discount, c, carried):
        return delta + discount * c * carried

    def weigh(self, rho, error):
        return rho * error

    def advantage(self, rho, reward, gamma, following, value, target):
        return rho * (reward + gamma * following - value)

    def forward(self, c_clip, rho_clip, gamma, dones, last_value, values, rewards, log_mu, log_pi):
        ratio = self.ratio(log_pi, log_mu)
        rho = self.rho_bound(ratio, max=rho_clip)
        c = self.c_bound(ratio, max=c_clip)
        alive = 1.0 - dones.to(values.dtype)
        after = torch.cat([values[1:], last_value.unsqueeze(0)])
        delta = self.weigh(rho, rewards + gamma * alive * after - values)
        carried, out = torch.zeros_like(last_value), []
        for t in reversed(range(rewards.shape[0])):
            carried = self.correction(delta[t], gamma * alive[t], c[t], carried)
            out.insert(0, carried + values[t])
        targets = torch.stack(out)
        following = torch.cat([targets[1:], last_value.unsqueeze(0)]) * alive
        return targets, self.advantage(rho, rewards, gamma, following, values, targets)


def targets_only(log_probs, old_log_probs, rewards, values, next_value, gamma, rho_bar, c_bar):
    """One unfinished trajectory in plain Python."""
    from math import exp

    weights = [exp(p - q) for p, q in zip(log_probs, old_log_probs, strict=True)]
    values = [*values, next_value]
    v, out = next_value, []
    for t in reversed(range(len(rewards))):
        delta = min(rho_bar, weights[t]) * (rewards[t] + gamma * values[t + 1] - values[t])
        v = values[t] + delta + gamma * min(c_bar, weights[t]) * (v - values[t + 1])
        out.insert(0, v)
    return out


def advantages_first(
    log_probs, old_log_probs, rewards, values, next_values, terminated, truncated, gamma,
    rho_clip, c_clip,
):  # fmt: skip
    given = (log_probs, old_log_probs, rewards, values, next_values, terminated, truncated)
    found = vtrace(
        *(torch.as_tensor(one) for one in given), gamma=gamma, rho_clip=rho_clip, c_clip=c_clip
    )
    return found.advantages.numpy(), found.targets.numpy()


@pytest.mark.parametrize(
    "function", [vtrace, Solver(), targets_only, advantages_first],
    ids=["reference", "module", "lists", "advantages first"],
)  # fmt: skip
def test_correct_functions_pass(function):
    assert verdict("vtrace", function, examples=40) == ((), "")


class Inverted(Solver):
    def ratio(self, new, old):
        return (old - new).exp()


class LogRatio(Solver):
    def ratio(self, new, old):
        return new - old


class OneClip(Solver):
    def forward(self, c_clip, rho_clip, gamma, dones, last_value, values, rewards, log_mu, log_pi):
        given = (gamma, dones, last_value, values, rewards, log_mu, log_pi)
        return super().forward(rho_clip + 0.0 * c_clip, rho_clip, *given)


class TraceUnclipped(Solver):
    @staticmethod
    def c_bound(ratio, max):
        return ratio


class PlainTrace(Solver):
    def correction(self, delta, discount, c, carried):
        return delta + discount * carried


class PlainError(Solver):
    def weigh(self, rho, error):
        return error


class OwnTarget(Solver):
    def advantage(self, rho, reward, gamma, following, value, target):
        return target - value


class PlainAdvantage(Solver):
    def advantage(self, rho, reward, gamma, following, value, target):
        return reward + gamma * following - value


class Undiscounted(Solver):
    def correction(self, delta, discount, c, carried):
        return delta + (discount > 0) * c * carried


class NotAdded(Solver):
    def forward(self, c_clip, rho_clip, gamma, dones, last_value, values, rewards, log_mu, log_pi):
        given = (gamma, dones, last_value, values, rewards, log_mu, log_pi)
        targets, advantages = super().forward(c_clip, rho_clip, *given)
        return targets - values, advantages


def merged(
    rewards, values, next_values, terminated, truncated, log_probs, old_log_probs, gamma,
    rho_clip, c_clip,
):  # fmt: skip
    """Loops over columns and treats time limits as ends."""
    over = np.maximum(terminated, truncated)
    out = np.array(values)
    for b in range(values.shape[1]):
        acc = 0.0
        for t in range(len(values) - 1, -1, -1):
            w = np.e ** (log_probs[t, b] - old_log_probs[t, b])
            nxt = 0.0 if over[t, b] else next_values[t, b]
            acc = (0.0 if over[t, b] else gamma * min(w, c_clip) * acc) + min(w, rho_clip) * (
                rewards[t, b] + gamma * nxt - values[t, b]
            )
            out[t, b] += acc
    return out


FAULTY = {
    "ratio-inverted": Inverted(),
    "log-ratio-as-ratio": LogRatio(),
    "one-clip-for-both": OneClip(),
    "c-not-clipped": TraceUnclipped(),
    "trace-not-weighted": PlainTrace(),
    "td-error-not-weighted": PlainError(),
    "advantage-of-own-target": OwnTarget(),
    "advantage-not-weighted": PlainAdvantage(),
    "trace-undiscounted": Undiscounted(),
    "value-not-added": NotAdded(),
    "truncation-as-terminal": merged,
}


@pytest.mark.parametrize(
    "fault", few(FAULTY, "ratio-inverted", "c-not-clipped", "truncation-as-terminal")
)
def test_faulty_functions_are_caught_and_named(fault):
    failed, named = verdict("vtrace", FAULTY[fault], examples=40)
    assert failed
    assert named == fault


def test_no_hyper_parameter_is_guessed():
    from rlcheck.errors import BindingError

    def fixed(log_rhos, discounts, rewards, values, bootstrap_value):
        return values

    with pytest.raises(BindingError, match="--set rho_clip=VALUE"):
        verdict("vtrace", fixed)


def test_discounts_in_the_place_of_flags_and_gamma():
    def weighted(log_rhos, discounts, rewards, values, bootstrap_value, clip_rho_threshold=1.0):
        rho = np.minimum(np.exp(log_rhos), clip_rho_threshold)
        c = np.minimum(np.exp(log_rhos), 1.0)
        delta = rho * (rewards + discounts * np.vstack([values[1:], bootstrap_value]) - values)
        excess = np.zeros_like(values)
        for t in reversed(range(len(values))):
            later = excess[t + 1] if t + 1 < len(values) else 0.0
            excess[t] = delta[t] + discounts[t] * c[t] * later
        return values + excess

    constants = {"gamma": 0.9, "c_clip": 1.0}
    assert verdict("vtrace", weighted, examples=40, constants=constants)[0] == ()
