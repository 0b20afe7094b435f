"""Every function of the reference agents that a contract describes fulfils that contract."""

import pytest

import rlcheck
from rlcheck import contracts

LLM = "reference_agents.llm"
TARGETS, RETURNS = "reference_agents.targets", "reference_agents.returns"
LOSSES, DISTRIBUTIONS = "reference_agents.losses", "reference_agents.distributions"
ONE_TRAINING = {"seed_dims": 0}
"""The reference losses can train several seeds at once; a contract is about one."""

FUNCTIONS = {
    f"{RETURNS}:gae": ("gae", {}),
    f"{RETURNS}:discounted_returns": ("discounted-returns", {}),
    f"{RETURNS}:lambda_returns": ("lambda-returns", {}),
    f"{RETURNS}:n_step_returns": ("n-step-returns", {}),
    f"{RETURNS}:vtrace": ("vtrace", {}),
    f"{TARGETS}:td_target": ("td-target", {}),
    f"{TARGETS}:q_learning_target": ("q-learning-target", {}),
    f"{TARGETS}:double_q_target": ("double-q-target", {}),
    f"{TARGETS}:sarsa_target": ("sarsa-target", {}),
    f"{TARGETS}:expected_sarsa_target": ("expected-sarsa-target", {}),
    f"{TARGETS}:soft_q_target": ("soft-q-target", {}),
    f"{TARGETS}:dueling_q": ("dueling-q", {}),
    f"{LOSSES}:policy_gradient_loss": ("policy-gradient-loss", ONE_TRAINING),
    f"{LOSSES}:ppo_loss": ("ppo-loss", ONE_TRAINING),
    f"{LOSSES}:value_loss": ("value-loss", ONE_TRAINING),
    f"{LOSSES}:normalise_advantages": ("advantage-normalisation", ONE_TRAINING),
    f"{DISTRIBUTIONS}:categorical_log_prob": ("categorical-log-prob", {}),
    f"{DISTRIBUTIONS}:categorical_entropy": ("entropy", {}),
    f"{DISTRIBUTIONS}:gaussian_log_prob": ("gaussian-log-prob", {}),
    f"{DISTRIBUTIONS}:tanh_gaussian_log_prob": ("tanh-gaussian-log-prob", {}),
    "reference_agents.dynamic_programming:policy_evaluation": ("policy-evaluation", {}),
    "reference_agents.dynamic_programming:value_iteration": ("value-iteration", {}),
    "reference_agents.dynamic_programming:policy_iteration": ("value-iteration", {}),
    "reference_agents.tabular:q_learning_update": ("tabular-update", {}),
    "reference_agents.tabular:sarsa_update": ("tabular-update", {}),
    "reference_agents.tabular:expected_sarsa_update": ("tabular-update", {}),
    "reference_agents.exploration:epsilon_schedule": ("epsilon-schedule", {}),
    "reference_agents.exploration:exponential_epsilon_schedule": ("epsilon-schedule", {}),
    "reference_agents.exploration:epsilon_greedy": ("epsilon-greedy", {}),
    "reference_agents.exploration:boltzmann": ("boltzmann", {}),
    "reference_agents.exploration:ucb": ("ucb", {}),
    "reference_agents.polyak:polyak_update": ("polyak-update", {}),
    "reference_agents.replay:make_replay_buffer": ("replay-buffer", {}),
    "reference_agents.replay:make_prioritised_replay": ("prioritised-replay", {}),
    f"{LLM}.log_probs:token_log_probs": ("token-log-probs", {}),
    f"{LLM}.log_probs:sequence_log_probs": ("sequence-log-probs", {}),
    f"{LLM}.losses:aggregate": ("aggregate", {}),
    f"{LLM}.losses:grpo_loss": ("grpo-loss", {}),
    f"{LLM}.advantages:group_advantages": ("group-advantages", {}),
    f"{LLM}.kl:kl_estimate": ("kl-estimate", {}),
    f"{LLM}.rewards:rlhf_token_rewards": ("rlhf-token-rewards", {}),
    f"{LLM}.preferences:dpo_loss": ("dpo-loss", {}),
    f"{LLM}.preferences:reward_model_loss": ("reward-model-loss", {}),
}
LONG = {
    "vtrace",
    "double-q-target",
    "sarsa-target",
    "expected-sarsa-target",
    "soft-q-target",
    "advantage-normalisation",
    "discounted-returns",
    "n-step-returns",
    "ppo-loss",
    "value-loss",
    "dueling-q",
    "prioritised-replay",
}
"""Contracts that take seconds, most of which have the reference in their own tests too."""

NOT_FUNCTIONS = {"agent", "environment", "training-log", "preference-trainer", "rl-trainer"}
WITHOUT_REFERENCE = {"potential-shaping", "running-normaliser"}


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(target, marks=[pytest.mark.slow] if contract in LONG else [])
        for target, (contract, _) in FUNCTIONS.items()
    ],
)
def test_reference_functions_pass(target):
    contract, constants = FUNCTIONS[target]
    report = rlcheck.check(target, contract, constants=constants, max_examples=8)
    wrong = [one for one in report.results if one.status not in ("passed", "skipped")]
    assert [f"{one.check}: {one.message}" for one in wrong] == []
    assert report.verdict == "passed"


def test_every_contract_with_a_reference_is_listed():
    listed = {contract for contract, _ in FUNCTIONS.values()}
    assert listed == set(contracts.names()) - NOT_FUNCTIONS - WITHOUT_REFERENCE
