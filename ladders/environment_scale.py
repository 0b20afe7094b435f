"""Scale and shape of rewards and observations under random play: advice, never a failure."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from gymnasium import spaces

from ladders.environment_interface import INTERFACE
from ladders.environment_play import Play, flat, random_play
from ladders.environment_subject import EnvironmentSubject
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial
from rlcheck.selftests import upper_bound

LARGE, SMALL = 100.0, 1e-3
"""Rewards and observations beyond these are far from the unit scale that networks expect."""
MOST_NUMBERS = 4096
SHOWN = 4


def measure(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """Statistics of one record of random play."""
    play = random_play(subject, trial.seed, context)
    with subject.fresh() as env:
        space = env.observation_space
    rewards = np.array([float(event.reward) for event in play.events if event.step])
    found: dict[str, Any] = {"left_out": list(play.notes), "steps": len(rewards)}
    if not len(rewards):
        return {**found, "rewards": None, "returns": None, "observations": None}
    sizes = np.abs(rewards)
    total = float(sizes.sum())
    rare = sizes > 0.5 * sizes.max()
    return {
        **found,
        "rewards": {
            "low": float(rewards.min()),
            "high": float(rewards.max()),
            "mean": float(rewards.mean()),
            "typical": float(np.median(sizes)),
            "rare_share": float(rare.mean()),
            "rare_weight": float(sizes[rare].sum() / total) if total else 0.0,
        },
        "returns": _returns(play),
        "observations": _observations(play, space),
        "leaks": _leaks(play, space),
    }


def _returns(play: Play) -> dict[str, Any] | None:
    """How many complete episodes have another return than the usual one."""
    complete = [e for e in play.episodes() if len(e) > 1 and e[-1].ends]
    if not complete:
        return None
    returns = [round(sum(float(event.reward) for event in e[1:]), 6) for e in complete]
    usual, count = Counter(returns).most_common(1)[0]
    return {"episodes": len(returns), "usual": usual, "others": len(returns) - count}


def _observations(play: Play, space: spaces.Space) -> dict[str, Any] | None:
    """Per number of an observation: constant, far from unit scale, a small part of its range."""
    if not isinstance(space, spaces.Box) or int(np.prod(space.shape)) > MOST_NUMBERS:
        return None
    rows = [flat(event.observation, space) for event in play.events]
    if any(row is None or row.size != np.prod(space.shape) for row in rows):
        return None
    seen = np.array(rows)
    low, high = space.low.ravel().astype(float), space.high.ravel().astype(float)
    with np.errstate(invalid="ignore", over="ignore"):
        spread, top = seen.std(axis=0), np.abs(seen).max(axis=0)
        width = high - low
        visited = (seen.max(axis=0) - seen.min(axis=0)) / width
    still = spread == 0.0
    return {
        "numbers": int(seen.shape[1]),
        "constant": np.flatnonzero(still).tolist(),
        "large": np.flatnonzero(top > LARGE).tolist(),
        "small": np.flatnonzero(~still & (top < 10 * SMALL)).tolist(),
        "narrow": np.flatnonzero(
            ~still & np.isfinite(width) & (width < 1e6) & (visited < 0.1)
        ).tolist(),
        "unbounded": int((~np.isfinite(width)).sum()),
        "largest": float(top.max()),
    }


def _leaks(play: Play, space: spaces.Space) -> list[str]:
    """Where the reward of the same step shows up: in the observation, or in the info."""
    steps = [event for event in play.events if event.step]
    rewards = np.array([float(event.reward) for event in steps])
    if len(np.unique(rewards)) < 5:
        return []
    found = []
    rows = [flat(event.observation, space) for event in steps]
    if all(row is not None and row.size <= MOST_NUMBERS for row in rows):
        same = np.isclose(np.array(rows), rewards[:, None], rtol=1e-5, atol=1e-7).all(axis=0)
        found += [f"observation[{index}]" for index in np.flatnonzero(same)]
    names = set(steps[0].info or {})
    for name in sorted(names, key=str):
        values = [(event.info or {}).get(name) for event in steps]
        if all(isinstance(v, float | int | np.floating) for v in values):
            if np.allclose(np.array(values, dtype=float), rewards):
                found.append(f"info[{name!r}]")
    return found


# --- advice ---------------------------------------------------------------------------------------


def advise(evidence: Evidence, context: Context) -> Outcome:
    """Passed, with what was measured and what it suggests."""
    notes = tuple(evidence["left_out"])
    rewards, returns = evidence["rewards"], evidence["returns"]
    if rewards is None:
        return Outcome(Status.PASSED, "no step was taken", evidence, {}, notes)
    notes += (*_about_rewards(rewards), *_about_returns(returns))
    if evidence["observations"]:
        notes += tuple(_about_observations(evidence["observations"]))
    for place in evidence["leaks"]:
        if place.startswith("observation"):
            notes += (
                f"{place} always equals the reward of the same step: an agent may read its reward off "
                "the observation",
            )
    message = (
        f"rewards from {rewards['low']:.4g} to {rewards['high']:.4g} (mean {rewards['mean']:.4g}) in "
        f"{evidence['steps']} steps of random play"
    )
    return Outcome(Status.PASSED, message, evidence, {}, notes)


def _about_rewards(rewards: Evidence) -> list[str]:
    largest = max(abs(rewards["low"]), abs(rewards["high"]))
    found = []
    if largest > LARGE or 0 < largest < SMALL:
        found.append(
            f"rewards reach {largest:.3g}, far from unit scale: normalise or rescale them, or value "
            "losses drown policy losses (or vanish)"
        )
    if rewards["rare_share"] < 0.01 and rewards["rare_weight"] > 0.5 and largest > SMALL:
        found.append(
            f"{rewards['rare_share']:.2%} of steps hold {rewards['rare_weight']:.0%} of all reward: "
            "clip with care, and look at medians as well as means"
        )
    return found


def _about_returns(returns: Evidence | None) -> list[str]:
    if returns is None or returns["episodes"] < 5:
        return []
    count, others = returns["episodes"], returns["others"]
    high = upper_bound(others, count, 0.975)
    low = 1.0 - upper_bound(count - others, count, 0.975)
    if high > 0.25:
        return []
    return [
        f"sparse reward: {others} of {count} episodes of random play return anything but "
        f"{returns['usual']:.4g} ({low:.2%} to {high:.2%} of episodes, 95 % Clopper-Pearson); consider "
        "potential-based shaping, a curriculum of easier starts, hindsight relabelling, or intrinsic "
        "motivation"
    ]


def _about_observations(seen: Evidence) -> list[str]:
    found = []
    for name, what in (
        (
            "constant",
            "never change under random play: leave them out, or find the states that move them",
        ),
        ("large", f"exceed {LARGE:g}: normalise observations"),
        ("small", f"stay below {10 * SMALL:g}: normalise observations"),
        (
            "narrow",
            "use less than a tenth of their declared range: random play does not explore it",
        ),
    ):
        where = seen[name]
        if not where:
            continue
        listed = ", ".join(map(str, where[:SHOWN])) + (", ..." if len(where) > SHOWN else "")
        found.append(f"observation[{listed}] ({len(where)} of {seen['numbers']}) {what}")
    return found


SCALE = Check(
    name="environment/scale-and-shape",
    title="Rewards and observations were measured, and what they suggest is in the notes.",
    explanation=(
        "Range of rewards; how many episodes of random play return anything unusual, with the "
        "Clopper-Pearson interval; numbers of the observation that are constant, far from unit scale or "
        "confined to a corner of their range; rewards that show up in the observation. None of it is a "
        "mistake: FrozenLake is sparse. It tells what an agent will need."
    ),
    trial=measure,
    judge=one_trial(advise),
    requires=(INTERFACE.name, "environment/rewards-finite"),
    references=("https://stable-baselines3.readthedocs.io/en/master/guide/rl_tips.html",),
)
