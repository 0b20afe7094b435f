"""The signals of reinforcement learning under one name each, as data.

Frameworks write the same quantity under different names and sometimes with the other sign. An alias is
a name as the framework logs it, `*` standing for anything; where a log has several, the first counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import NamedTuple

from rlcheck.signals.recomputed import PREFIX as RECOMPUTED

INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class Signal:
    """One quantity that trainings log.

    Args:
        name: in this vocabulary.
        unit: what it is measured in.
        low: smallest possible value.
        high: largest possible value.
        meaning: one sentence.
        aliases: what frameworks call it, surest first.
        negated: aliases under which its negative is logged.
    """

    name: str
    unit: str
    low: float
    high: float
    meaning: str
    aliases: tuple[str, ...]
    negated: tuple[str, ...] = ()


def _signal(
    name: str,
    unit: str,
    low: float,
    high: float,
    meaning: str,
    aliases: str,
    negated: str = "",
) -> Signal:
    return Signal(name, unit, low, high, meaning, tuple(aliases.split()), tuple(negated.split()))


_ANY = (-INFINITY, INFINITY)
_POSITIVE = (0.0, INFINITY)
_SHARE = (0.0, 1.0)

RETURNS = (
    _signal("episode_return", "reward", *_ANY, "Undiscounted return of training episodes.",
        "rollout/ep_rew_mean charts/episodic_return charts/avg_episodic_return episodic_return "
        "env_runners/episode_return_mean env_runners/episode_reward_mean episode_reward_mean "
        "train/reward train/returns_stat/mean returns_stat/mean train/episode_reward "
        "sampler_results/episode_reward_mean ep_rew_mean episode_reward mean_episode_reward "
        "rollout/episode_return train/episode_return train/return monitor/episode_return "
        "collect/returns_stat/mean"),
    _signal("eval_return", "reward", *_ANY,
        "Return, accuracy or score on held-out episodes or prompts, by whatever measure really "
        "counts.",
        "eval/mean_reward eval/episodic_return eval/reward evaluation/episode_return_mean "
        "evaluation/env_runners/episode_return_mean evaluation/episode_reward_mean test/reward "
        "test/returns_stat/mean eval/episode_reward eval/return evaluation/return eval_reward "
        "heldout_return gold_reward gold_score val-core/* val/test_score/* eval/success_rate "
        "eval/accuracy eval_rewards/accuracies"),
    _signal("reward", "reward", *_ANY, "Mean reward of the responses, or steps, of an update.",
        "critic/score/mean critic/rewards/mean objective/scores objective/rlhf_reward "
        "env/reward/total "
        "mean_reward train/mean_reward reward_mean train/reward_mean rewards/mean"),
    _signal("success_rate", "share", *_SHARE, "Share of episodes that reach the goal.",
        "rollout/success_rate is_success success train/success_rate"),
    _signal("episode_length", "steps", *_POSITIVE, "Length of training episodes.",
        "rollout/ep_len_mean charts/episodic_length env_runners/episode_len_mean episode_len_mean "
        "train/length train/lens_stat/mean train/step_count ep_len_mean episode_len "
        "monitor/episode_length mean_episode_length"),
    _signal("monte_carlo_return", "reward", *_ANY,
        "Discounted return really obtained from the states whose value is logged.",
        "mc_return discounted_return q_monte_carlo train/mc_return"),
)  # fmt: skip

POLICY = (
    _signal("entropy", "nats", *_ANY, "Mean entropy of the policy at the visited states.",
        "losses/entropy actor/entropy actor/entropy_loss policy/entropy_avg objective/entropy "
        "train/entropy learners/*/entropy info/learner/*/entropy */learner_stats/entropy "
        "policy_entropy loss/ent update/loss/ent",
        negated="train/entropy_loss"),
    _signal("action_std", "action", *_POSITIVE, "Standard deviation of a Gaussian policy.",
        "train/std policy/std action/std mean_std losses/action_std"),
    _signal("approx_kl", "nats", *_ANY,
        "KL divergence between the policies before and after an update.",
        "train/approx_kl losses/approx_kl actor/ppo_kl policy/approxkl_avg train/kl_approx "
        "kl_approx "
        "learners/*/mean_kl_loss info/learner/*/kl */learner_stats/kl approxkl mean_kl"),
    _signal("clip_fraction", "share", *_SHARE, "Share of samples whose ratio left the clip range.",
        "train/clip_fraction losses/clipfrac actor/pg_clipfrac policy/clipfrac_avg "
        "clip_ratio/region_mean clip_ratio losses/clip_fraction clipfrac"),
    _signal("clip_range", "ratio", *_POSITIVE, "Clip range of the probability ratio.",
        "train/clip_range clip_epsilon cliprange"),
    _signal("ratio_mean", "ratio", *_POSITIVE, "Mean probability ratio between new and old policy.",
        "val/ratio train/ratio losses/ratio ratio policy/ratio importance_ratio_mean"),
    _signal("advantage_logprob_correlation", "correlation", -1.0, 1.0,
        "Correlation of the advantages with what an update did to the log-probabilities of the actions "
        "(clipped to 1 nat).",
        "train/advantage_logprob_correlation"),
    _signal("policy_loss", "loss", *_ANY, "Loss of the policy.",
        "train/policy_gradient_loss train/policy_loss losses/policy_loss actor/pg_loss "
        "loss/policy_avg train/loss_objective learners/*/policy_loss info/learner/*/policy_loss "
        "losses/actor_loss train/actor_loss loss/clip actor_loss pg_loss loss_objective"),
    _signal("temperature", "reward/nat", *_POSITIVE, "Coefficient of the entropy.",
        "train/ent_coef losses/alpha alpha ent_coef entropy_coef train/alpha"),
    _signal("epsilon", "share", *_SHARE, "Share of random actions.",
        "rollout/exploration_rate charts/epsilon exploration_rate train/epsilon"),
)  # fmt: skip

VALUES = (
    _signal("value_loss", "reward^2", *_POSITIVE, "Loss of the critic.",
        "train/value_loss losses/value_loss critic/vf_loss loss/value_avg train/critic_loss "
        "losses/qf_loss losses/td_loss train/loss_critic learners/*/vf_loss info/learner/*/vf_loss "
        "loss/vf critic_loss vf_loss td_loss qf_loss loss_critic losses/qf1_loss"),
    _signal("explained_variance", "share", -INFINITY, 1.0,
        "Share of the variance of the returns that the critic explains: 1 - Var(R - V) / Var(R).",
        "train/explained_variance losses/explained_variance critic/vf_explained_var "
        "learners/*/vf_explained_var info/learner/*/vf_explained_var "
        "*/learner_stats/vf_explained_var "
        "vf_explained_var"),
    _signal("value_mean", "reward", *_ANY, "Mean of what the critic predicts for a batch.",
        "critic/values/mean ppo/val/mean values_mean mean_value mean_values train/value_mean "
        "losses/value_mean vf_preds_mean"),
    _signal("value_target_mean", "reward", *_ANY,
        "Mean of what the critic is to predict for the same batch.",
        "critic/returns/mean ppo/returns/mean returns_mean mean_value_target value_targets_mean "
        "vf_targets_mean"),
    _signal("td_error_mean", "reward", *_ANY,
        "Mean of r + gamma V(s') - V(s) over the same batch, V(s') = 0 after termination.",
        "train/td_error_mean"),
    _signal("q_mean", "reward", *_ANY, "Mean of the learned action values.",
        "losses/q_values losses/qf1_values train/q_mean learners/*/qf_mean */learner_stats/mean_q "
        "mean_q q_values qf1_values q_value train/q_values"),
    _signal("q_max", "reward", *_ANY, "Largest of the learned action values.",
        "*/learner_stats/max_q learners/*/qf_max max_q train/q_max"),
    _signal("target_distance", "share", *_POSITIVE,
        "Distance of the target network's parameters from the online network's, before they are "
        "synchronised.",
        "target_network_distance train/target_distance target_distance_before_sync"),
    _signal("replay_diversity", "share", *_SHARE,
        "Share of distinct transitions, or spread of the observations, among what is replayed.",
        "buffer_diversity unique_transitions replay_unique"),
)  # fmt: skip

OPTIMISER = (
    _signal("loss", "loss", *_ANY, "The whole loss.", "train/loss losses/loss total_loss "
        "learners/*/total_loss info/learner/*/total_loss update/loss losses/total_loss"),
    _signal("grad_norm", "gradient", *_POSITIVE, "Norm of the gradient before clipping.",
        "actor/grad_norm train/grad_norm losses/grad_norm critic/grad_norm "
        "learners/*/gradients*norm* "
        "*/learner_stats/grad_gnorm grad_gnorm gradient_norm optim/grad_norm"),
    _signal("learning_rate", "", *_POSITIVE, "Step size of the optimiser.",
        "train/learning_rate charts/learning_rate actor/lr "
        "learners/*/default_optimizer_learning_rate "
        "*/learner_stats/cur_lr cur_lr lr"),
    _signal("dead_fraction", "share", *_SHARE, "Share of hidden units that are 0 for every input.",
        "dormant_fraction dead_units dead_neurons dormant_ratio train/dormant_ratio"),
    _signal("throughput", "steps/s", *_POSITIVE, "Environment steps, or tokens, a second.",
        "time/fps charts/SPS perf/throughput fps sps time/sps perf/throughput_tokens_per_sec"),
    _signal("updates", "updates", *_POSITIVE, "Passes over the data so far.",
        "train/n_updates n_updates"),
)  # fmt: skip

LANGUAGE = (
    _signal("kl_to_reference", "nats", *_ANY, "KL divergence from the reference model.",
        "objective/kl actor/kl_loss train/kl kl critic/kl objective/kl_ref kl_ref"),
    _signal("response_length", "tokens", *_POSITIVE, "Mean length of the responses.",
        "completions/mean_length completion_length response_length/mean "
        "completions/mean_terminated_length"),
    _signal("correct_length", "tokens", *_POSITIVE, "Mean length of the rewarded responses.",
        "response_length_correct length/correct"),
    _signal("wrong_length", "tokens", *_POSITIVE, "Mean length of the responses without reward.",
        "response_length_wrong length/wrong response_length_incorrect length/incorrect"),
    _signal("truncated_fraction", "share", *_SHARE, "Share of responses cut at the length limit.",
        "completions/clipped_ratio response_length/clip_ratio"),
    _signal("reward_std_in_group", "reward", *_POSITIVE,
        "Mean spread of the rewards within a group.",
        "reward_std critic/score/std group_reward_std"),
    _signal("zero_signal_groups", "share", *_SHARE, "Share of groups whose rewards are all equal.",
        "frac_reward_zero_std zero_std_fraction frac_zero_variance_groups"),
    _signal("sampler_gap", "nats", *_POSITIVE,
        "Mean absolute difference of a token's log-probability between sampler and trainer.",
        "sampling/sampling_logp_difference/mean training/rollout_probs_diff_mean "
        "rollout_train_logp_diff"),
    _signal("sampler_ratio", "ratio", *_POSITIVE,
        "Mean ratio of a token's probability between trainer and sampler.",
        "sampling/importance_sampling_ratio/mean rollout_is_mean"),
    _signal("chosen_logps", "nats", *_ANY, "Mean log-probability of the chosen responses.",
        "logps/chosen"),
    _signal("rejected_logps", "nats", *_ANY, "Mean log-probability of the rejected responses.",
        "logps/rejected"),
    _signal("reward_margin", "nats", *_ANY,
        "Implicit reward of the chosen minus the rejected response.",
        "rewards/margins rewards/margin"),
    _signal("preference_accuracy", "share", *_SHARE, "Share of pairs ranked as the labels say.",
        "rewards/accuracies"),
)  # fmt: skip

SIGNALS: tuple[Signal, ...] = (*RETURNS, *POLICY, *VALUES, *OPTIMISER, *LANGUAGE)
BY_NAME: Mapping[str, Signal] = {signal.name: signal for signal in SIGNALS}

COMPONENT = "reward_component/"
"""Prefix of the parts that a reward is the sum of."""

_COMPONENT_ALIASES = (
    "rewards/*/mean",
    "reward_component/*",
    "reward_components/*",
    "rewards/*_reward",
)
_HELD_OUT = ("eval", "evaluation", "test", "val", "valid", "validation")


class Match(NamedTuple):
    """What a name in a log stands for: a signal, its sign, and how sure that is (0 is surest)."""

    signal: str
    sign: float
    rank: int


@cache
def _exact() -> dict[str, Match]:
    found: dict[str, Match] = {}
    for signal in SIGNALS:
        names = [(signal.name, 1.0), *((alias, 1.0) for alias in signal.aliases)]
        names += [(alias, -1.0) for alias in signal.negated]
        for rank, (name, sign) in enumerate(names):
            found.setdefault(name.lower(), Match(signal.name, sign, rank))
    return found


def match(name: str) -> Match | None:
    """What a column of a log stands for, None if the vocabulary does not know it.

    A name matches as it is, by a pattern, or by its last part (`my_agent/approx_kl`), unless a part
    before it says that it was measured on held-out data.
    """
    if name.startswith(RECOMPUTED):
        return Match(name, 1.0, 0)
    lower = name.strip().lower().replace(" ", "_")
    if lower in _exact():
        return _exact()[lower]
    for pattern in _COMPONENT_ALIASES:
        if fnmatchcase(lower, pattern):
            part = lower.removeprefix(pattern.partition("*")[0]).removesuffix(
                pattern.partition("*")[2]
            )
            return Match(COMPONENT + part, 1.0, 0)
    for signal in SIGNALS:
        for rank, alias in enumerate(signal.aliases):
            if "*" in alias and fnmatchcase(lower, alias.lower()):
                return Match(signal.name, 1.0, rank + 1)
    *before, last = lower.replace(".", "/").split("/")
    if not before or any(part.split("_")[0] in _HELD_OUT for part in before):
        return None
    found = _exact().get(last)
    return found and Match(found.signal, found.sign, 100 + found.rank)
