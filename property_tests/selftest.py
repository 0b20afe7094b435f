"""What the function contracts say about implementations whose correctness is known.

Every faulty version of a contract's catalogue is bound and checked as a user's function is, and so
are the correct variants of `correct_variants.py`, `correct_losses.py`,
`correct_policy_variants.py` and `llm_variants.py`.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module

from property_tests import correct_policy_variants, llm_variants, value_variants
from property_tests.correct_variants import VARIANTS
from property_tests.framework.build import completed
from property_tests.framework.records import FunctionContract
from property_tests.framework.trial_run import as_subject, row
from rlcheck.contracts import Options
from rlcheck.selftests import Row


def spec(contract: str) -> FunctionContract:
    """A function contract by name, with its generic properties and faults."""
    module = import_module(f"property_tests.{contract.replace('-', '_')}")
    return completed(module.SPEC)


def rows(contract: FunctionContract, *, size: int = 100, precision: str = "float64") -> list[Row]:
    """One row for each faulty version and each correct variant of a contract.

    Args:
        contract: with its generic properties and faults.
        size: inputs a property.
        precision: dtype of what they are given, and of what faulty versions return.
    """
    options = Options(dialect={"precision": precision})
    found = [
        row(
            contract,
            as_subject(contract, model, fault.takes, precision),
            implementation=f"{fault.name} {number}",
            fault=fault.name,
            size=size,
            options=options,
        )
        for fault in contract.faults
        for number, model in enumerate(fault.models, start=1)
    ]
    every = (
        VARIANTS
        | correct_policy_variants.VARIANTS
        | llm_variants.VARIANTS
        | value_variants.VARIANTS
    )
    variants = {"oracle": contract.oracle, **every.get(contract.name, {})}
    return found + [
        row(contract, function, implementation=name, size=size, options=options)
        for name, function in variants.items()
    ]


def selftest(name: str) -> list[Row]:
    """Rows of one contract, faults and checks with its name in front."""
    contract = spec(name)
    return [
        Row(
            implementation=one.implementation,
            fault=_full(contract, one.fault),
            failed=tuple(_full(contract, check) for check in one.failed),
            named=_full(contract, one.named),
        )
        for one in rows(contract)
    ]


def _full(contract: FunctionContract, name: str) -> str:
    return f"{contract.name}/{name}" if name else ""


# One a contract, for the entry points.
gae = partial(selftest, "gae")
discounted_returns = partial(selftest, "discounted-returns")
lambda_returns = partial(selftest, "lambda-returns")
n_step_returns = partial(selftest, "n-step-returns")
vtrace = partial(selftest, "vtrace")
dueling_q = partial(selftest, "dueling-q")
policy_evaluation = partial(selftest, "policy-evaluation")
value_iteration = partial(selftest, "value-iteration")
tabular_update = partial(selftest, "tabular-update")
td_target = partial(selftest, "td-target")
q_learning_target = partial(selftest, "q-learning-target")
double_q_target = partial(selftest, "double-q-target")
sarsa_target = partial(selftest, "sarsa-target")
expected_sarsa_target = partial(selftest, "expected-sarsa-target")
soft_q_target = partial(selftest, "soft-q-target")
policy_gradient_loss = partial(selftest, "policy-gradient-loss")
ppo_loss = partial(selftest, "ppo-loss")
value_loss = partial(selftest, "value-loss")
categorical_log_prob = partial(selftest, "categorical-log-prob")
entropy = partial(selftest, "entropy")
gaussian_log_prob = partial(selftest, "gaussian-log-prob")
tanh_gaussian_log_prob = partial(selftest, "tanh-gaussian-log-prob")
advantage_normalisation = partial(selftest, "advantage-normalisation")
potential_shaping = partial(selftest, "potential-shaping")
token_log_probs = partial(selftest, "token-log-probs")
sequence_log_probs = partial(selftest, "sequence-log-probs")
aggregate = partial(selftest, "aggregate")
kl_estimate = partial(selftest, "kl-estimate")
rlhf_token_rewards = partial(selftest, "rlhf-token-rewards")
