"""Names of frameworks, and advice on hyper-parameters."""

from __future__ import annotations

import pytest

from rlcheck.signals.hyper_parameters import advice, recognised
from rlcheck.signals.series import Log, series
from rlcheck.signals.vocabulary import SIGNALS, match


@pytest.mark.parametrize(
    ("column", "signal", "sign"),
    [
        ("rollout/ep_rew_mean", "episode_return", 1),
        ("train/entropy_loss", "entropy", -1),
        ("losses/entropy", "entropy", 1),
        ("charts/episodic_return", "episode_return", 1),
        ("env_runners/episode_return_mean", "episode_return", 1),
        ("learners/default_policy/entropy", "entropy", 1),
        ("info/learner/default_policy/learner_stats/entropy", "entropy", 1),
        ("actor/pg_clipfrac", "clip_fraction", 1),
        ("objective/kl", "kl_to_reference", 1),
        ("kl", "kl_to_reference", 1),
        ("completions/mean_length", "response_length", 1),
        ("rewards/accuracy_reward/mean", "reward_component/accuracy_reward", 1),
        ("rewards/chosen", None, 1),
        ("rewards/margins", "reward_margin", 1),
        ("frac_reward_zero_std", "zero_signal_groups", 1),
        ("my_agent/approx_kl", "approx_kl", 1),
        ("eval/approx_kl", None, 1),
        ("eval/mean_reward", "eval_return", 1),
        ("test/reward", "eval_return", 1),
        ("eval_return", "eval_return", 1),
        ("colour", None, 1),
    ],
)
def test_names(column, signal, sign):
    found = match(column)
    assert (found and found.signal) == signal
    assert found is None or found.sign == sign


def test_no_two_signals_share_a_name():
    names = [name for signal in SIGNALS for name in (signal.name, *signal.aliases, *signal.negated)]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice
    assert all(signal.low < signal.high and signal.meaning and signal.aliases for signal in SIGNALS)


def test_unusual_settings_are_advice():
    config = recognised(
        {
            "lr": 1.0,
            "ent_coef": -0.1,
            "gamma": 0.99,
            "batch_size": 512,
            "num_steps": 128,
            "num_envs": 1,
        }
    )
    said = advice(Log({}, config))
    assert [line.split(" = ")[0] for line in said[:2]] == [
        "advice: learning_rate",
        "advice: entropy_coef",
    ]
    assert "minibatch of 512 is larger than a rollout of 128" in said[2]
    assert len(said) == 3
    assert not advice(Log({}, recognised({"learning_rate": 3e-4, "gamma": 0.99, "clip_coef": 0.2})))


def test_a_logged_learning_rate_counts():
    said = advice(Log({"learning_rate": series([1, 2], [1.0, 0.5])}))
    assert said[0].startswith("advice: learning_rate = 1 is unusual (1e-07 to 0.01 is usual)")


def test_a_target_that_is_never_updated():
    said = advice(Log({}, recognised({"target_update_interval": 10_000, "total_timesteps": 5000})))
    assert said == (
        "advice: the target network is updated every 10000 steps and the run has 5000: it never is",
    )
