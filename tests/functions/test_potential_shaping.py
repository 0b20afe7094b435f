import numpy as np
import pytest
import torch
from libraries import in_jax
from row_checks import named_first, verdict

import rlcheck

CONTRACT = "potential-shaping"


def in_torch(potential: torch.Tensor, next_potential, terminated, gamma):
    return gamma * next_potential * (~terminated.bool()) - potential


def with_done(phi, phi_next, done, discount):
    return discount * (1 - done) * phi_next - phi


def with_jax(next_phi, phi, terminated, gamma):
    import jax

    return jax.numpy.where(terminated, 0.0, gamma * next_phi) - phi


def shaped(rewards, potential, next_potential, terminated, gamma):
    return rewards + (gamma * next_potential * (1.0 - terminated) - potential)


def one_step(potential, next_potential, terminated, gamma):
    return (0.0 if terminated else gamma * next_potential) - potential


def looped(potential: list, next_potential: list, terminated: list, gamma):
    steps = zip(potential, next_potential, terminated, strict=True)
    return [gamma * after * (not ends) - now for now, after, ends in steps]


def both_flags(potential, next_potential, terminated, truncated, gamma):
    return gamma * next_potential * (1 - terminated) - potential


def without_ends(potential: torch.Tensor, next_potential, gamma):
    return gamma * next_potential - potential


CORRECT = (
    in_torch, with_done, in_jax(with_jax), shaped, one_step, looped, both_flags, without_ends,
)  # fmt: skip


@pytest.mark.parametrize("function", CORRECT, ids=lambda f: f.__name__)
def test_correct_functions_pass(function):
    assert verdict(CONTRACT, function)[0] == ()


def keeps_the_last(potential, next_potential, terminated, gamma):
    return gamma * next_potential - potential


def undiscounted(potential: torch.Tensor, next_potential, terminated, gamma):
    return next_potential * (1 - terminated.float()) - potential


def wrong_term(phi, phi_next, done, gamma):
    return phi_next * (1 - done) - gamma * phi


def reversed_difference(potential: torch.Tensor, next_potential, terminated, gamma):
    return potential - gamma * next_potential * (1 - terminated.double())


def swapped(next_potential, potential, terminated, gamma):
    potential, next_potential = next_potential, potential
    return gamma * next_potential * (1 - terminated) - potential


def drops_everything(potential, next_potential, terminated, gamma):
    return np.where(terminated, 0.0, gamma * next_potential - potential)


def limits_as_ends(potential, next_potential, terminated, truncated, gamma):
    return gamma * next_potential * ~(terminated | truncated) - potential


def state_bonus(rewards, potential, next_potential, terminated, gamma):
    return rewards + gamma * next_potential * (1 - terminated)


def pays_progress(potential, next_potential, terminated, gamma):
    return np.maximum(gamma * next_potential * (1 - terminated) - potential, 0)


def fixed_discount(potential, next_potential, terminated, gamma):
    return 0.99 * next_potential * (1 - terminated) - potential


def bounded(potential: torch.Tensor, next_potential, terminated, gamma):
    return torch.clamp(gamma * next_potential * (1 - terminated.double()) - potential, -1, 1)


def inverted(potential, next_potential, terminated, gamma):
    return gamma * next_potential * terminated - potential


def forgets_the_reward(reward, potential, next_potential, terminated, gamma):
    return gamma * next_potential * (1 - terminated) - potential


def adds(potential, next_potential, terminated, gamma):
    return gamma * next_potential * (1 - terminated) + potential


FAULTY = {
    "terminal-potential-counted": (keeps_the_last,),
    "gamma-missing": (undiscounted,),
    "gamma-on-the-wrong-term": (wrong_term,),
    "sign-flipped": (reversed_difference,),
    "potentials-swapped": (swapped,),
    "whole-term-masked": (drops_everything,),
    "truncation-as-terminal": (limits_as_ends,),
    "present-potential-missing": (state_bonus,),
    "only-progress-paid": (pays_progress,),
    "gamma-hard-coded": (fixed_discount,),
    "clipped": (bounded,),
    "mask-inverted": (inverted,),
    "reward-dropped": (forgets_the_reward,),
    "potentials-added": (adds,),
}


def test_faulty_functions_are_caught_and_named():
    missed, share = named_first(CONTRACT, FAULTY)
    assert not missed
    assert share >= 0.85


def test_the_change_of_the_task_is_told():
    report = rlcheck.check(state_bonus, CONTRACT, max_examples=20)
    messages = {result.check: result.message for result in report.results}
    assert "optimal value" in messages[f"{CONTRACT}/optimal-policy-unchanged"]
