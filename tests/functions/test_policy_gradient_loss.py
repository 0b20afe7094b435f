import numpy as np
import pytest
import torch
from policy_checks import verdict

import rlcheck
from reference_agents.losses import policy_gradient_loss


def cleanrl_like(logprob: torch.Tensor, advantages):
    return (-logprob * advantages).mean()


def summed(log_probs: torch.Tensor, advantages):
    return -torch.sum(log_probs * advantages)


def with_reduction(log_probs: torch.Tensor, advantages, reduction):
    per_row = -(log_probs * advantages)
    return per_row.mean() if reduction == "mean" else per_row.sum()


def with_statistics(log_probs: torch.Tensor, advantages):
    loss = -(log_probs * advantages).mean()
    return loss, {"entropy": -log_probs.mean().item()}


def single_precision(log_probs: torch.Tensor, advantages):
    return -(log_probs.float() * advantages.float()).mean()


def numpy_dot(log_probs, advantages):
    return -np.dot(log_probs, advantages) / log_probs.size


def plain_python(log_probs: list, advantages: list):
    return -sum(p * a for p, a in zip(log_probs, advantages, strict=True)) / len(log_probs)


class Module(torch.nn.Module):
    def forward(self, log_probs, advantages):
        return -(log_probs * advantages).mean()


CORRECT = (
    policy_gradient_loss,
    cleanrl_like,
    summed,
    with_reduction,
    with_statistics,
    single_precision,
    numpy_dot,
    plain_python,
    Module(),
)


@pytest.mark.parametrize(
    "function", CORRECT, ids=lambda f: getattr(f, "__name__", type(f).__name__)
)
def test_correct_losses_pass(function):
    constants = {"seed_dims": 0} if function is policy_gradient_loss else {}
    failed, _ = verdict("policy-gradient-loss", function, wrt="log_probs", constants=constants)
    assert failed == ()


def minimises_return(log_probs: torch.Tensor, advantages):
    return torch.mean(log_probs * advantages)


def crosses_rows(log_probs: torch.Tensor, advantages):
    return -(log_probs.unsqueeze(-1) * advantages.reshape(1, -1)).mean()


def crosses_columns_only(log_probs: torch.Tensor, advantages):
    return -(log_probs.flatten() * advantages).mean()


def detached(log_probs: torch.Tensor, advantages):
    return -(log_probs.detach() * advantages).mean()


def item(log_probs: torch.Tensor, advantages):
    return -(log_probs * advantages).mean().item()


def standardises(log_probs: torch.Tensor, advantages):
    z = (advantages - advantages.mean()) / (advantages.std(unbiased=False) + 1e-8)
    return -(log_probs * z).mean()


def clamps(log_probs: torch.Tensor, advantages):
    return -(log_probs * advantages.clamp(min=0)).mean()


def exponentiates(log_probs, advantages):
    return -np.mean(np.exp(log_probs) * advantages)


def counts_twice(log_probs, advantages):
    return -np.sum(log_probs * advantages) / log_probs.size**2


FAULTY = {
    "sign-flipped": minimises_return,
    "rows-crossed": crosses_rows,
    "rows-crossed in columns": crosses_columns_only,
    "graph-cut": detached,
    "graph-cut by item": item,
    "advantages-normalised": standardises,
    "negative-advantages-dropped": clamps,
    "probability-for-log-probability": exponentiates,
    "divided-by-the-batch-twice": counts_twice,
}


@pytest.mark.parametrize("fault", FAULTY)
def test_faulty_losses_are_caught_and_named(fault):
    failed, named = verdict("policy-gradient-loss", FAULTY[fault], wrt="log_probs")
    assert failed
    assert named == fault.split()[0]


def test_cut_graph_is_diagnosed_through_the_public_interface():
    report = rlcheck.check(detached, "policy-gradient-loss", max_examples=20)
    assert report.verdict == "failed"
    assert report.diagnosis[0].fault == "policy-gradient-loss/graph-cut"


def test_inputs_changed_in_place_show():
    def in_place(log_probs: torch.Tensor, advantages):
        log_probs *= advantages
        return -log_probs.mean()

    failed, named = verdict("policy-gradient-loss", in_place, wrt="log_probs")
    assert failed == ("inputs-unchanged",)
    assert named == "inputs-changed"
