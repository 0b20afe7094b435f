import numpy as np
import pytest
import torch
from libraries import in_jax
from row_checks import named_first, verdict
from torch.distributions import Categorical
from torch.nn import functional as F

from reference_agents.distributions import categorical_entropy

CONTRACT, WRT = "entropy", ("logits",)


def distribution(logits: torch.Tensor):
    return Categorical(logits=logits).entropy()


def by_log_softmax(logits: torch.Tensor):
    log_p = F.log_softmax(logits, -1)
    return -(log_p.exp() * log_p).sum(-1)


def guarded(logits: torch.Tensor):
    p = F.softmax(logits, dim=-1)
    return -torch.sum(p * torch.log(p + 1e-6), dim=-1)


def xlogy(probs: torch.Tensor):
    return torch.special.entr(probs).sum(-1)


def kept_axis(logits: torch.Tensor):
    log_p = F.log_softmax(logits, -1)
    return -(log_p.exp() * log_p).sum(-1, keepdim=True)


def masked(logits: torch.Tensor, action_mask):
    log_p = logits.masked_fill(~action_mask.bool(), -1e8).log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1)


def with_jax(logits):
    import jax

    log_p = jax.nn.log_softmax(logits)
    return -jax.numpy.sum(jax.numpy.exp(log_p) * log_p, axis=-1)


def single_precision(logits: torch.Tensor):
    return Categorical(logits=logits.float()).entropy()


CORRECT = (
    categorical_entropy, distribution, by_log_softmax, guarded, xlogy, kept_axis, masked,
    in_jax(with_jax), single_precision,
)  # fmt: skip


@pytest.mark.parametrize("function", CORRECT, ids=lambda f: f.__name__)
def test_correct_functions_pass(function):
    assert verdict(CONTRACT, function, wrt=WRT)[0] == ()


def negative(logits: torch.Tensor):
    log_p = logits.log_softmax(-1)
    return torch.einsum("ba,ba->b", log_p.exp(), log_p)


def unweighted(logits: torch.Tensor):
    return -logits.log_softmax(-1).sum(-1)


def sampled(logits: torch.Tensor, actions):
    return -Categorical(logits=logits).log_prob(actions)


def uses_logits(logits: torch.Tensor):
    return -(logits.softmax(-1) * logits).sum(-1)


def averages(logits: torch.Tensor):
    log_p = logits.log_softmax(-1)
    return -(log_p.exp() * log_p).mean(-1)


def in_bits(logits):
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    return -(p * np.log2(p)).sum(1)


def first_axis(logits: torch.Tensor):
    log_p = logits.log_softmax(0)
    return -(log_p.exp() * log_p).sum(-1)


def softmax_head(logits: torch.Tensor):
    return Categorical(logits=logits.softmax(-1)).entropy()


def terms(logits: torch.Tensor):
    log_p = logits.log_softmax(-1)
    return -log_p.exp() * log_p


def total(logits: torch.Tensor):
    return Categorical(logits=logits).entropy().sum()


def average(logits: torch.Tensor):
    return Categorical(logits=logits).entropy().mean()


def nan_under_the_mask(logits: torch.Tensor, mask):
    log_p = logits.masked_fill(~mask.bool(), -torch.inf).log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1)


def nan_in_the_gradient(logits: torch.Tensor, mask):
    p = logits.masked_fill(~mask.bool(), -torch.inf).softmax(-1)
    return -torch.where(mask.bool(), p * p.log(), torch.zeros_like(p)).sum(-1)


def without_the_mask(logits: torch.Tensor, mask):
    return Categorical(logits=logits).entropy()


def masks_afterwards(logits: torch.Tensor, mask):
    log_p = logits.log_softmax(-1)
    return -(log_p.exp() * log_p * mask).sum(-1)


def stopped_weights(logits: torch.Tensor):
    log_p = logits.log_softmax(-1)
    return -(log_p.exp().detach() * log_p).sum(-1)


FAULTY = {
    "sign-flipped": (negative,),
    "weights-missing": (unweighted,),
    "taken-action-only": (sampled,),
    "logits-for-log-probabilities": (uses_logits,),
    "averaged-over-actions": (averages,),
    "wrong-unit": (in_bits,),
    "normalised-over-the-batch": (first_axis,),
    "softmax-twice": (softmax_head,),
    "actions-not-summed": (terms,),
    "batch-summed": (total,),
    "batch-averaged": (average,),
    "zero-times-infinity": (nan_under_the_mask, nan_in_the_gradient),
    "mask-ignored": (without_the_mask,),
    "not-renormalised": (masks_afterwards,),
    "graph-cut": (stopped_weights,),
}


@pytest.mark.slow
def test_faulty_functions_are_caught_and_named():
    missed, share = named_first(CONTRACT, FAULTY, wrt=WRT)
    assert not missed
    assert share >= 0.85


def test_weights_out_of_the_graph_are_caught_by_the_gradient_alone():
    failed, named = verdict(CONTRACT, stopped_weights, wrt=WRT)
    assert failed == ("gradient-agrees-with-the-definition",)
    assert named == "graph-cut"
