import numpy as np
import pytest
import torch
from libraries import in_jax
from row_checks import named_first, verdict
from torch.distributions import Categorical
from torch.nn import functional as F

import rlcheck
from reference_agents.distributions import categorical_log_prob

CONTRACT, WRT = "categorical-log-prob", ("logits",)


def gathered(logits: torch.Tensor, actions):
    return logits.log_softmax(-1).gather(1, actions.unsqueeze(1)).squeeze(1)


def cross_entropy(scores: torch.Tensor, labels):
    return -F.cross_entropy(scores, labels, reduction="none")


def distribution(action, logits: torch.Tensor):
    return Categorical(logits=logits).log_prob(action)


def distribution_of_probabilities(probs: torch.Tensor, action):
    return Categorical(probs=probs).log_prob(action)


def softmax_inside(logits: torch.Tensor, actions):
    return Categorical(probs=F.softmax(logits, dim=-1)).log_prob(actions)


def evaluate_actions(logits: torch.Tensor, actions):
    dist = Categorical(logits=logits)
    return dist.log_prob(actions), dist.entropy()


def masked_fill(logits: torch.Tensor, actions, action_mask):
    legal = logits.masked_fill(~action_mask.bool(), torch.finfo(logits.dtype).min)
    return Categorical(logits=legal).log_prob(actions)


def huge_negative(logits: torch.Tensor, actions, action_masks):
    legal = torch.where(action_masks.bool(), logits, torch.tensor(-1e8, dtype=logits.dtype))
    return (legal - legal.logsumexp(-1, keepdim=True))[torch.arange(len(actions)), actions]


def columns_in_and_out(logits: torch.Tensor, actions):
    assert actions.ndim == 2
    return F.log_softmax(logits, dim=1).gather(1, actions)


def single_precision(logits: torch.Tensor, actions):
    return Categorical(logits=logits.float()).log_prob(actions)


def with_jax(logits, actions):
    import jax

    log_p = jax.nn.log_softmax(logits)
    return jax.numpy.take_along_axis(log_p, actions[:, None], axis=-1).squeeze(-1)


class Module(torch.nn.Module):
    def forward(self, logits, actions):
        return Categorical(logits=logits).log_prob(actions)


CORRECT = (
    categorical_log_prob, gathered, cross_entropy, distribution, distribution_of_probabilities,
    softmax_inside, evaluate_actions, masked_fill, huge_negative, columns_in_and_out,
    single_precision, in_jax(with_jax), Module(),
)  # fmt: skip


@pytest.mark.parametrize("function", CORRECT, ids=lambda f: getattr(f, "__name__", "module"))
def test_correct_functions_pass(function):
    assert verdict(CONTRACT, function, wrt=WRT)[0] == ()


def picks_the_logit(logits: torch.Tensor, actions):
    return logits[torch.arange(logits.shape[0]), actions]


def picks_the_probability(logits: torch.Tensor, actions):
    return torch.softmax(logits, -1).gather(-1, actions[:, None])[:, 0]


def is_a_loss(logits: torch.Tensor, actions):
    return F.nll_loss(F.log_softmax(logits, 1), actions, reduction="none")


def first_axis(logits: torch.Tensor, actions):
    return torch.log_softmax(logits, 0)[range(len(actions)), actions]


def softmax_head(logits: torch.Tensor, actions):
    return Categorical(logits=torch.softmax(logits, dim=-1)).log_prob(actions)


def greedy(logits: torch.Tensor, actions):
    dist = Categorical(logits=logits)
    return dist.log_prob(logits.argmax(-1))


def ungathered(logits: torch.Tensor, actions):
    return torch.log_softmax(logits, -1)


def counts_from_one(logits, actions):
    log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    return log_p[np.arange(len(actions)), actions - 1]


def rolled(logits: torch.Tensor, actions):
    return Categorical(logits=logits).log_prob(actions.roll(1))


def unsqueezed(logits: torch.Tensor, actions):
    return F.log_softmax(logits, dim=1).gather(1, actions.view(-1, 1))


def sliced(logits, actions):
    log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    return log_p[:, actions]


def bits(logits, actions):
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    return np.log2(p[np.arange(len(actions)), actions])


def rough_guard(logits: torch.Tensor, actions):
    p = torch.softmax(logits, -1)[torch.arange(len(actions)), actions]
    return torch.log(p + 1e-3)


def overflowing(logits, actions):
    e = np.exp(logits)
    return np.log(e / e.sum(1, keepdims=True))[np.arange(len(actions)), actions]


def no_mask(logits: torch.Tensor, actions, action_mask):
    return Categorical(logits=logits).log_prob(actions)


def wrong_side(logits: torch.Tensor, actions, action_mask):
    return Categorical(logits=logits.masked_fill(action_mask.bool(), -1e9)).log_prob(actions)


def multiplied(logits: torch.Tensor, actions, action_mask):
    return Categorical(logits=logits * action_mask).log_prob(actions)


def soft_mask(logits: torch.Tensor, actions, action_mask):
    return Categorical(logits=logits - 10.0 * (1.0 - action_mask.to(logits))).log_prob(actions)


def detached(logits: torch.Tensor, actions):
    return Categorical(logits=logits.detach()).log_prob(actions)


@torch.no_grad()
def without_grad(logits: torch.Tensor, actions):
    return F.log_softmax(logits, -1).gather(1, actions[:, None]).squeeze(1)


def total(logits: torch.Tensor, actions):
    return Categorical(logits=logits).log_prob(actions).sum()


def average(logits: torch.Tensor, actions):
    return Categorical(logits=logits).log_prob(actions).mean()


def states_backwards(logits: torch.Tensor, actions):
    return F.log_softmax(logits, -1).flip(0).gather(1, actions[:, None]).squeeze(1)


FAULTY = {
    "not-normalised": (picks_the_logit,),
    "probability-for-log-probability": (picks_the_probability,),
    "sign-flipped": (is_a_loss,),
    "normalised-over-the-batch": (first_axis,),
    "softmax-twice": (softmax_head,),
    "likeliest-action": (greedy,),
    "all-actions": (ungathered,),
    "action-index-shifted": (counts_from_one,),
    "actions-of-other-rows": (rolled, states_backwards),
    "column-returned": (unsqueezed,),
    "whole-axis-indexed": (sliced,),
    "wrong-logarithm": (bits,),
    "guard-too-large": (rough_guard,),
    "softmax-overflows": (overflowing,),
    "mask-ignored": (no_mask,),
    "mask-inverted": (wrong_side,),
    "mask-multiplied": (multiplied,),
    "mask-too-weak": (soft_mask,),
    "graph-cut": (detached, without_grad),
    "batch-summed": (total,),
    "batch-averaged": (average,),
}


@pytest.mark.slow
def test_faulty_functions_are_caught_and_named():
    missed, share = named_first(CONTRACT, FAULTY, wrt=WRT)
    assert not missed
    assert share >= 0.85


@pytest.mark.parametrize("function", [softmax_head, unsqueezed, detached, states_backwards])
def test_the_commonest_faults_are_named_through_the_public_interface(function):
    report = rlcheck.check(function, CONTRACT, max_examples=20)
    expected = next(fault for fault, found in FAULTY.items() if function in found)
    assert report.diagnosis[0].fault == f"{CONTRACT}/{expected}"


def test_a_column_for_flat_actions_is_explained():
    report = rlcheck.check(unsqueezed, CONTRACT, max_examples=20)
    message = next(result.message for result in report.results if result.status == "failed")
    assert "should have shape" in message
