"""Wrong versions of potential-based shaping, each with the mistake that it models."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from property_tests.framework.records import Array, FaultyVersion, Model

_LINE = "the line of the shaping term"
_MASK = "the flag that multiplies the next potential"
_NG = "https://people.eecs.berkeley.edu/~pabbeel/cs287-fa09/readings/NgHaradaRussell-shaping-ICML1999.pdf"


def _shaping(term: Callable[[Any], Array]) -> Model:
    """A wrong version that adds `term` to the rewards, a function of the inputs by name."""

    def model(rewards, potential, next_potential, terminated, truncated, gamma):
        x = SimpleNamespace(
            rewards=rewards,
            phi=potential,
            after=next_potential,
            goes_on=1.0 - terminated,
            terminated=terminated,
            truncated=truncated,
            gamma=gamma,
        )
        return rewards + term(x)

    return model


def _right(x: Any) -> Array:
    return x.gamma * x.after * x.goes_on - x.phi


def _with_gamma(gamma: float) -> Model:
    return _shaping(lambda x: gamma * x.after * x.goes_on - x.phi)


FAULTS: tuple[FaultyVersion, ...] = (
    FaultyVersion(
        "terminal-potential-counted",
        _shaping(lambda x: x.gamma * x.after - x.phi),
        "the potential after a terminal step is counted",
        "Nothing takes it back afterwards: the agent is paid for where it ends.",
        "Multiply the next potential by (1 - terminated).",
        _MASK,
        (_NG,),
    ),
    FaultyVersion(
        "truncation-as-terminal",
        _shaping(lambda x: x.gamma * x.after * ~(x.terminated | x.truncated) - x.phi),
        "truncation is treated as termination",
        "At a time limit the next potential is dropped, although the task goes on.",
        "Mask with `terminated` alone.",
        _MASK,
        ("https://arxiv.org/abs/1712.00378",),
    ),
    FaultyVersion(
        "both-flags-as-truncation",
        _shaping(lambda x: x.gamma * x.after * ~(x.terminated & ~x.truncated) - x.phi),
        "a step with both flags counts as truncated",
        "A task that ends exactly at its time limit has ended; here its potential is kept.",
        "Let `terminated` win.",
        _MASK,
        ("https://github.com/Farama-Foundation/Gymnasium/commit/e5c44c8e8695",),
    ),
    FaultyVersion(
        "whole-term-masked",
        _shaping(lambda x: (x.gamma * x.after - x.phi) * x.goes_on),
        "the whole term is dropped at the end, the potential to be given back too",
        "The last step does not give back Phi(s): the sum along a path depends on where it was.",
        "Mask the next potential only.",
        _MASK,
        (_NG,),
        variants=(
            _shaping(lambda x: (x.gamma * x.after - x.phi) * ~(x.terminated | x.truncated)),
            _shaping(lambda x: x.gamma * x.after - x.phi * x.goes_on),
        ),
    ),
    FaultyVersion(
        "mask-inverted",
        _shaping(lambda x: x.gamma * x.after * x.terminated - x.phi),
        "the mask is inverted",
        "Only terminal steps count the next potential.",
        "Multiply by 1 - terminated.",
        _MASK,
    ),
    FaultyVersion(
        "gamma-missing",
        _shaping(lambda x: x.after * x.goes_on - x.phi),
        "the next potential is not discounted",
        "Phi(s') - Phi(s) telescopes only without a discount: with one, going round in circles "
        "earns or costs reward.",
        "Multiply the next potential by the agent's gamma.",
        _LINE,
        (_NG,),
        variants=(_shaping(lambda x: x.after - x.phi),),
    ),
    FaultyVersion(
        "gamma-on-the-wrong-term",
        _shaping(lambda x: x.after * x.goes_on - x.gamma * x.phi),
        "gamma multiplies the present potential",
        "The discount belongs to the next state: Phi(s) is collected one step later.",
        "Write gamma * Phi(s') - Phi(s).",
        _LINE,
        (_NG,),
        variants=(
            _shaping(lambda x: x.gamma * (x.after * x.goes_on - x.phi)),
            _shaping(lambda x: x.gamma**2 * x.after * x.goes_on - x.phi),
            _shaping(lambda x: x.gamma * (x.after - x.phi)),
            _shaping(lambda x: x.after - x.gamma * x.phi),
        ),
    ),
    FaultyVersion(
        "gamma-hard-coded",
        _shaping(lambda x: 0.99 * x.after * x.goes_on - x.phi),
        "the discount is fixed, whatever is configured",
        "Shaping with another discount than the agent's changes the task.",
        "Use the parameter.",
        _LINE,
        variants=tuple(_with_gamma(g) for g in (0.9, 0.95, 0.999)),
    ),
    FaultyVersion(
        "sign-flipped",
        _shaping(lambda x: -_right(x)),
        "the sign is wrong: the agent is paid for leaving good states",
        "Phi(s) - gamma * Phi(s'): progress costs reward.",
        "Write gamma * Phi(s') - Phi(s).",
        _LINE,
        variants=(_shaping(lambda x: x.phi - x.gamma * x.after),),
    ),
    FaultyVersion(
        "potentials-swapped",
        _shaping(lambda x: x.gamma * x.phi - x.after * x.goes_on),
        "present and next potential are swapped",
        "Progress costs reward, and the discount stands at the wrong end.",
        "Write gamma * Phi(s') - Phi(s).",
        "the order of the arguments, here or at the call",
        variants=(
            _shaping(lambda x: x.gamma * x.phi * x.goes_on - x.after),
            _shaping(lambda x: x.gamma * x.phi - x.after),
            _shaping(lambda x: x.phi - x.after),
        ),
    ),
    FaultyVersion(
        "present-potential-missing",
        _shaping(lambda x: x.gamma * x.after * x.goes_on),
        "only the next potential is paid, nothing is given back",
        "Staying where the potential is high pays for ever: the optimal policy changes.",
        "Subtract Phi(s).",
        _LINE,
        (_NG,),
        variants=(
            _shaping(lambda x: x.after * x.goes_on),
            _shaping(lambda x: x.gamma * x.after),
            _shaping(lambda x: x.after + 0.0),
        ),
    ),
    FaultyVersion(
        "next-potential-missing",
        _shaping(lambda x: -x.phi),
        "only the present potential is taken, nothing is paid",
        "Good states cost reward.",
        "Add gamma * Phi(s').",
        _LINE,
        variants=(_shaping(lambda x: x.phi + 0.0),),
    ),
    FaultyVersion(
        "potentials-added",
        _shaping(lambda x: x.gamma * x.after * x.goes_on + x.phi),
        "the present potential is added, not subtracted",
        "Every visit to a good state pays twice.",
        "Subtract Phi(s).",
        _LINE,
    ),
    FaultyVersion(
        "only-progress-paid",
        _shaping(lambda x: np.maximum(_right(x), 0.0)),
        "steps back cost nothing: the term is cut off at 0",
        "Going forth and back earns reward without end.",
        "Leave negative terms as they are.",
        _LINE,
        (_NG,),
        variants=(_shaping(lambda x: np.abs(_right(x))),),
    ),
    FaultyVersion(
        "clipped",
        _shaping(lambda x: np.clip(_right(x), -1.0, 1.0)),
        "the term is clipped",
        "What was clipped on the way up is not what is clipped on the way down: it no longer "
        "telescopes.",
        "Scale the potential, not the term.",
        _LINE,
    ),
    FaultyVersion(
        "rows-shifted",
        _shaping(lambda x: x.gamma * np.roll(x.after * x.goes_on, 1) - x.phi),
        "next potentials belong to other rows",
        "Next potentials are one row off against the present ones.",
        "Sample both with the same index.",
        "an off-by-one in stored potentials",
        variants=(
            _shaping(lambda x: x.gamma * np.roll(x.after * x.goes_on, -1) - x.phi),
            _shaping(lambda x: x.gamma * x.after * (1 - np.roll(x.terminated, 1)) - x.phi),
            _shaping(lambda x: x.gamma * x.after * (1 - np.roll(x.terminated, -1)) - x.phi),
        ),
    ),
    FaultyVersion(
        "batch-averaged",
        _shaping(lambda x: x.gamma * np.mean(x.after * x.goes_on) - x.phi),
        "the next potential is averaged over the batch",
        "All rows share one number: a reduction or a broadcast over the batch axis.",
        "Keep one number a row.",
        _LINE,
        variants=(_shaping(lambda x: np.full_like(x.phi, _right(x).mean())),),
    ),
    FaultyVersion(
        "reward-dropped",
        lambda potential, next_potential, terminated, gamma: (
            gamma * next_potential * (1.0 - terminated) - potential
        ),
        "the reward itself is dropped",
        "Only the shaping is left, which has no optimum of its own: nothing is learned.",
        "Add the shaping to the reward.",
        "the line that returns the shaped reward",
    ),
)
