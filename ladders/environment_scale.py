"""Scale and shape of rewards and observations under simple policies: advice, never a failure."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from gymnasium import spaces

from ladders.environment_clock import Clock, clock
from ladders.environment_interface import INTERFACE
from ladders.environment_jumps import jump_in_play
from ladders.environment_leaks import MOST_NUMBERS, leaks
from ladders.environment_play import Play, flat, random_play
from ladders.environment_policies import constant_policies, linear_policies
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_walk import Event, kept, walk
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial
from rlcheck.selftests import upper_bound

LARGE, SMALL = 100.0, 1e-3
"""Rewards and observations beyond these are far from the unit scale that networks expect."""
SHOWN = 4
LINEAR, LONGEST = 5, 300


def measure(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """Statistics of one record of random play, and of a few scripted policies."""
    play = random_play(subject, trial.seed, context)
    timer = clock(context)
    with subject.fresh() as env:
        space = env.observation_space
        scripted = _scripted(env, trial.seed, timer)
    rewards = np.array([float(event.reward) for event in play.events if event.step])
    found: dict[str, Any] = {
        "left_out": [*play.notes, *timer.notes],
        "steps": len(rewards),
        "scripted": _range([event for event in scripted if event.step]),
        "jump": jump_in_play(_means(play), trial.seed),
    }
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
        "observations": _observations([*play.events, *scripted], space),
        "leaks": leaks(play, space),
    }


def _scripted(env: Any, seed: int, timer: Clock) -> list[Event]:
    """One episode each of policies that always do the same, and of random linear ones."""
    policies = constant_policies(env.action_space)
    policies += linear_policies(env.observation_space, env.action_space, LINEAR, seed)
    found: list[Event] = []
    for index, policy in enumerate(policies):
        found += kept(
            walk(env, seed + index, episodes=1, steps=LONGEST, policy=policy, clock=timer)
        )
        if timer.over(index + 1, len(policies), "scripted policies"):
            break
    return found


def _range(steps: list[Event]) -> list[float] | None:
    """Lowest and highest reward that is a number."""
    rewards = [float(event.reward) for event in steps if np.ndim(event.reward) == 0]
    return [min(rewards), max(rewards)] if rewards else None


def _means(play: Play) -> np.ndarray:
    """[E] mean reward of each complete episode."""
    complete = [e for e in play.episodes() if len(e) > 1 and e[-1].ends]
    return np.array([np.mean([float(event.reward) for event in e[1:]]) for e in complete])


def _returns(play: Play) -> dict[str, Any] | None:
    """How many complete episodes have another return than the usual one."""
    complete = [e for e in play.episodes() if len(e) > 1 and e[-1].ends]
    if not complete:
        return None
    returns = [round(sum(float(event.reward) for event in e[1:]), 6) for e in complete]
    usual, count = Counter(returns).most_common(1)[0]
    return {"episodes": len(returns), "usual": usual, "others": len(returns) - count}


def _observations(events: list[Event], space: spaces.Space) -> dict[str, Any] | None:
    """Per number of an observation: constant, far from unit scale, a small part of its range."""
    if not isinstance(space, spaces.Box) or int(np.prod(space.shape)) > MOST_NUMBERS:
        return None
    rows = [flat(event.observation, space) for event in events]
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
        "unbounded": np.flatnonzero(~np.isfinite(width)).tolist(),
        "largest": float(top.max()),
    }


# --- advice ---------------------------------------------------------------------------------------


def advise(evidence: Evidence, context: Context) -> Outcome:
    """Passed, with what was measured and what it suggests."""
    notes = tuple(evidence["left_out"])
    rewards, returns = evidence["rewards"], evidence["returns"]
    if rewards is None:
        return Outcome(Status.PASSED, "no step was taken", evidence, {}, notes)
    if adapting := context.facts.get("adapting"):
        notes += (f"measured before {' and '.join(adapting)} scales it",)
    notes += (*_about_rewards(rewards), *_about_returns(returns), *_about_jumps(evidence))
    if evidence["observations"]:
        notes += tuple(_about_observations(evidence["observations"]))
    notes += tuple(evidence["leaks"])
    message = (
        f"rewards from {rewards['low']:.4g} to {rewards['high']:.4g} (mean {rewards['mean']:.4g}) in "
        f"{evidence['steps']} steps of random play"
    )
    if evidence["scripted"]:
        low, high = evidence["scripted"]
        message += f", from {low:.4g} to {high:.4g} under constant and random linear policies"
    return Outcome(Status.PASSED, message, evidence, {}, notes)


def _about_jumps(evidence: Evidence) -> list[str]:
    if not evidence["jump"]:
        return []
    place, before, after = evidence["jump"]
    return [
        f"the reward jumps while random play goes on: {before:.4g} a step on average before episode "
        f"{place + 1}, {after:.4g} from there on; it depends on something that outlives episodes"
    ]


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
            "never change in play: leave them out, or find the states that move them",
        ),
        (
            "unbounded",
            f"have no declared bounds; in play the largest number is {seen['largest']:.3g}",
        ),
        ("large", f"exceed {LARGE:g}: normalise observations"),
        ("small", f"stay below {10 * SMALL:g}: normalise observations"),
        (
            "narrow",
            "use less than a tenth of their declared range: simple policies do not explore it",
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
        "Random play, and an episode each of constant and random linear policies. Range of rewards, and "
        "whether they jump as play goes on; how many episodes of random play return anything unusual, "
        "with the Clopper-Pearson interval; numbers of the observation that are constant, unbounded, far "
        "from unit scale or confined to a corner of their range, or that always are a reward. None of it "
        "is a mistake: FrozenLake is sparse. It tells what an agent will need."
    ),
    trial=measure,
    judge=one_trial(advise),
    requires=(INTERFACE.name, "environment/rewards-finite"),
    references=("https://stable-baselines3.readthedocs.io/en/master/guide/rl_tips.html",),
)
