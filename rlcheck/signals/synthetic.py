"""Made-up logs whose health is known: stationary noise of four kinds, healthy stories, sick ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from rlcheck.signals import vocabulary
from rlcheck.signals.recomputed import PREFIX, recomputed
from rlcheck.signals.series import FloatArray, Log, Series

KINDS = ("gaussian", "heavy-tailed", "autocorrelated", "trending")

_LEVELS: Mapping[str, tuple[float, float]] = {
    "episode_return": (20.0, 400.0),
    "eval_return": (20.0, 400.0),
    "episode_length": (20.0, 400.0),
    "success_rate": (0.3, 0.8),
    "entropy": (0.3, 2.0),
    "approx_kl": (0.003, 0.02),
    "clip_fraction": (0.05, 0.25),
    "policy_loss": (-0.03, -0.005),
    "value_loss": (0.5, 50.0),
    "explained_variance": (0.4, 0.9),
    "value_mean": (5.0, 60.0),
    "value_target_mean": (5.0, 60.0),
    "advantage_logprob_correlation": (0.03, 0.3),
    "q_mean": (5.0, 60.0),
    "q_max": (60.0, 90.0),
    "monte_carlo_return": (5.0, 60.0),
    "target_distance": (0.01, 0.1),
    "replay_diversity": (0.5, 0.9),
    "loss": (0.1, 5.0),
    "grad_norm": (0.2, 5.0),
    "dead_fraction": (0.05, 0.25),
    "throughput": (300.0, 3000.0),
    "kl_to_reference": (0.5, 5.0),
    "response_length": (100.0, 500.0),
    "zero_signal_groups": (0.2, 0.5),
    "sampler_gap": (0.003, 0.02),
    "sampler_ratio": (0.99, 1.01),
    "chosen_logps": (-200.0, -100.0),
    "rejected_logps": (-200.0, -100.0),
    "reward_margin": (0.2, 2.0),
}
"""Where the signals of healthy trainings lie."""

_UP = ("episode_return", "eval_return", "success_rate", "explained_variance", "monte_carlo_return")
_SAME = {"monte_carlo_return": "q_mean", "value_target_mean": "value_mean"}
_DOWN = ("entropy",)
"""Signals whose trend is that of learning; that of all others goes either way."""


def noise(kind: str, count: int, rng: np.random.Generator) -> FloatArray:
    """Stationary noise of unit scale: Gaussian, Student's t with 2 degrees of freedom, or AR(1)."""
    if kind == "heavy-tailed":
        return rng.standard_t(2.0, count)
    drawn = rng.standard_normal(count)
    if kind != "autocorrelated":
        return drawn
    from scipy.signal import lfilter

    memory = rng.uniform(0.8, 0.97)
    return np.asarray(lfilter([np.sqrt(1 - memory**2)], [1.0, -memory], drawn))


