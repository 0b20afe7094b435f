"""Value iteration: the optimal values of an MDP whose model is known, and a policy that attains them.

    V(s) = max_a (R(s, a) + gamma * sum_t P(t|s, a) V(t)),    pi(s) = argmax_a of the same

by whatever method: sweeps, policy iteration, linear programming. A function that stops at a change
of up to 0.001 a sweep is right, and is compared with the error that this leaves. Of several optimal
actions each is right.

References: Sutton and Barto 2018, eq. 4.10; Puterman 1994, theorem 6.3.1 (stopping).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests import mdp_faults, mdps
from property_tests.framework.build import build
from property_tests.framework.generic import sensitivity
from property_tests.framework.models import Run
from property_tests.framework.records import (
    Array,
    Case,
    Convention,
    Domain,
    FaultyVersion,
    FunctionContract,
    Mismatch,
    Model,
    Outputs,
    Property,
)
from property_tests.mdp_faults import Mdp
from rlcheck.contracts import Options
from rlcheck.functions import arrays
from rlcheck.functions.binding import Facts
from rlcheck.functions.calling import Output

_BOOK = "http://incompleteideas.net/book/the-book-2nd.html"


def oracle(transitions: Array, rewards: Array, gamma: float) -> tuple[Array, Array]:
    """V [S], the largest value that any deterministic policy has, and the first optimal action."""
    expected = mdps.expected_rewards(transitions, rewards)
    policies = mdps.every_policy(*expected.shape)
    values = mdps.policy_values(transitions, expected, policies, gamma).max(axis=0)
    return values, greedy(mdps.action_values(transitions, expected, gamma, values))


def greedy(q_values: Array) -> Array:
    """The first of the best actions, where rounding tells none of them apart."""
    best = q_values.max(axis=1, keepdims=True)
    return np.argmax(q_values >= best - 1e-9 * (1.0 + np.abs(best)), axis=1)


def cases(where: Domain) -> st.SearchStrategy[Case]:
    """Small MDPs."""
    return mdps.mdps(where, policy=False)


def _optimal_actions(facts: Facts) -> Array:
    """Q(s, a) of the optimal policy."""
    transitions, rewards, gamma = mdp_faults.right(SimpleNamespace(**facts))
    values = oracle(facts["transitions"], facts["rewards"], gamma)[0]
    return mdps.action_values(transitions, rewards, gamma, values)


def read(outputs: Outputs, facts: Facts) -> Outputs:
    """(values, policy), whichever comes first; an optimal action as the first of the optimal ones."""
    if facts["first"] == "policy" and len(outputs) > 1:
        outputs = (outputs[1], outputs[0])
    if len(outputs) < 2:
        return outputs
    values, policy = outputs
    q_values = _optimal_actions(facts)
    states, chosen = np.arange(len(policy)), np.nan_to_num(policy, nan=-1.0).astype(int)
    if not ((chosen >= 0) & (chosen < q_values.shape[1])).all():
        return outputs
    # Greedy on values that an iteration left within theta / (1 - gamma) of the optimum.
    slack = mdps.tolerance(facts, float(np.finfo(np.float32).eps))
    good = q_values[states, chosen] >= q_values.max(axis=1) - slack
    return values, np.where(good, greedy(q_values), chosen).astype(float)


def wrap(raw: Any, options: Options) -> Any:
    """The function with a policy `[S, A]` as actions `[S]`, and counts of sweeps left out."""
    target = raw.forward if hasattr(raw, "named_parameters") else raw

    @functools.wraps(target)
    def solved(*args: Any, **kwargs: Any) -> Any:
        returned = raw(*args, **kwargs)
        parts = arrays.elements(returned, ("values", "policy"))
        try:
            axes = [np.ndim(arrays.to_numpy(part)) for part in parts]
        except (ValueError, TypeError, RuntimeError):  # what it is will be told by who reads it
            return returned
        if 1 not in axes:
            return returned
        return tuple(
            part if n == 1 else arrays.to_numpy(part).argmax(axis=-1).astype(float)
            for part, n in zip(parts, axes, strict=True)
            if n in (1, 2)
        )

    return solved


def backup(x: Any, mdp: Mdp, values: Array) -> Array:
    """One sweep of the Bellman optimality operator."""
    transitions, rewards, gamma = mdp
    return mdps.action_values(transitions, rewards, gamma, values).max(axis=1)


def optimality(run: Run, case: Case) -> Mismatch | None:
    """V = max_a (R + gamma P V), with the function's own V on both sides."""
    x, values = SimpleNamespace(**case), run(case)
    expected = backup(x, mdp_faults.right(x), values)
    message = "V should be the largest action value that V itself leads to"
    return run.compare(case, expected, message, got=values)


def beats_every_policy(run: Run, case: Case) -> Mismatch | None:
    """V >= V of every deterministic policy."""
    transitions, rewards, gamma = mdp_faults.right(SimpleNamespace(**case))
    policies = mdps.every_policy(*rewards.shape)
    others = mdps.policy_values(transitions, rewards, policies, gamma).max(axis=0)
    got = run(case)
    message = "a policy is worth more than what is said to be the optimum"
    return run.compare(case, np.maximum(got, others), message, got=got)


