"""Policy evaluation: the values of a policy in an MDP whose model is known.

    V(s) = sum_a pi(a|s) * (R(s, a) + gamma * sum_t P(t|s, a) V(t))

by a linear solve, or by sweeps that stop once the values hardly change: a function that stops at a
change of up to 0.001 a sweep is right, and is compared with the error that this leaves.

References: Sutton and Barto 2018, eqs. 4.3 to 4.5.
"""

from __future__ import annotations

import functools
from dataclasses import replace
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
    Domain,
    FaultyVersion,
    FunctionContract,
    Mismatch,
    Model,
    Property,
)
from property_tests.mdp_faults import Mdp
from property_tests.mdps import expected_rewards
from rlcheck.functions.calling import Output


def oracle(transitions: Array, rewards: Array, policy: Array, gamma: float) -> Array:
    """V [S] as the solution of its own equations, one a state."""
    size, actions = policy.shape
    equations, right_side = np.eye(size), np.zeros(size)
    for s in range(size):
        for a in range(actions):
            for t in range(size):
                weight = policy[s, a] * transitions[s, a, t]
                equations[s, t] -= gamma * weight
                right_side[s] += weight * rewards[s, a, t]
    return np.linalg.solve(equations, right_side)


def cases(where: Domain) -> st.SearchStrategy[Case]:
    """Small MDPs with a policy, often deterministic."""
    return mdps.mdps(where, policy=True)


def backup(x: Any, mdp: Mdp, values: Array) -> Array:
    """One sweep of the Bellman expectation operator."""
    transitions, rewards, gamma = mdp
    return np.sum(x.policy * mdps.action_values(transitions, rewards, gamma, values), axis=1)


def _solve(x: Any, mdp: Mdp) -> Array:
    transitions, rewards, gamma = mdp
    try:
        return mdps.policy_values(transitions, rewards, x.policy, gamma)
    except np.linalg.LinAlgError:  # a wrong model may have no values at all
        return np.full(len(rewards), np.nan)


def expectation_consistency(run: Run, case: Case) -> Mismatch | None:
    """V = R_pi + gamma * P_pi V, with the function's own V on both sides."""
    x, values = SimpleNamespace(**case), run(case)
    expected = backup(x, mdp_faults.right(x), values)
    message = "V should be the mean over the policy of reward and discounted next value"
    return run.compare(case, expected, message, got=values)


def myopic(run: Run, case: Case) -> Mismatch | None:
    """With gamma = 0 V is the expected reward of one step."""
    earned = expected_rewards(case["transitions"], case["rewards"])
    expected = np.sum(case["policy"] * earned, axis=1)
    message = "with gamma = 0 a value is the expected reward of the policy's action"
    return run.compare({**case, "gamma": 0.0}, expected, message)


def better_is_better(run: Run, case: Case) -> Mismatch | None:
    """Acting greedily on V of a policy is worth at least as much, in every state."""
    values, x = run(case), SimpleNamespace(**case)
    transitions, rewards, gamma = mdp_faults.right(x)
    q_values = mdps.action_values(transitions, rewards, gamma, values)
    greedy = np.eye(rewards.shape[1])[q_values.argmax(axis=1)]
    improved = {**case, "policy": greedy}
    got = run(improved)
    message = "the greedy policy on V should be worth at least V in every state"
    return run.compare(improved, np.maximum(got, values), message, got=got)


def _reweighted(wrong: Any) -> Model:
    """V of other weights on transitions and rewards: inputs -> (P_pi [S, S], R_pi [S])."""

    @functools.wraps(oracle)
    def model(**inputs: Any) -> Array:
        x = SimpleNamespace(**inputs)
        moves, earned = wrong(x, *mdp_faults.right(x)[:2])
        try:
            return np.linalg.solve(np.eye(len(moves)) - x.gamma * moves, earned)
        except np.linalg.LinAlgError:  # a wrong model may have no values at all
            return np.full(len(moves), np.nan)

    return model


def _moves(policy: Array, transitions: Array) -> Array:
    return np.einsum("sa,sat->st", policy, transitions)


def _uniform(policy: Array) -> Array:
    return np.full_like(policy, 1.0 / policy.shape[1])


def _mode(policy: Array) -> Array:
    return np.eye(policy.shape[1])[policy.argmax(axis=1)]


def _under(other: Any) -> Any:
    """Another policy in the place of the given one."""
    return lambda x, p, r: (_moves(other(x.policy), p), np.sum(other(x.policy) * r, axis=1))


def _greedy(**inputs: Any) -> Array:
    """The best action in the place of the policy's mean."""
    x = SimpleNamespace(**inputs)
    mdp = mdp_faults.right(x)

    def best(values: Array) -> Array:
        return mdps.action_values(*mdp, values).max(axis=1)

    return mdp_faults.repeated(best, len(mdp[0]), mdp_faults.converged)


def _fault(name, models, title, explanation, fix) -> FaultyVersion:
    return FaultyVersion(
        name,
        models[0],
        title,
        explanation,
        fix,
        "the sum over actions",
        ("http://incompleteideas.net/book/the-book-2nd.html",),
        variants=tuple(models[1:]),
    )