def stationary(kind: str, seed: int) -> Log:
    """A log of every signal, each stationary around a healthy level (or with a mild trend)."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    count = int(rng.integers(60, 1500))
    steps = np.arange(1, count + 1) * 1000.0
    signals: dict[str, Series] = {}
    levels: dict[str, float] = {}
    for name, (low, high) in _LEVELS.items():
        level = rng.uniform(low, high)
        if name in _SAME:
            level = levels[_SAME[name]]  # the critic is right
        levels[name] = level
        relative = rng.uniform(0.03, 0.3) * (0.02 if name == "sampler_ratio" else 1.0)
        values = level * (1.0 + relative * noise(kind, count, rng))
        if kind == "trending" and name != "sampler_ratio":
            slope = rng.uniform(0.0, 0.8) * rng.choice([-1.0, 1.0])
            slope = abs(slope) if name in _UP else -abs(slope) if name in _DOWN else slope
            values += level * slope * np.linspace(0.0, 1.0, count)
        known = vocabulary.BY_NAME[name]
        signals[name] = Series(steps, np.clip(values, known.low, known.high))
    added = signals["value_target_mean"].values - signals["value_mean"].values
    errors = (added + np.std(added) * noise(kind, count, rng)) / rng.uniform(2.0, 20.0)
    return Log(signals | {"td_error_mean": Series(steps, errors)})


@dataclass(frozen=True, slots=True)
class Story:
    """A made-up training of which one knows what it is.

    Args:
        name: what happens in it.
        fault: the pathology, "" for a healthy training.
        tell: random stream -> the log.
    """

    name: str
    fault: str
    tell: Callable[[np.random.Generator], Log]


_COUNT = 200
_STEPS = np.arange(1, _COUNT + 1) * 500.0
_T = np.linspace(0.0, 1.0, _COUNT)


def _curve(center: float | FloatArray, rng: np.random.Generator, size: float = 0.08) -> Series:
    """Values around a curve, with noise relative to its size and correlated over a few records."""
    middle = np.broadcast_to(np.asarray(center, dtype=np.float64), (_COUNT,))
    rough = np.convolve(rng.standard_normal(_COUNT + 2), np.ones(3) / 3**0.5, "valid")
    return Series(_STEPS, middle * (1 + size * rough))


def _rise(low: float, high: float, when: float = 0.35, speed: float = 12.0) -> FloatArray:
    return low + (high - low) / (1 + np.exp(-speed * (_T - when)))


def _log(
    rng: np.random.Generator, config: Mapping[str, float] | None = None, **curves: object
) -> Log:
    made = {
        name: curve if isinstance(curve, Series) else _curve(curve, rng)  # type: ignore[arg-type]
        for name, curve in curves.items()
    }
    signals = {name.replace("__", "/"): points for name, points in made.items()}
    return Log(signals, dict(config or {}))


def _learns(rng: np.random.Generator, **other: object) -> Log:
    """PPO that solves its task, with some signals replaced."""
    usual: dict[str, object] = {
        "episode_return": _rise(20, 480),
        "episode_length": _rise(20, 480),
        "entropy": 0.69 * (0.15 + 0.85 * np.exp(-3 * _T)),
        "approx_kl": 0.008,
        "clip_fraction": 0.1,
        "policy_loss": -0.01,
        "value_loss": _rise(5, 100),
        "explained_variance": _rise(0.05, 0.8, 0.2),
        "grad_norm": 0.6,
        "loss": _rise(2, 40),
    }
    return _log(rng, None, **{**usual, **other})


def _stuck(rng: np.random.Generator, **other: object) -> Log:
    """PPO whose return never leaves the level of a random policy, with some signals replaced."""
    flat = {"episode_return": 20.0, "episode_length": 20.0, "value_loss": 30.0, "loss": 15.0}
    return _learns(rng, **{**flat, **other})


def _spiky(rng: np.random.Generator) -> Series:
    kl = _curve(0.008, rng).values.copy()
    kl[: _COUNT // 20] *= rng.uniform(5, 60, _COUNT // 20)
    return Series(_STEPS, kl)


def _constant(value: float) -> Series:
    return Series(_STEPS, np.full(_COUNT, value))


def _misreported(rng: np.random.Generator, metric: str, version: str) -> Log:
    """PPO that learns, where a metric is logged by a formula that is not its own."""
    signals = dict(_learns(rng).signals)
    known: dict[str, list[float]] = {}
    for trust in _rise(0.2, 0.9):
        returns, change = rng.normal(50, 10, 256), rng.normal(-0.01, 0.2, 256)
        values = 50 + trust * (returns - 50) + rng.normal(0, 4, 256)
        raw = {"values": values, "returns": returns, "clip_range": 0.2}
        raw |= {"log_probs": change, "old_log_probs": 0.0 * change}
        for name, value in recomputed(raw).items():
            known.setdefault(name, []).append(value)
    signals |= {name: Series(_STEPS, np.array(values)) for name, values in known.items()}
    (name,) = [name for name in known if name.startswith(f"{PREFIX}{metric}/{version}")]
    return Log(signals | {metric: signals[name]})


def _reports(rng: np.random.Generator, weight: float) -> Log:
    """PPO in a task whose returns have either sign, with mean targets that are a sum of TD errors."""
    errors, values = rng.normal(0.02, 0.1, _COUNT), rng.normal(0.0, 2.0, _COUNT)
    targets = values + weight * errors * rng.uniform(0.7, 1.3, _COUNT)
    signals = {"value_mean": values, "value_target_mean": targets, "td_error_mean": errors}
    known = {name: Series(_STEPS, points) for name, points in signals.items()}
    return _log(rng, None, episode_return=_curve(1.0, rng, 9.0), **known)


def _adds_up(rng: np.random.Generator, weight: float) -> Log:
    """PPO that learns, whose loss is the exact sum of its logged terms."""
    signals = dict(_learns(rng).signals)
    of = {name: signals[name].values for name in ("policy_loss", "value_loss", "entropy")}
    total = of["policy_loss"] + 0.5 * of["value_loss"] + weight * of["entropy"]
    return Log(signals | {"loss": Series(_STEPS, total)})


def _broken_off(points: Series, at: float) -> Series:
    return Series(points.steps, np.where(_T > at, np.nan, points.values))


def _collapse(low: float, high: float, at: float = 0.6) -> FloatArray:
    return np.where(at > _T, _rise(low, high, 0.25, 25.0), low * 1.02)


HEALTHY: tuple[Story, ...] = (
    Story("PPO that learns", "", _learns),
    Story("a converged policy: low entropy, high return", "", lambda rng: _learns(
        rng, entropy=0.69 * np.exp(-9 * _T))),
    Story("a converged policy from the first record on", "", lambda rng: _learns(
        rng, entropy=0.01, episode_return=495.0, episode_length=_constant(500), value_loss=0.5)),
    Story("CartPole at its limit of 500 steps", "", lambda rng: _learns(
        rng,
        episode_return=Series(_STEPS, np.where(_T > 0.6, 500.0, _rise(20, 480))),
        episode_length=Series(_STEPS, np.where(_T > 0.6, 500.0, _rise(20, 480))),
        explained_variance=np.where(_T > 0.6, 0.0, 0.6))),
    Story("large divergences early", "", lambda rng: _learns(rng, approx_kl=_spiky(rng))),
    Story("rewards of 0 and 1 only", "", lambda rng: _learns(
        rng, episode_return=Series(_STEPS, (rng.random(_COUNT) < _rise(0.1, 0.9)).astype(float)))),
    Story("DQN whose values grow to their true level", "", lambda rng: _log(
        rng, q_mean=_rise(0.1, 95, 0.3), q_max=_rise(0.2, 110, 0.3), loss=0.05, value_loss=0.05,
        episode_return=_rise(20, 300, 0.5), episode_length=_rise(20, 300, 0.5))),
    Story("rewards rescaled after they are logged", "", lambda rng: _log(
        rng, q_mean=_rise(1, 9.5e4, 0.3), episode_return=_rise(20, 300, 0.5),
        episode_length=_rise(20, 300, 0.5))),
    Story("episodes of a fixed length", "", lambda rng: _learns(
        rng, episode_return=-_rise(1200, 150), episode_length=_constant(200))),
    Story("a dip that recovers", "", lambda rng: _learns(
        rng, episode_return=_rise(20, 480) * np.where(np.abs(_T - 0.7) < 0.05, 0.2, 1.0))),
    Story("replies that grow with the score", "", lambda rng: _log(
        rng, reward=_rise(0.2, 0.7), response_length=_rise(200, 600), eval_return=_rise(0.2, 0.65),
        kl_to_reference=_rise(0.01, 3.0), zero_signal_groups=0.3, sampler_gap=0.01)),
    Story("GRPO that uses each batch once", "", lambda rng: _log(
        rng, {"n_epochs": 1}, reward=_rise(0.2, 0.7), approx_kl=_constant(0.0),
        clip_fraction=_constant(0.0))),
    Story("DPO with mildly falling chosen rewards", "", lambda rng: _log(
        rng, loss=0.69 - 0.35 * _T, reward_margin=2.0 * _T, chosen_logps=-150 - 20 * _T,
        rejected_logps=-150 - 60 * _T)),
    Story("DQN that slows down once it learns", "", lambda rng: _log(
        rng, throughput=300 + 4000 * np.exp(-40 * _T), episode_return=_rise(20, 300))),
    Story("an explained variance that is recomputed", "",
        lambda rng: _misreported(rng, "explained_variance", "right/")),
    Story("a divergence that is recomputed", "",
        lambda rng: _misreported(rng, "approx_kl", "right/mean(r - 1 - log r)")),
    Story("a clip fraction that is recomputed", "",
        lambda rng: _misreported(rng, "clip_fraction", "right/")),
    Story("a critic that follows its targets", "", lambda rng: _learns(
        rng, value_mean=40 * (1 - np.exp(-6 * _T)), value_target_mean=_curve(40.0, rng))),
    Story("targets that follow their TD errors", "", lambda rng: _reports(rng, 8.0)),
    Story("a loss that pays for entropy", "", lambda rng: _adds_up(rng, -0.01)),
    Story("a held-out score that stays at its maximum", "", lambda rng: _log(
        rng, episode_return=_rise(60, 480, 0.5), eval_return=_rise(100, 500, 0.1, 40.0))),
)  # fmt: skip

SICK: tuple[Story, ...] = (
    Story("explained variance with its arguments swapped", "explained-variance-misreported",
        lambda rng: _misreported(rng, "explained_variance", "wrong/1 - Var(R - V) / Var(V)")),
    Story("a divergence without its logarithm", "kl-misreported",
        lambda rng: _misreported(rng, "approx_kl", "wrong/mean(r - 1)")),
    Story("a clip fraction of one side", "clip-fraction-misreported",
        lambda rng: _misreported(rng, "clip_fraction", "wrong/mean(r > 1 + epsilon)")),
    Story("entropy gone in a tenth of the run, return flat", "entropy-collapse", lambda rng: _stuck(
        rng, entropy=0.69 * np.exp(-40 * _T), episode_return=20 - 10.5 * np.clip(8 * _T, 0, 1))),
    Story("three updates, and certain for good", "entropy-collapse", lambda rng: _log(
        rng, {"n_steps": 125.0, "num_envs": 4.0}, entropy=np.where(_T > 0.01, 0.005, 1.09),
        episode_return=np.where(_T > 0.01, 30.0, 20.0))),
    Story("a negative coefficient, no episode yet", "entropy-collapse", lambda rng: _log(
        rng, {"entropy_coef": -2.0}, entropy=1.09 * np.exp(-2 * _T))),
    Story("a coefficient of 10, no episode yet", "policy-stays-random", lambda rng: _log(
        rng, {"entropy_coef": 10.0, "num_actions": 3.0}, entropy=_curve(1.0985, rng, 1e-5))),
    Story("standard deviation gone, return flat", "entropy-collapse", lambda rng: _stuck(
        rng, entropy=1.4 - 4 * _T, action_std=np.exp(-6 * _T))),
    Story("entropy back at its maximum, return lost", "entropy-explosion", lambda rng: _learns(
        rng, entropy=_curve(0.69 * (1 - 0.6 * np.exp(-(((_T - 0.4) / 0.2) ** 2))), rng, 0.02),
        episode_return=_collapse(20, 400))),
    Story("uniform from first to last", "policy-stays-random", lambda rng: _stuck(
        rng, entropy=_curve(0.6925, rng, 5e-4))),
    Story("divergences of whole nats", "kl-spikes", lambda rng: _stuck(rng, approx_kl=1.5)),
    Story("one huge update that destroys the policy", "kl-spikes", lambda rng: _learns(
        rng, approx_kl=np.where(np.abs(_T - 0.6) < 0.003, 3.0, 0.008),
        episode_return=_collapse(20, 400))),
    Story("a clip range of 10", "clip-never-active", lambda rng: _learns(
        rng, clip_fraction=_constant(0.0), approx_kl=0.12)),
    Story("nearly all samples clipped", "clip-saturated", lambda rng: _stuck(rng, clip_fraction=0.8)),
    Story("a ratio that never leaves 1", "ratio-always-one", lambda rng: _log(
        rng, {"n_epochs": 10}, approx_kl=_constant(0.0), clip_fraction=_constant(0.0),
        episode_return=_rise(20, 200))),
    Story("a policy loss that swings ever wider", "policy-loss-oscillation", lambda rng: _stuck(
        rng, policy_loss=Series(
            _STEPS, (-1.0) ** np.arange(_COUNT) * 0.01 * np.exp(8 * _T)))),
    Story("values that grow without end", "q-value-divergence", lambda rng: _log(
        rng, q_mean=np.exp(18 * _T), episode_return=20.0, episode_length=20.0)),
    Story("a network that says the same everywhere", "action-values-all-equal", lambda rng: _log(
        rng, q_mean=Series(_STEPS, 12 * _T), q_max=Series(_STEPS, 12.001 * _T), episode_return=20.0)),
    Story("values twice the real returns", "overestimation", lambda rng: _log(
        rng, q_mean=_rise(1, 80), monte_carlo_return=_rise(1, 35))),
    Story("a distance that only grows", "target-never-updated", lambda rng: _log(
        rng, target_distance=_curve(0.01 + _T, rng, 1e-3))),
    Story("a distance of 0", "target-is-online", lambda rng: _log(rng, target_distance=_constant(0.0))),
    Story("an explained variance around 0", "critic-explains-nothing", lambda rng: _stuck(
        rng, explained_variance=_curve(-0.01, rng, 2.0))),
    Story("an error of a thousand times the returns", "critic-explains-nothing", lambda rng: _stuck(
        rng, explained_variance=_curve(0.002, rng, 2.0), value_loss=4e8)),
    Story("a critic that stays where it began", "critic-not-trained", lambda rng: _learns(
        rng, value_mean=_curve(0.05, rng, 0.5), value_target_mean=30.0,
        explained_variance=_curve(0.002, rng, 2.0))),
    Story("targets of the other sign", "value-targets-reversed", lambda rng: _log(
        rng, value_mean=50 * _T, value_target_mean=80 + 60 * _T, episode_return=-300.0 - 20 * _T)),
    Story("targets against their TD errors, returns of either sign", "value-targets-reversed",
        lambda rng: _reports(rng, -8.0)),
    Story("targets that go on beyond the end", "terminal-bootstrap", lambda rng: _log(
        rng, value_mean=_rise(5, 60), value_target_mean=_rise(12, 66, 0.33), episode_length=20.0,
        td_error_mean=1.0 - _rise(0.2, 4.0), episode_return=20.0)),
    Story("targets that hold no rewards", "targets-without-rewards", lambda rng: _log(
        rng, value_mean=_curve(0.01, rng, 1.0), value_target_mean=_curve(0.01, rng, 1.0),
        td_error_mean=1.0, episode_return=20.0, episode_length=20.0)),
    Story("every update against the advantages", "policy-against-advantages", lambda rng: _log(
        rng, advantage_logprob_correlation=_curve(-0.1, rng, 1.0), episode_return=_curve(1.0, rng, 9.0))),
    Story("a negative coefficient, and the policy learns all the same", "entropy-punished",
        lambda rng: _log(rng, {"entropy_coef": -3.0}, entropy=_curve(1.79 - 0.03 * _T, rng, 1e-5),
            episode_return=_rise(20, 200))),
    Story("a small entropy term of the wrong sign", "entropy-punished",
        lambda rng: _adds_up(rng, 0.01)),
    Story("a value loss of millions", "value-loss-explosion", lambda rng: _stuck(
        rng, value_loss=5 * np.exp(20 * _T))),
    Story("a buffer of copies", "replay-homogeneous", lambda rng: _log(
        rng, replay_diversity=0.9 * np.exp(-4 * _T), episode_return=20.0)),
    Story("a loss that ends in NaN", "not-finite", lambda rng: _learns(
        rng, loss=_broken_off(_curve(2.0, rng), 0.8), episode_return=_rise(20, 300))),
    Story("gradients of 0", "gradients-zero", lambda rng: _learns(
        rng, grad_norm=Series(_STEPS, np.where(_T > 0.5, 0.0, 0.6)))),
    Story("gradients that explode", "gradients-exploding", lambda rng: _stuck(
        rng, grad_norm=0.5 * np.exp(9 * _T))),
    Story("dead units", "dead-units", lambda rng: _log(
        rng, dead_fraction=_curve(0.1 + 0.8 * _T, rng, 0.01))),
    Story("standing still until the time limit", "episodes-of-one-length", lambda rng: _log(
        rng, episode_length=Series(_STEPS, np.where(_T > 0.5, 1000.0, 100 + 80 * rng.random(_COUNT))),
        episode_return=np.where(_T > 0.5, -250.0, -120.0))),
    Story("a return that falls back", "return-collapsed", lambda rng: _log(
        rng, episode_return=_collapse(20, 400), entropy=0.4)),
    Story("a return that never moves", "return-stuck", lambda rng: Log(
        {"episode_return": Series(4 * _STEPS, _curve(22.0, rng).values)}, {"env_id": "CartPole-v1"})),
    Story("worse all the way", "return-stuck", lambda rng: _log(
        rng, episode_return=_curve(-10 - 30 * _T, rng), entropy=0.9 - 0.2 * _T)),
    Story("a reward of 0 throughout", "return-without-variance", lambda rng: Log(
        {"episode_return": Series(20 * _STEPS, np.zeros(_COUNT))})),
    Story("slower and slower", "throughput-dropping", lambda rng: _log(
        rng, throughput=2000 * np.exp(-5 * _T), episode_return=_rise(20, 300))),
    Story("pickups up, shipped orders down", "reward-hacking", lambda rng: _log(
        rng, episode_return=_rise(50, 100, 0.2) + 100 * _T,
        eval_return=_rise(20, 100, 0.2, 30) - 60 * np.clip(2 * (_T - 0.4), 0, 1))),
    Story("style up, correctness down", "reward-component-takes-over", lambda rng: _log(
        rng, reward=0.4 + 0.6 * _T, reward_component__style=0.1 + 0.9 * _T,
        reward_component__correct=0.4 - 0.3 * _T)),
    Story("longer and better paid, not better", "length-gaming", lambda rng: _log(
        rng, reward=0.2 + 0.5 * _T, response_length=100 + 300 * _T, eval_return=_curve(0.4, rng, 0.03))),
    Story("no group with a difference", "zero-signal-groups", lambda rng: _log(
        rng, zero_signal_groups=_constant(1.0), reward=0.45)),
    Story("wrong replies twice as long", "length-bias", lambda rng: _log(
        rng, wrong_length=200 + 300 * _T, correct_length=200.0, reward=0.4)),
    Story("a sampler with old weights", "sampler-trainer-mismatch", lambda rng: _log(
        rng, sampler_gap=0.02 + 0.4 * _T, reward=0.4)),
    Story("drift without reward", "kl-without-reward", lambda rng: _log(
        rng, kl_to_reference=np.exp(5 * _T), reward=_rise(0.2, 0.6, 0.15, 30))),
    Story("chosen replies become unlikely", "likelihood-displacement", lambda rng: _log(
        rng, chosen_logps=-150 - 120 * _T, rejected_logps=-150 - 250 * _T, loss=0.69 - 0.5 * _T,
        reward_margin=4 * _T)),
    Story("log 2 from first to last", "stuck-at-log-2", lambda rng: _log(
        rng, loss=_curve(0.6931, rng, 2e-4), reward_margin=_curve(1e-3, rng, 1.0))),
)  # fmt: skip
