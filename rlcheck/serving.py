"""A guard around a policy in service: falls back when something is not as in training, and counts it.

    act = rlcheck.guard(policy, fallback, observations=training_observations, probabilities=model.probs)
    action = act(observation)
    act.counts            # {"decisions": 1000, "policy": 990, "fallback": 10, "unlike-training": 8, ...}

Reasons to fall back, in the order in which they are looked at:

    observation-unreadable    the observation is no number, array, or mapping or list of them
    observation-not-finite    NaN or infinity in the observation
    unlike-training           further outside the training data than `tolerance` of their width, in some
                              number, or further from their mean (Mahalanobis) than all but `rare` of them
    exception                 the policy, or a function that looks at it, raised
    values-out-of-range       an action value beyond `value_range`, or not finite
    probabilities-invalid     they do not sum to 1, lie outside [0, 1], or are not finite
    undecided                 the most probable action is below `least_probability`
    overconfident             the most probable action is above `most_probability`

Shadow mode: `candidate=` runs a second policy beside the one in use, never executes what it says, and
counts and keeps where the two disagree.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

Policy = Callable[[Any], Any]

KEPT = 1000
MOST_WHITENED = 256
"""Longer observations, such as images, are told apart number by number: no covariance of theirs fits."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for one observation.

    Args:
        number: how many decisions came before.
        action: what was returned.
        used: "policy" or "fallback".
        reason: why the fallback was used, "" if it was not.
        detail: the number or error that shows it.
        shadow: what the candidate would have done, None without one.
        agrees: whether it would have done the same, None without one.
    """

    number: int
    action: Any
    used: str
    reason: str = ""
    detail: str = ""
    shadow: Any = None
    agrees: bool | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What training observations looked like.

    Args:
        low, high: [D] with the tolerated margin.
        mean: [D].
        whitening: [D, D], or [D] for long observations, such that the length of the whitened
            x - mean is the Mahalanobis distance.
        furthest: distance that all but the rarest training observations stay within.
    """

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    whitening: np.ndarray
    furthest: float

    @classmethod
    def of(cls, observations: Any, tolerance: float, rare: float) -> Seen:
        """Summarise N training observations: an array [N, ...], or a list of dictionaries."""
        data = np.array([numbers_of(one) for one in observations])
        if len(data) < 2 or not np.all(np.isfinite(data)):
            raise ValueError(
                f"observations: expected at least two finite training observations [N, ...], "
                f"got {len(data)}"
            )
        low, high = data.min(axis=0), data.max(axis=0)
        margin = tolerance * (high - low) + 1e-9
        mean = data.mean(axis=0)
        whitening = _whitening(data)
        distances = np.linalg.norm(_whitened(data - mean, whitening), axis=1)
        furthest = float(np.quantile(distances, 1.0 - rare)) * (1.0 + tolerance)
        return cls(low - margin, high + margin, mean, whitening, furthest)

    def unlike(self, observation: np.ndarray) -> str:
        """What sets an observation apart from all of training, "" for nothing."""
        if observation.shape != self.mean.shape:
            return f"{observation.size} numbers, in training {self.mean.size}"
        outside = (observation < self.low) | (observation > self.high)
        if outside.any():
            index = int(np.flatnonzero(outside)[0])
            return (
                f"observation[{index}] is {observation[index]:.4g}, in training "
                f"{self.low[index]:.4g} to {self.high[index]:.4g}"
            )
        distance = float(np.linalg.norm(_whitened(observation - self.mean, self.whitening)))
        if distance > self.furthest:
            return (
                f"distance {distance:.3g} from the training data, usual up to {self.furthest:.3g}"
            )
        return ""


