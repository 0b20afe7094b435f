"""TorchRL's and rlax's own functions fulfil the contracts, and so do loops in the style of CleanRL."""

import importlib.util

import pytest
import rl_libraries as libraries
from row_checks import verdict

ONE_CLIP = {"constants": {"c_clip": 1.0}}
SINGLE = {"precision": "float32"}
"""TorchRL's vectorised estimators drop weights below 1e-7, whatever the precision."""
GAMMA = {"constants": {"gamma": libraries.GAMMA}, "dialect": SINGLE}
BOTH = {"constants": {"gamma": libraries.GAMMA, "lam": libraries.LAM}, "dialect": SINGLE}

TORCHRL = [
    ("gae", libraries.torchrl_gae, {}),
    ("gae", libraries.torchrl_vec_gae, BOTH),
    ("gae", libraries.torchrl_td_lambda_advantage, {}),
    ("lambda-returns", libraries.torchrl_td_lambda, {}),
    ("lambda-returns", libraries.torchrl_vec_td_lambda, BOTH),
    ("td-target", libraries.torchrl_td0, {}),
    ("discounted-returns", libraries.torchrl_td1, {}),
    ("discounted-returns", libraries.torchrl_vec_td1, GAMMA),
    ("discounted-returns", libraries.torchrl_reward2go, GAMMA),
    ("vtrace", libraries.torchrl_vtrace, {}),
]
RLAX = [
    ("td-target", libraries.rlax_td_learning, {}),
    ("q-learning-target", libraries.rlax_q_learning, {}),
    ("sarsa-target", libraries.rlax_sarsa, {}),
    ("expected-sarsa-target", libraries.rlax_expected_sarsa, {}),
    ("double-q-target", libraries.rlax_double_q_learning, {}),
    ("lambda-returns", libraries.rlax_lambda_returns, {}),
    ("discounted-returns", libraries.rlax_discounted_returns, {}),
    ("n-step-returns", libraries.rlax_n_step_returns, {}),
    ("gae", libraries.rlax_truncated_gae, {}),
    ("vtrace", libraries.rlax_vtrace, ONE_CLIP),
    ("ppo-loss", libraries.rlax_clipped_surrogate, {}),
    ("entropy", libraries.rlax_entropy, {}),
    ("categorical-log-prob", libraries.rlax_log_prob, {}),
    ("gaussian-log-prob", libraries.rlax_gaussian, {}),
]
SINGLE_FILE = [
    ("gae", libraries.single_file_ppo, {}),
    ("discounted-returns", libraries.single_file_returns, {}),
    ("q-learning-target", libraries.single_file_dqn, {}),
    ("double-q-target", libraries.single_file_double_dqn, {}),
    ("td-target", libraries.single_file_td3, {}),
    ("soft-q-target", libraries.single_file_sac, {}),
]


def subjects(rows, library=""):
    missing = bool(library) and importlib.util.find_spec(library) is None
    marks = [pytest.mark.skipif(missing, reason=f"{library} is not installed")]
    marks += [pytest.mark.slow] if library else []
    return [pytest.param(*row, marks=marks, id=row[1].__name__) for row in rows]


@pytest.mark.parametrize(
    ("contract", "function", "options"),
    [*subjects(SINGLE_FILE), *subjects(TORCHRL, "torchrl"), *subjects(RLAX, "rlax")],
)
def test_functions_of_libraries_pass(contract, function, options):
    failed, named = verdict(contract, function, examples=12, **options)
    assert (failed, named) == ((), "")