def myopic(run: Run, case: Case) -> Mismatch | None:
    """With gamma = 0 V is the largest reward."""
    earned = mdps.expected_rewards(case["transitions"], case["rewards"])
    message = "with gamma = 0 a value is the largest expected reward of an action"
    return run.compare({**case, "gamma": 0.0}, earned.max(axis=1), message)


def bad_action(run: Run, case: Case) -> Mismatch | None:
    """An action that is never worth taking changes nothing."""
    worse = {
        "transitions": np.concatenate([case["transitions"], case["transitions"][:, :1]], axis=1),
        "rewards": np.concatenate([case["rewards"], case["rewards"][:, :1] - 5.0], axis=1),
    }
    message = "one more action, which earns less than the first, changed the values"
    return run.compare({**case, **worse}, run(case), message)


def attained(run: Run, case: Case) -> Mismatch | None:
    """Q*(s, pi(s)) = V*(s)."""
    q_values, policy = _optimal_actions(case), run.outputs(case)[1]
    best = greedy(q_values)
    inside = np.isin(policy, np.arange(q_values.shape[1]))
    chosen = np.where(inside, policy, 0).astype(int)
    got = np.where(inside, q_values[np.arange(len(policy)), chosen], np.nan)
    message = "the value of the policy's action should be the optimal one"
    return run.compare(case, q_values[np.arange(len(best)), best], message, got=got)


def _finish(x: Any, values: Array) -> tuple[Array, Array]:
    """Values with the greedy policy of the MDP as it is."""
    transitions, rewards, gamma = mdp_faults.right(x)
    return values, greedy(mdps.action_values(transitions, rewards, gamma, values))


def _solve(x: Any, mdp: Mdp) -> tuple[Array, Array]:
    """Optimal values and policy by policy iteration."""
    transitions, rewards, gamma = mdp
    policy = rewards.argmax(axis=1)
    for _ in range(20):  # a wrong model need not have a best policy
        try:
            chosen = np.eye(rewards.shape[1])[policy]
            values = mdps.policy_values(transitions, rewards, chosen, gamma)
        except np.linalg.LinAlgError:
            values = np.full(len(rewards), np.nan)
        q_values = mdps.action_values(transitions, rewards, gamma, values)
        better = greedy(q_values)
        if (better == policy).all():
            break
        policy = better
    return values, policy.astype(float)


Step = Callable[[Any, Array, Array, float, Array], Array]
"""(inputs, P, R, gamma, V) -> V after one wrong sweep."""


def _sweeping(step: Step) -> Model:
    @functools.wraps(oracle)
    def model(**inputs: Any) -> tuple[Array, Array]:
        x = SimpleNamespace(**inputs)
        mdp = mdp_faults.right(x)
        values = mdp_faults.repeated(lambda v: step(x, *mdp, v), len(mdp[0]), mdp_faults.converged)
        return _finish(x, values)

    return model


def _with_policy(policy: Callable[[Any, Array, Array, float, Array], Array]) -> Model:
    """Right values with another policy: (inputs, P, R, gamma, V) -> actions [S]."""

    @functools.wraps(oracle)
    def model(**inputs: Any) -> tuple[Array, Array]:
        x = SimpleNamespace(**inputs)
        values = oracle(**inputs)[0]
        return values, policy(x, *mdp_faults.right(x), values).astype(float)

    return model


def _q(p: Array, r: Array, g: float, v: Array) -> Array:
    return mdps.action_values(p, r, g, v)


def _fault(name, models, title, explanation, fix, where="the maximum over actions"):
    return FaultyVersion(
        name, models[0], title, explanation, fix, where, (_BOOK,), variants=tuple(models[1:])
    )


