"""Hyper-parameters under one name each, their usual ranges, and advice where a run leaves them.

The ranges are what the defaults of Stable-Baselines3, CleanRL, RL Zoo and TRL span, with room. They are
advice: outside of them lies also what somebody chose on purpose, so no check fails because of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rlcheck.signals.series import Log


@dataclass(frozen=True, slots=True)
class HyperParameter:
    """One setting of a training, and the range in which almost all published ones lie.

    Args:
        name: in this vocabulary.
        low: smallest usual value.
        high: largest usual value.
        advice: what to expect outside of the range.
        aliases: what frameworks call it.
    """

    name: str
    low: float
    high: float
    advice: str
    aliases: tuple[str, ...]


def _setting(name: str, low: float, high: float, advice: str, aliases: str) -> HyperParameter:
    return HyperParameter(name, low, high, advice, tuple(aliases.split()))


_INF = float("inf")

HYPER_PARAMETERS: tuple[HyperParameter, ...] = (
    _setting("learning_rate", 1e-7, 1e-2,
        "larger steps usually destroy the policy, smaller ones learn "
        "nothing in the usual number of updates", "lr actor_lr policy_lr learning_rate_actor"),
    _setting("gamma", 0.9, 0.9999,
        "the horizon 1/(1 - gamma) should be of the order of an episode's length",
        "discount discount_factor"),
    _setting("gae_lambda", 0.8, 1.0, "less leans on the critic's own errors",
        "lam lambda_ lambda gae_lam"),
    _setting("clip_range", 0.05, 0.4,
        "a larger one clips nothing, a smaller one forbids almost every step",
        "clip_coef clip_epsilon clip_param eps_clip cliprange clip_ratio epsilon_clip clip_eps"),
    _setting("entropy_coef", 0.0, 0.1,
        "a negative one rewards certainty, a large one rewards acting at random",
        "ent_coef entropy_coeff entropy_coefficient ent_weight"),
    _setting("value_coef", 0.01, 10.0, "with none the critic is not trained",
        "vf_coef vf_loss_coeff critic_coef value_loss_coef critic_loss_coeff vf_loss_coef"),
    _setting("batch_size", 8, 1e6, "",
        "minibatch_size mini_batch_size per_device_train_batch_size"),
    _setting("n_epochs", 1, 40,
        "more passes over the same data leave the region where the ratio is valid",
        "update_epochs ppo_epochs num_sgd_iter repeat_per_collect"),
    _setting("n_steps", 1, 1e5, "", "num_steps rollout_length rollout_steps"),
    _setting("num_envs", 1, 1e6, "", "n_envs num_environments"),
    _setting("max_grad_norm", 1e-2, 100.0, "", "grad_clip max_gradient_norm clip_grad_norm"),
    _setting("target_update_interval", 1, 1e5, "",
        "target_network_frequency target_update_freq target_update"),
    _setting("tau", 1e-4, 1.0, "the target network hardly follows", "polyak target_tau"),
    _setting("total_timesteps", 0, _INF, "", "total_steps max_steps steps num_timesteps"),
    _setting("buffer_size", 100, _INF,
        "a replay buffer this small holds hardly more than the last episode",
        "replay_buffer_size buffer_capacity replay_size memory_size"),
    _setting("learning_starts", 0, _INF, "", "warmup_steps start_steps"),
    _setting("num_actions", 2, _INF, "", "n_actions action_dim_discrete actions"),
    _setting("num_generations", 2, 1024, "", "group_size n_samples_per_prompt rollout_n"),
    _setting("temperature", 0.1, 2.0, "", "sampling_temperature"),
    _setting("reward_max", 0, _INF, "", "r_max max_reward"),
)  # fmt: skip

BY_NAME = {setting.name: setting for setting in HYPER_PARAMETERS}
_NAMES = {
    alias: setting.name
    for setting in HYPER_PARAMETERS
    for alias in (setting.name, *setting.aliases)
}
_ENVIRONMENT = ("env_id", "env", "env_name", "environment", "task", "gym_id")


def rewards_certainty(log: Log) -> bool:
    """Whether the entropy is paid for with the wrong sign, beyond what a convention of signs explains."""
    return _stated(log, "entropy_coef") < -BY_NAME["entropy_coef"].high


def lives_on_certainty(log: Log) -> bool:
    """Whether the entropy is paid for with the wrong sign ten times as much as the right one ever is."""
    return _stated(log, "entropy_coef") < -10 * BY_NAME["entropy_coef"].high


def rewards_chance(log: Log) -> bool:
    """Whether the entropy counts ten times as much as is ever usual."""
    return _far_above(log, "entropy_coef")


def leaps(log: Log) -> bool:
    """Whether the learning rate is ten times as large as is ever usual."""
    return _far_above(log, "learning_rate")


def _far_above(log: Log, name: str) -> bool:
    return _stated(log, name) > 10 * BY_NAME[name].high


def _stated(log: Log, name: str) -> float:
    """A setting that the log states as a number, NaN (neither above nor below anything) else."""
    stated = log.config.get(name)
    return float(stated) if isinstance(stated, int | float) else float("nan")


def recognised(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that this vocabulary knows, numbers as floats, and `env_id` if there is one."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        last = str(key).lower().replace(".", "/").rpartition("/")[2]
        name = _NAMES.get(last)
        known = _number(value)
        if name is not None and known is not None and name not in found:
            found[name] = known
        if last in _ENVIRONMENT and isinstance(value, str):
            found.setdefault("env_id", value)
    return found


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def advice(log: Log) -> tuple[str, ...]:
    """One sentence for each setting, or combination of settings, that is unusual."""
    settings = dict(log.config)
    for name in ("learning_rate", "clip_range"):
        if name in log.signals and len(log[name]):
            settings.setdefault(name, float(log[name].values.max()))
    return (*_ranges(settings), *_combinations(settings))


def _ranges(settings: Mapping[str, Any]) -> Iterator[str]:
    for setting in HYPER_PARAMETERS:
        value = settings.get(setting.name)
        if not isinstance(value, int | float) or setting.low <= value <= setting.high:
            continue
        if setting.name == "learning_rate" and value == 0:
            yield "advice: the learning rate is 0: nothing is learned"
            continue
        usual = (
            f"{setting.low:g} to {setting.high:g}"
            if setting.high < _INF
            else f"{setting.low:g} or more"
        )
        because = f"; {setting.advice}" if setting.advice else ""
        yield f"advice: {setting.name} = {value:g} is unusual ({usual} is usual){because}"


def _combinations(settings: Mapping[str, Any]) -> Iterator[str]:
    def known(*names: str) -> list[float] | None:
        values = [settings.get(name) for name in names]
        return values if all(isinstance(value, int | float) for value in values) else None  # type: ignore[return-value]

    if (pair := known("target_update_interval", "total_timesteps")) and pair[0] >= pair[1] > 0:
        yield (
            f"advice: the target network is updated every {pair[0]:g} steps and the run has "
            f"{pair[1]:g}: it never is"
        )
    if (three := known("batch_size", "n_steps", "num_envs")) and three[0] > three[1] * three[2]:
        yield f"advice: a minibatch of {three[0]:g} is larger than a rollout of {three[1] * three[2]:g}"
    if (pair := known("learning_starts", "total_timesteps")) and pair[0] >= pair[1] > 0:
        yield f"advice: learning starts at step {pair[0]:g} and the run has {pair[1]:g}: it never does"
    if (pair := known("buffer_size", "batch_size")) and pair[0] < pair[1]:
        yield f"advice: the replay buffer ({pair[0]:g}) is smaller than a batch ({pair[1]:g})"