def numbers_of(observation: Any) -> np.ndarray:
    """[D] the numbers of an observation, those of a mapping in the order of its names.

    Raises:
        TypeError, ValueError: some part of it is no number.
    """
    if isinstance(observation, Mapping):
        parts = [numbers_of(observation[name]) for name in sorted(observation)]
    elif isinstance(observation, tuple | list) and any(
        isinstance(part, Mapping | tuple | list) or np.ndim(part) for part in observation
    ):
        parts = [numbers_of(part) for part in observation]
    else:
        return np.asarray(observation, dtype=np.float64).ravel()
    return np.concatenate(parts) if parts else np.zeros(0)


def _whitening(data: np.ndarray) -> np.ndarray:
    if data.shape[1] > MOST_WHITENED:
        variance = data.var(axis=0)
        return 1.0 / np.sqrt(variance + 1e-6 * variance.mean() + 1e-18)
    covariance = np.atleast_2d(np.cov(data.T))
    scale = np.trace(covariance) / len(covariance) + 1e-12
    values, vectors = np.linalg.eigh(covariance + 1e-6 * scale * np.eye(len(covariance)))
    return (vectors / np.sqrt(values)).T


def _whitened(differences: np.ndarray, whitening: np.ndarray) -> np.ndarray:
    return differences * whitening if whitening.ndim == 1 else differences @ whitening.T


@dataclass(slots=True)
class Guard:
    """The guarded policy: call it with an observation, get an action. Made by `rlcheck.guard`."""

    policy: Policy
    fallback: Policy
    seen: Seen | None
    values: Callable[[Any], Any] | None
    value_range: tuple[float, float]
    probabilities: Callable[[Any], Any] | None
    least_probability: float
    most_probability: float
    candidate: Policy | None
    same: Callable[[Any, Any], bool]
    log: Callable[[Mapping[str, Any]], None] | None
    counts: Counter[str] = field(default_factory=Counter)
    recent: deque[Decision] = field(default_factory=lambda: deque(maxlen=KEPT))
    disagreements: deque[Decision] = field(default_factory=lambda: deque(maxlen=KEPT))

    def __call__(self, observation: Any) -> Any:
        """The action to execute; the decision is counted, kept and logged."""
        reason, detail, action = self._decide(observation)
        if reason:
            action = self.fallback(observation)
        decision = Decision(
            self.counts["decisions"], action, "fallback" if reason else "policy", reason, detail
        )
        if self.candidate is not None:
            decision = self._shadow(observation, decision)
        self._note(decision)
        return action

    def _decide(self, observation: Any) -> tuple[str, str, Any]:
        """Why to fall back ("" for not), what shows it, and the policy's action."""
        try:
            numbers = numbers_of(observation)
        except (TypeError, ValueError) as error:
            return "observation-unreadable", f"{type(error).__name__}: {error}", None
        if not np.all(np.isfinite(numbers)):
            return "observation-not-finite", str(numbers[~np.isfinite(numbers)][0]), None
        if self.seen is not None and (detail := self.seen.unlike(numbers)):
            return "unlike-training", detail, None
        try:
            reason, detail = self._health(observation)
            return reason, detail, None if reason else self.policy(observation)
        except Exception as error:  # whatever it is, the fallback has to act
            return "exception", f"{type(error).__name__}: {error}", None

    def _health(self, observation: Any) -> tuple[str, str]:
        if self.values is not None:
            values = np.asarray(self.values(observation), dtype=np.float64).ravel()
            low, high = self.value_range
            bad = ~np.isfinite(values) | (values < low) | (values > high)
            if bad.any():
                return "values-out-of-range", f"{values[bad][0]:.4g} outside [{low:g}, {high:g}]"
        if self.probabilities is None:
            return "", ""
        chances = np.asarray(self.probabilities(observation), dtype=np.float64).ravel()
        valid = np.all(np.isfinite(chances)) and chances.min() >= 0.0
        if not (valid and abs(chances.sum() - 1.0) < 1e-3):
            return "probabilities-invalid", f"sum {chances.sum():.4g}, least {chances.min():.4g}"
        top = float(chances.max())
        if top < self.least_probability:
            return "undecided", f"most probable action {top:.3g}"
        if top > self.most_probability:
            return "overconfident", f"most probable action {top:.6g}"
        return "", ""

    def _shadow(self, observation: Any, decision: Decision) -> Decision:
        assert self.candidate is not None
        data = asdict(decision)
        try:
            data["shadow"] = self.candidate(observation)
            data["agrees"] = bool(self.same(decision.action, data["shadow"]))
        except Exception as error:  # a candidate must never disturb what is in service
            self.counts["shadow-exception"] += 1
            data["shadow"], data["agrees"] = f"{type(error).__name__}: {error}", False
        return Decision(**data)

    def _note(self, decision: Decision) -> None:
        self.counts["decisions"] += 1
        self.counts[decision.used] += 1
        if decision.reason:
            self.counts[decision.reason] += 1
        if decision.agrees is not None:
            self.counts["agreements" if decision.agrees else "disagreements"] += 1
            if not decision.agrees:
                self.disagreements.append(decision)
        self.recent.append(decision)
        if self.log is not None:
            self.log(asdict(decision))

    @property
    def fallback_rate(self) -> float:
        """Share of decisions that the fallback made."""
        return self.counts["fallback"] / max(self.counts["decisions"], 1)

    @property
    def disagreement_rate(self) -> float:
        """Share of shadowed decisions in which the candidate would have acted otherwise."""
        shadowed = self.counts["agreements"] + self.counts["disagreements"]
        return self.counts["disagreements"] / max(shadowed, 1)


