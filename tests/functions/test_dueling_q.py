"""The dueling combination: correct forms pass, faults of one's own making are named."""

import numpy as np
import pytest
import torch
from policy_checks import verdict

import rlcheck
from reference_agents.targets import dueling_q


def keyword(action_advantages: torch.Tensor, *, state_values):
    return state_values + action_advantages.sub(action_advantages.mean(1, keepdim=True))


def largest(value: torch.Tensor, advantage):
    return value.float() + advantage.float() - advantage.float().amax(-1, keepdim=True)


def flat(v: torch.Tensor, adv):
    return v.unsqueeze(-1) + adv - adv.mean(-1).unsqueeze(-1)


def loops(values, advantages):
    out = np.empty(np.shape(advantages))
    for i, row in enumerate(advantages):
        out[i] = [values[i][0] + one - np.average(row) for one in row]
    return out


class Head(torch.nn.Module):
    def forward(self, value, advantage):
        centred = advantage - advantage.mean(dim=-1, keepdim=True)
        return value + centred


@pytest.mark.parametrize("function", [dueling_q, keyword, largest, flat, loops, Head()])
def test_correct_functions_pass(function):
    assert verdict("dueling-q", function, examples=40) == ((), "")


FAULTY = {
    "not-centred": lambda value, advantage: np.add(value, advantage),
    "centred-over-the-batch": lambda value, advantage: value + advantage - advantage.mean(0),
    "centred-over-everything": lambda v, adv: adv + v - np.mean(adv),
    "sum-for-mean": lambda v, adv: v + adv - np.sum(adv, 1, keepdims=True),
    "centre-added": lambda v, adv: v + adv + np.mean(adv, -1)[:, None],
    "value-missing": lambda v, adv: (v + adv) - np.mean(v + adv, -1, keepdims=True),
    "advantages-subtracted": lambda adv, v: v - adv + adv.mean(-1, keepdims=True),
    "value-of-the-batch": lambda adv, v: np.mean(v) + adv - adv.mean(-1, keepdims=True),
    "minimum-for-maximum": lambda adv, v: v + adv - np.sort(adv, axis=-1)[:, :1],
    "standardised": lambda adv, v: v + (adv - adv.mean(1)[:, None]) / (adv.std(1)[:, None] + 1e-8),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_faulty_functions_are_caught_and_named(fault):
    failed, named = verdict("dueling-q", FAULTY[fault], examples=40)
    assert failed
    assert named == fault


def test_a_pinned_convention_is_verified():
    report = rlcheck.check(largest, "dueling-q", dialect={"centre": "mean"}, max_examples=20)
    assert report.verdict == "failed"