_EXTRACTION = "where the policy is read off the values"
FAULTS = (
    *mdp_faults.shared(oracle, _solve, backup, _finish),
    _fault(
        "mean-for-max",
        (_sweeping(lambda x, p, r, g, v: _q(p, r, g, v).mean(axis=1)),),
        "the mean over actions is taken instead of the maximum",
        "These are the values of the uniform policy.",
        "Take the maximum over actions.",
    ),
    _fault(
        "min-for-max",
        (_sweeping(lambda x, p, r, g, v: _q(p, r, g, v).min(axis=1)),),
        "the smallest action value is taken",
        "The worst policy is found.",
        "Take the maximum over actions.",
    ),
    _fault(
        "maximum-starts-at-zero",
        (_sweeping(lambda x, p, r, g, v: np.maximum(_q(p, r, g, v).max(axis=1), 0.0)),),
        "values never fall below 0",
        "The running maximum starts at 0, or at the old value: where all rewards are costs, every "
        "state is worth 0.",
        "Start the maximum from the first action, or from minus infinity.",
    ),
    _fault(
        "maxima-taken-apart",
        (
            _sweeping(lambda x, p, r, g, v: r.max(axis=1) + g * (p @ v).max(axis=1)),
            _sweeping(lambda x, p, r, g, v: r.mean(axis=1) + g * (p @ v).max(axis=1)),
            _sweeping(
                lambda x, p, r, g, v: (r + g * (p @ v).max(axis=1, keepdims=True)).max(axis=1)
            ),
        ),
        "reward and next value are not those of the same action",
        "Each is maximised by itself: no action earns both.",
        "Take one maximum, of their sum.",
    ),
    _fault(
        "best-next-state",
        (
            _sweeping(
                lambda x, p, r, g, v: (r + g * np.where(p > 0, v, -np.inf).max(axis=2)).max(axis=1)
            ),
            _sweeping(lambda x, p, r, g, v: (r + g * (p * v).max(axis=2)).max(axis=1)),
        ),
        "the best next state is taken instead of the mean over them",
        "Chance is treated as if the agent could choose: values are too high.",
        "Sum over next states, weighted with their probability; maximise over actions only.",
    ),
    _fault(
        "only-the-first-action",
        (
            _sweeping(lambda x, p, r, g, v: _q(p, r, g, v)[:, 0]),
            _sweeping(lambda x, p, r, g, v: _q(p, r, g, v)[:, -1]),
        ),
        "one action only is looked at",
        "A loop that returns early, or overwrites the maximum with the last action's value.",
        "Take the maximum over all actions.",
    ),
    _fault(
        "actions-summed",
        (_sweeping(lambda x, p, r, g, v: np.clip(_q(p, r, g, v).sum(axis=1), -1e6, 1e6)),),
        "action values are summed",
        "No policy takes all actions: values diverge.",
        "Take the maximum over actions.",
    ),
    _fault(
        "policy-ignores-the-future",
        (_with_policy(lambda x, p, r, g, v: r.argmax(axis=1)),),
        "the policy maximises the reward of one step",
        "The values are right, but the policy is read off the rewards alone.",
        "pi(s) = argmax_a (R + gamma * P V).",
        _EXTRACTION,
    ),
    _fault(
        "policy-ignores-rewards",
        (_with_policy(lambda x, p, r, g, v: (p @ v).argmax(axis=1)),),
        "the policy maximises the next value alone",
        "It goes where values are high, whatever the way costs.",
        "pi(s) = argmax_a (R + gamma * P V).",
        _EXTRACTION,
    ),
    _fault(
        "policy-of-the-worst-action",
        (_with_policy(lambda x, p, r, g, v: _q(p, r, g, v).argmin(axis=1)),),
        "the policy takes the worst action",
        "argmin stands for argmax, or a sign is lost.",
        "Take argmax.",
        _EXTRACTION,
    ),
    _fault(
        "policy-not-filled",
        (
            _with_policy(lambda x, p, r, g, v: np.zeros(len(r))),
            _with_policy(lambda x, p, r, g, v: np.full(len(r), r.shape[1] - 1)),
        ),
        "the policy is the same action everywhere",
        "It is returned as it was initialised, or the last action overwrites the best one.",
        "Store argmax_a of each state.",
        _EXTRACTION,
    ),
)

PROPERTIES = (
    Property(
        "bellman-optimality",
        "V = max_a (R + gamma P V).",
        "The equation that defines V, with the function's own V on both sides: needs no oracle.",
        optimality,
    ),
    Property(
        "no-policy-is-worth-more",
        "No deterministic policy is worth more than V in any state.",
        "All of them are evaluated exactly.",
        beats_every_policy,
    ),
    Property(
        "gamma-zero-is-the-largest-reward",
        "With gamma = 0 a value is the largest expected reward.",
        "Shows mistakes in rewards and maximum apart from those in what follows.",
        myopic,
        varies=("gamma",),
    ),
    Property(
        "bad-actions-do-not-count",
        "One more action that is never worth taking changes nothing.",
        "A mean or a sum over actions lets it in.",
        bad_action,
    ),
    *mdps.properties(),
    sensitivity("gamma", 0.9, 0.5, "A discount without effect solves another task."),
    Property(
        "policy-attains-the-values",
        "The action of the policy has the optimal value in every state.",
        "Q*(s, pi(s)) = V*(s); of equally good actions each will do.",
        attained,
        needs={"output policy": "it returns values only"},
    ),
)

SPEC = FunctionContract(
    name="value-iteration",
    title="Value iteration",
    explanation=__doc__ or "",
    parameters=(mdps.TRANSITIONS, mdps.REWARDS, mdps.GAMMA, *mdps.OPTIONAL),
    outputs=(Output("values", "S"), Output("policy", "S")),
    oracle=oracle,
    domain=mdps.mdp_domain(),
    cases=cases,
    properties=PROPERTIES,
    faults=FAULTS,
    conventions=(
        *mdps.CONVENTIONS,
        Convention("first", ("values", "policy"), "which of the two is returned first"),
    ),
    read=read,
    layouts=mdps.LAYOUTS,
    tolerance=mdps.tolerance,
    words=("value_iteration", "policy_iteration", "solve_mdp"),
    wrap=wrap,
)
CONTRACT = build(SPEC)