def guard(
    policy: Policy,
    fallback: Policy,
    *,
    observations: Sequence[Any] | np.ndarray | None = None,
    tolerance: float = 0.1,
    rare: float = 0.001,
    values: Callable[[Any], Any] | None = None,
    value_range: tuple[float, float] = (-np.inf, np.inf),
    probabilities: Callable[[Any], Any] | None = None,
    least_probability: float = 0.0,
    most_probability: float = 1.0,
    candidate: Policy | None = None,
    same: Callable[[Any, Any], bool] | None = None,
    log: Callable[[Mapping[str, Any]], None] | None = None,
) -> Guard:
    """Wrap a policy for deployment; see the module for the reasons to fall back.

    Args:
        policy: observation -> action.
        fallback: observation -> action, something simple that is known to be safe.
        observations: [N, ...] from training, or a list of dictionaries, to tell what is unlike them;
            None does not look.
        tolerance: share of the training range by which a number may lie outside of it.
        rare: share of training observations that may themselves lie too far out.
        values: observation -> action values.
        value_range: what they may be.
        probabilities: observation -> action probabilities.
        least_probability, most_probability: what the largest of them may be.
        candidate: a policy to run in the shadow of the one in use.
        same: whether two actions agree; None compares numbers to within 1e-6.
        log: called with every decision as a dictionary.

    Raises:
        TypeError: `policy` or `fallback` cannot be called.
        ValueError: the range of values is empty, or the training observations are unusable.
    """
    for name, given in (("policy", policy), ("fallback", fallback)):
        if not callable(given):
            raise TypeError(
                f"{name}: expected a function observation -> action, got {type(given).__name__}"
            )
    if not value_range[0] < value_range[1]:
        raise ValueError(f"value_range: expected (low, high) with low < high, got {value_range}")
    return Guard(
        policy,
        fallback,
        None if observations is None else Seen.of(observations, tolerance, rare),
        values,
        value_range,
        probabilities,
        least_probability,
        most_probability,
        candidate,
        same or _close,
        log,
    )


def _close(one: Any, other: Any) -> bool:
    first, second = np.asarray(one), np.asarray(other)
    if first.dtype.kind not in "biuf" or second.dtype.kind not in "biuf":
        return bool(np.array_equal(first, second))
    return first.shape == second.shape and bool(np.allclose(first, second, rtol=0.0, atol=1e-6))