def _read_backwards(fault: FaultyVersion) -> FaultyVersion:
    """With the chain under the policy transposed, beside the transitions of every action."""
    if fault.name != "transitions-transposed":
        return fault
    chain = _reweighted(lambda x, p, r: (_moves(x.policy, p).T, np.sum(x.policy * r, axis=1)))
    return replace(fault, variants=(*fault.variants, chain))


_SAME_UNDER_A_POLICY = ("transitions-of-one-action", "reward-of-one-action")
FAULTS = (
    *(
        _read_backwards(fault)
        for fault in mdp_faults.shared(oracle, _solve, backup, lambda x, values: values)
        if fault.name not in _SAME_UNDER_A_POLICY
    ),
    _fault(
        "best-action-for-policy",
        (functools.wraps(oracle)(_greedy),),
        "the best action is taken instead of the policy's",
        "max over actions stands for the mean under the policy: values of the optimal policy, "
        "whatever policy is given.",
        "Weigh the actions with the policy.",
    ),
    _fault(
        "policy-ignored",
        (
            _reweighted(_under(_uniform)),
            _reweighted(_under(lambda pi: np.eye(pi.shape[1])[0 * pi.argmax(axis=1)])),
        ),
        "the policy has no effect",
        "All actions count alike, or only the first one does.",
        "Weigh the actions with the policy.",
    ),
    _fault(
        "policy-as-deterministic",
        (_reweighted(_under(_mode)),),
        "only the policy's most likely action counts",
        "A stochastic policy is treated as its mode.",
        "Weigh the actions with the policy.",
    ),
    _fault(
        "rewards-not-under-policy",
        (
            _reweighted(lambda x, p, r: (_moves(x.policy, p), r.mean(axis=1))),
            _reweighted(lambda x, p, r: (_moves(x.policy, p), r.sum(axis=1))),
            _reweighted(lambda x, p, r: (_moves(x.policy, p), r.max(axis=1))),
            _reweighted(lambda x, p, r: (_moves(x.policy, p), r[:, 0])),
        ),
        "rewards are not weighted with the policy",
        "Next states are those of the policy, rewards are summed or averaged over all actions.",
        "Weigh reward and next value with the same policy.",
    ),
    _fault(
        "transitions-not-under-policy",
        (
            _reweighted(lambda x, p, r: (p.mean(axis=1), np.sum(x.policy * r, axis=1))),
            _reweighted(lambda x, p, r: (p[:, 0], np.sum(x.policy * r, axis=1))),
        ),
        "next states are not weighted with the policy",
        "Rewards are those of the policy, next states those of all actions.",
        "Weigh reward and next value with the same policy.",
    ),
    _fault(
        "policy-of-another-state",
        (
            _reweighted(_under(lambda pi: pi[::-1])),
            _reweighted(_under(lambda pi: np.roll(pi, 1, axis=0))),
            _reweighted(_under(lambda pi: np.roll(pi, -1, axis=0))),
            _reweighted(_under(lambda pi: np.broadcast_to(pi[:1], pi.shape))),
        ),
        "the policy of another state is used",
        "The policy is indexed with another state than transitions and rewards.",
        "Index all three with the same state.",
    ),
    _fault(
        "divided-by-actions",
        (
            _reweighted(
                lambda x, p, r: (
                    _moves(x.policy, p) / r.shape[1],
                    np.sum(x.policy * r, axis=1) / r.shape[1],
                )
            ),
        ),
        "the mean over actions is divided by their number once more",
        "`mean` over what is weighted already: values shrink with the number of actions.",
        "Sum what is weighted with the policy.",
    ),
)

PROPERTIES = (
    Property(
        "bellman-expectation",
        "V = R_pi + gamma * P_pi V: V is the mean of its own action values under the policy.",
        "The equation that defines V, with the function's own V on both sides: needs no oracle.",
        expectation_consistency,
    ),
    Property(
        "gamma-zero-is-the-expected-reward",
        "With gamma = 0 a value is the expected reward of one step.",
        "Shows mistakes in rewards and policy apart from those in what follows.",
        myopic,
        varies=("gamma",),
    ),
    Property(
        "greedy-policy-is-no-worse",
        "The greedy policy on V is worth at least V in every state.",
        "The policy improvement theorem: where it fails, V is not the value of that policy.",
        better_is_better,
        references=("http://incompleteideas.net/book/the-book-2nd.html",),
    ),
    *mdps.properties(),
    sensitivity("gamma", 0.9, 0.5, "A discount without effect solves another task."),
)

SPEC = FunctionContract(
    name="policy-evaluation",
    title="Policy evaluation",
    explanation=__doc__ or "",
    parameters=(mdps.TRANSITIONS, mdps.REWARDS, mdps.POLICY, mdps.GAMMA, *mdps.OPTIONAL),
    outputs=(Output("values", "S"),),
    oracle=oracle,
    domain=mdps.mdp_domain("policy"),
    cases=cases,
    properties=PROPERTIES,
    faults=FAULTS,
    conventions=mdps.CONVENTIONS,
    layouts=mdps.LAYOUTS,
    tolerance=mdps.tolerance,
    words=("policy_evaluation", "evaluate_policy_values", "policy_eval", "iterative_policy"),
)
CONTRACT = build(SPEC)
