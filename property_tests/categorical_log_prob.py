"""Log-probability of the actions taken under a categorical policy softmax(logits).

    log pi(a|s) = logit_a - log sum_b exp(logit_b),   over permitted b where there is a mask
    d log pi(a|s) / d logit_b = [b = a] - pi(b|s)

Faulty versions stand in `categorical_log_prob_faults.py`.

References: Sutton and Barto 2018, eq. 13.2; masks: Huang and Ontanon 2022,
arXiv:2006.14171.
"""

from __future__ import annotations

import numpy as np

from property_tests import categorical_policies as policies
from property_tests import policy_rows
from property_tests.categorical_log_prob_faults import faults
from property_tests.framework.models import Run
from property_tests.framework.records import (
    Array,
    Case,
    FunctionContract,
    Mismatch,
    Property,
)
from property_tests.framework.row_gradients import (
    build_rows,
    gradient_agreement,
    gradient_outputs,
    graph_cut,
)


def oracle(logits: Array, actions: Array, mask: Array, guard: float = 0.0) -> tuple[Array, Array]:
    """The logarithm, and its gradient with respect to the logits, state by state."""
    log_probs, gradient = np.zeros(len(logits)), np.zeros_like(logits)
    for i in range(len(logits)):
        largest = max(logits[i][mask[i]])
        weights = np.where(mask[i], np.exp(logits[i] - largest), 0.0)
        probabilities = weights / weights.sum()
        chosen = probabilities[actions[i]]
        kept = logits[i, actions[i]] if mask[i, actions[i]] else -np.inf
        exact = kept - largest - np.log(weights.sum())
        log_probs[i] = np.log(chosen + guard) if guard else exact
        for b in range(logits.shape[1]):
            one_hot = float(b == actions[i])
            gradient[i, b] = chosen / max(chosen + guard, 1e-300) * (one_hot - probabilities[b])
    return log_probs, gradient


def normalised(run: Run, case: Case) -> Mismatch | None:
    """The probabilities of all permitted actions of a state add up to 1."""
    total = np.zeros(len(case["logits"]))
    permitted = case["mask"].sum(axis=1)
    for action in range(case["logits"].shape[1]):
        # Where an action is forbidden a permitted one stands in, and does not count.
        usable = case["mask"][:, action]
        asked = {**case, "actions": np.where(usable, action, case["actions"])}
        total += np.where(usable, np.exp(run(asked)), 0.0)
    guard = run.fitted.conventions["guard"]
    message = "the probabilities of all actions should add up to 1"
    return run.compare(case, 1.0 + guard * permitted, message, got=total)


def forbidden(run: Run, case: Case) -> Mismatch | None:
    """A forbidden action has no probability."""
    if case["mask"].all():
        return None
    asked = {
        **case,
        "actions": np.where(case["mask"].all(1), case["actions"], case["mask"].argmin(1)),
    }
    got = np.exp(run(asked))
    message = "a forbidden action should have no probability"
    guard = run.fitted.conventions["guard"]
    where = ~case["mask"].all(axis=1)
    return run.compare(asked, np.full(len(got), guard), message, got=got, where=where)


PROPERTIES = (
    Property(
        "probabilities-add-up-to-one",
        "The probabilities of all permitted actions of a state add up to 1.",
        "Unnormalised scores, a softmax over another axis or a mask that is left out of the "
        "normaliser break it, and ratios of new to old policy lose their meaning.",
        normalised,
    ),
    policies.shift_invariance(),
    policies.large_logits_are_finite(),
    Property(
        "forbidden-actions-have-no-probability",
        "A masked action has no probability.",
        "A mask that is used when acting and not when learning gives probability to what can never "
        "be done, and a ratio that is not 1 on the first minibatch.",
        forbidden,
        needs={"mask": policies.NO_MASK, "logits": policies.NO_LOGITS},
        references=("https://arxiv.org/abs/2006.14171",),
    ),
    policy_rows.row_independence(),
    gradient_agreement(
        "logits",
        "The gradient of a state's log-probability is onehot(a) - softmax(logits).",
        "The policy gradient is made of it: a graph that is cut, or a gradient that leaves out the "
        "normaliser, moves the policy somewhere else or not at all.",
    ),
)

SPEC = FunctionContract(
    name="categorical-log-prob",
    title="Log-probability of discrete actions",
    explanation=__doc__ or "",
    parameters=policies.PARAMETERS,
    outputs=gradient_outputs("log_probs", "BA", ("logits",)),
    oracle=oracle,
    domain=policies.domain(actions=True),
    cases=policies.cases,
    properties=PROPERTIES,
    faults=faults(graph_cut(oracle)),
    conventions=(policies.GUARD,),
    layouts=policy_rows.LAYOUTS,
    batch_decides=True,
    tolerance=policies.tolerance,
    words=("categorical_log_prob", "discrete_log_prob", "action_log_prob", "gather_log_prob"),
)
CONTRACT = build_rows(SPEC, ("logits",))
