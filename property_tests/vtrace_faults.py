"""Wrong versions of V-trace: the ratios, where they are clipped, and where they are applied.

All are small departures from one pair of recursions,

    v_t = V(s_t) + delta_t + gamma * c_t * carry_t * (v_{t+1} - V(s_{t+1}))
    A_t = rho_t * (r_t + gamma * v_{t+1} - V(s_t))

with rho_t = min(rho_clip, ratio_t), c_t = min(c_clip, ratio_t) and delta_t = rho_t * (r_t + gamma *
bootstrap_t - V(s_t)).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from property_tests import rollout_faults
from property_tests.framework.records import Array, FaultyVersion, Model

_PAPER = "https://arxiv.org/abs/1802.01561"
_SWAPPED = "https://github.com/ray-project/ray/issues/4338"
_RATIO = "the lines that make the importance weights"
_TRACE = "the backward loop"
_ADVANTAGE = "the line of the advantages, after the loop"


def _parts(x: Any) -> dict[str, Any]:
    """What the definition is made of."""
    ratio = np.exp(x.log_probs - x.old_log_probs)
    rho = np.minimum(ratio, x.rho_clip)
    bootstrap = x.next_values * ~x.terminated
    return {
        "rho": rho,
        "c": np.minimum(ratio, x.c_clip),
        "delta": rho * (x.rewards + x.gamma * bootstrap - x.values),
        "factor": x.gamma,
        "seed": np.zeros_like(bootstrap[-1]),
        "weight": rho,
    }


def _solved(x: Any, parts: dict[str, Any]) -> tuple[Array, Array]:
    """Targets and advantages from deltas, traces and the weights of the advantages."""
    carry = ~(x.terminated | x.truncated)
    excess, following = np.zeros_like(x.rewards), parts["seed"]
    for t in reversed(range(len(excess))):
        traced = parts["factor"] * parts["c"][t] * carry[t] * following
        excess[t] = following = parts["delta"][t] + traced
    targets = x.values + excess
    reached = following_targets(x, targets)
    return targets, parts["weight"] * (x.rewards + x.gamma * reached - x.values)


def following_targets(x: Any, targets: Array) -> Array:
    """v_{t+1}, or what stands for it where the trajectory ends at t."""
    cuts = x.terminated | x.truncated
    cuts[-1] = True
    after = np.concatenate([targets[1:], targets[-1:]])
    return np.where(cuts, x.next_values * ~x.terminated, after)


def _model(oracle: Model, change: Callable[[Any, dict[str, Any]], dict[str, Any]]) -> Model:
    """The definition with some of its parts replaced."""

    @functools.wraps(oracle)
    def model(**inputs: Any) -> Any:
        x = SimpleNamespace(**inputs)
        parts = _parts(x)
        return _solved(x, parts | change(x, parts))

    return model


def _with_ratio(oracle: Model, ratio: Callable[[Any], Array]) -> Model:
    """The definition with another ratio."""
    return rollout_faults.changed(
        oracle,
        lambda x: {"log_probs": np.log(ratio(x)), "old_log_probs": np.zeros_like(x.log_probs)},
    )


def _with_weights(oracle: Model, weights: Callable[[Any, Array], tuple[Array, Array]]) -> Model:
    """The definition with another rho and c made of the ratio."""

    def change(x: Any, parts: dict[str, Any]) -> dict[str, Any]:
        rho, c = weights(x, np.exp(x.log_probs - x.old_log_probs))
        bootstrap = x.next_values * ~x.terminated
        delta = rho * (x.rewards + x.gamma * bootstrap - x.values)
        return {"rho": rho, "c": c, "delta": delta, "weight": rho}

    return _model(oracle, change)


def _with_outputs(oracle: Model, change: Callable[[Any, Array, Array], Any]) -> Model:
    """The definition's targets and advantages, changed."""

    @functools.wraps(oracle)
    def model(**inputs: Any) -> Any:
        return change(SimpleNamespace(**inputs), *oracle(**inputs))

    return model


def _rho(x: Any) -> Array:
    return np.minimum(np.exp(x.log_probs - x.old_log_probs), x.rho_clip)


def _td(x: Any) -> Array:
    return x.rewards + x.gamma * x.next_values * ~x.terminated - x.values


def _reward_weighted(x: Any, parts: dict[str, Any]) -> dict[str, Any]:
    bootstrap = x.next_values * ~x.terminated
    return {"delta": parts["rho"] * x.rewards + x.gamma * bootstrap - x.values}


def _over_resets(x: Any, targets: Array, advantages: Array) -> tuple[Array, Array]:
    """Advantages with v of the next row, whatever episode it belongs to."""
    after = np.concatenate([targets[1:], x.next_values[-1:]])
    return targets, _rho(x) * (x.rewards + x.gamma * after * ~x.terminated - x.values)


def _through_ends(x: Any, targets: Array, advantages: Array) -> tuple[Array, Array]:
    """Advantages that are masked nowhere."""
    after = np.concatenate([targets[1:], x.next_values[-1:]])
    return targets, _rho(x) * (x.rewards + x.gamma * after - x.values)


def _no_value_taken_off(x: Any, parts: dict[str, Any]) -> dict[str, Any]:
    """v_{t+1} itself is traced: the excess over V(s_{t+1}) is not taken."""
    carry = ~(x.terminated | x.truncated)
    carry[-1] = False
    traced = x.gamma * parts["c"] * carry * x.next_values
    return {"delta": parts["delta"] + traced}


def _entry(name, models, title, explanation, fix, where, *references) -> FaultyVersion:
    return FaultyVersion(
        name,
        models[0],
        title,
        explanation,
        fix,
        where,
        references or (_PAPER,),
        variants=tuple(models[1:]),
    )


def _of_ratios(o: Model) -> tuple[FaultyVersion, ...]:
    """Mistakes in the importance weights."""
    return (
        _entry(
            "ratio-inverted",
            (_with_ratio(o, lambda x: np.exp(x.old_log_probs - x.log_probs)),),
            "the importance ratio is upside down",
            "mu / pi stands for pi / mu: actions that the learnt policy has given up count most.",
            "Use exp(log_probs - old_log_probs).",
            "the call site, where behaviour and target log-probabilities are passed side by side",
            _SWAPPED,
        ),
        _entry(
            "ratio-missing",
            (_with_ratio(o, lambda x: np.ones_like(x.log_probs)),),
            "the importance ratio has no effect",
            "Off-policy data is treated as on-policy: targets of the policy that acted.",
            "Weigh TD errors with the ratio of the two policies.",
            _RATIO,
            _PAPER,
        ),
        _entry(
            "log-ratio-as-ratio",
            (
                _with_weights(
                    o,
                    lambda x, ratio: (
                        np.minimum(np.log(ratio), x.rho_clip),
                        np.minimum(np.log(ratio), x.c_clip),
                    ),
                ),
                _with_ratio(o, lambda x: np.exp(np.exp(x.log_probs - x.old_log_probs))),
                _with_weights(
                    o,
                    lambda x, ratio: (
                        np.exp(np.minimum(np.log(ratio), x.rho_clip)),
                        np.exp(np.minimum(np.log(ratio), x.c_clip)),
                    ),
                ),
            ),
            "ratio and log-ratio are confused",
            "A difference of log-probabilities is used without exp, with exp twice, or is clipped "
            "before exp by a bound that is meant for the ratio.",
            "Clip exp(log_probs - old_log_probs).",
            _RATIO,
            _PAPER,
        ),
        _entry(
            "probabilities-as-log-probabilities",
            (_with_ratio(o, lambda x: x.log_probs / x.old_log_probs),),
            "log-probabilities are divided as if they were probabilities",
            "The quotient of two logarithms is no ratio of probabilities.",
            "Use exp(log_probs - old_log_probs).",
            _RATIO,
            _PAPER,
        ),
        _entry(
            "rho-not-clipped",
            (_with_weights(o, lambda x, ratio: (ratio, np.minimum(ratio, x.c_clip))),),
            "the weight of TD errors is not clipped",
            "One unlikely action can dominate the batch: variance without bound.",
            "Use min(rho_clip, ratio).",
            _RATIO,
            _PAPER,
        ),
        _entry(
            "c-not-clipped",
            (_with_weights(o, lambda x, ratio: (np.minimum(ratio, x.rho_clip), ratio)),),
            "the traces are not clipped",
            "Their product grows without bound along the rollout.",
            "Use min(c_clip, ratio).",
            _RATIO,
            _PAPER,
        ),
        _entry(
            "clips-swapped",
            (
                _with_weights(
                    o,
                    lambda x, ratio: (np.minimum(ratio, x.c_clip), np.minimum(ratio, x.rho_clip)),
                ),
            ),
            "the two clips are exchanged",
            "c_clip, meant for speed, decides which policy is evaluated.",
            "Clip rho with rho_clip and c with c_clip; pass them by name.",
            _RATIO,
            _PAPER,
        ),
        _entry(
            "one-clip-for-both",
            (
                _with_weights(o, lambda x, ratio: (np.minimum(ratio, x.rho_clip),) * 2),
                _with_weights(o, lambda x, ratio: (np.minimum(ratio, x.c_clip),) * 2),
            ),
            "one clip serves for both weights",
            "The other hyper-parameter has no effect.",
            "Make rho with rho_clip and c with c_clip.",
            _RATIO,
            _PAPER,
        ),
        _entry(
            "clipped-from-below",
            (
                _with_weights(
                    o,
                    lambda x, ratio: (np.maximum(ratio, x.rho_clip), np.maximum(ratio, x.c_clip)),
                ),
            ),
            "the clip is a lower bound instead of an upper one",
            "max stands for min: small ratios are raised, large ones stay.",
            "Use min(clip, ratio).",
            _RATIO,
            _PAPER,
        ),
        _entry(
            "clipped-on-both-sides",
            (
                _with_weights(
                    o,
                    lambda x, ratio: (
                        np.clip(ratio, 1.0 / max(x.rho_clip, 1e-9), x.rho_clip),
                        np.clip(ratio, 1.0 / max(x.c_clip, 1e-9), x.c_clip),
                    ),
                ),
                _with_weights(
                    o,
                    lambda x, ratio: (
                        np.clip(ratio, 1.0 - x.rho_clip, 1.0 + x.rho_clip),
                        np.clip(ratio, 1.0 - x.c_clip, 1.0 + x.c_clip),
                    ),
                ),
            ),
            "the ratio is clipped as in PPO",
            "V-trace has an upper bound only; a lower one changes the fixed point.",
            "Use min(clip, ratio).",
            _RATIO,
            _PAPER,
        ),
    )


def _of_traces(o: Model) -> tuple[FaultyVersion, ...]:
    """Mistakes in the recursion of the targets."""
    ones = np.ones_like
    return (
        _entry(
            "td-error-not-weighted",
            (
                _model(o, lambda x, parts: {"delta": _td(x)}),
                _model(o, _reward_weighted),
            ),
            "rho is not applied to the TD error",
            "Targets are those of the policy that acted, or only the reward is weighted.",
            "delta = rho * (r + gamma * V(s') - V(s)).",
            "the line of the TD error",
            _PAPER,
        ),
        _entry(
            "trace-not-weighted",
            (_model(o, lambda x, parts: {"c": ones(parts["c"])}),),
            "the traces carry no importance weight",
            "What later actions earn is credited whatever the learnt policy thinks of them.",
            "Multiply what is carried by c_t.",
            _TRACE,
            _PAPER,
        ),
        _entry(
            "trace-missing",
            (_model(o, lambda x, parts: {"c": 0.0 * parts["c"]}),),
            "nothing is carried from later steps",
            "The targets are one-step targets.",
            "Add gamma * c_t * (v_{t+1} - V(s_{t+1})).",
            _TRACE,
            _PAPER,
        ),
        _entry(
            "trace-index-shifted",
            (
                _model(o, lambda x, parts: {"c": rollout_faults.earlier(parts["c"])}),
                _model(o, lambda x, parts: {"c": rollout_faults.later(parts["c"])}),
            ),
            "the trace is weighted with c of another step",
            "The product of traces runs over c_{t+1} ... instead of c_t ...",
            "Multiply what is carried to step t by c_t.",
            _TRACE,
            _PAPER,
        ),
        _entry(
            "trace-undiscounted",
            (
                _model(o, lambda x, parts: {"factor": 1.0}),
                _model(o, lambda x, parts: {"factor": x.gamma**2}),
            ),
            "the trace is not discounted by gamma once",
            "What is carried back loses gamma, or loses it twice.",
            "Multiply what is carried by gamma * c_t.",
            _TRACE,
            _PAPER,
        ),
        _entry(
            "value-not-added",
            (_with_outputs(o, lambda x, v, a: (v - x.values, a)),),
            "corrections are returned instead of targets",
            "V(s_t) is not added: a critic trained on these targets learns about 0.",
            "Return V(s_t) plus the correction.",
            "the end of the loop",
            "https://github.com/vwxyzjn/cleanrl/commit/95fcdd750205",
        ),
        _entry(
            "value-counted-twice",
            (_model(o, _no_value_taken_off),),
            "v_{t+1} is carried back without taking V(s_{t+1}) off",
            "The value of the next state counts in the TD error and again in the trace.",
            "Carry v_{t+1} - V(s_{t+1}).",
            _TRACE,
            _PAPER,
        ),
        _entry(
            "trace-seeded-with-value",
            (_model(o, lambda x, parts: {"seed": x.next_values[-1]}),),
            "what is carried starts from V of the last state",
            "The bootstrap counts in the last TD error and again as the start of the trace.",
            "Start the trace from 0.",
            "the line before the loop",
            "https://github.com/simonsays1980/rl-triton/pull/4",
        ),
    )


def _of_advantages(o: Model) -> tuple[FaultyVersion, ...]:
    """Mistakes in the second output, with right targets."""
    return (
        _entry(
            "advantage-not-weighted",
            (_model(o, lambda x, parts: {"weight": 1.0}),),
            "the advantages carry no importance weight",
            "The policy gradient is that of the policy that acted.",
            "A_t = rho_t * (r_t + gamma * v_{t+1} - V(s_t)).",
            _ADVANTAGE,
            _PAPER,
        ),
        _entry(
            "advantage-weight-not-clipped",
            (
                _model(o, lambda x, parts: {"weight": np.exp(x.log_probs - x.old_log_probs)}),
                _model(o, lambda x, parts: {"weight": parts["c"]}),
                _model(o, lambda x, parts: {"weight": parts["rho"] ** 2}),
            ),
            "the advantages carry another weight than rho",
            "The plain ratio, c, or rho twice stands before the advantage.",
            "A_t = rho_t * (r_t + gamma * v_{t+1} - V(s_t)).",
            _ADVANTAGE,
            _PAPER,
        ),
        _entry(
            "advantage-of-values",
            (_with_outputs(o, lambda x, v, a: (v, _rho(x) * _td(x))),),
            "the advantages look one step ahead only",
            "V(s_{t+1}) stands for the corrected v_{t+1}.",
            "A_t = rho_t * (r_t + gamma * v_{t+1} - V(s_t)).",
            _ADVANTAGE,
            _PAPER,
        ),
        _entry(
            "advantage-of-own-target",
            (
                _with_outputs(o, lambda x, v, a: (v, v - x.values)),
                _with_outputs(o, lambda x, v, a: (v, _rho(x) * (v - x.values))),
                _with_outputs(
                    o, lambda x, v, a: (v, _rho(x) * (x.rewards + x.gamma * v - x.values))
                ),
            ),
            "the advantages are made of v_t instead of v_{t+1}",
            "The target of the step itself minus its value is weighted with c along the way, not "
            "an estimate of Q(s_t, a_t).",
            "A_t = rho_t * (r_t + gamma * v_{t+1} - V(s_t)).",
            _ADVANTAGE,
            _PAPER,
        ),
        _entry(
            "advantage-crosses-ends",
            (_with_outputs(o, _over_resets), _with_outputs(o, _through_ends)),
            "the advantages at the end of an episode use the next one's target",
            "v_{t+1} of the next row belongs to another episode where t was cut.",
            "Use V of the state reached where an episode is cut, 0 where it terminates.",
            _ADVANTAGE,
            "https://github.com/micdoh/XLRON/pull/34",
        ),
        _entry(
            "advantage-sign-flipped",
            (_with_outputs(o, lambda x, v, a: (v, -a)),),
            "the advantages have the wrong sign",
            "Good actions are made less likely.",
            "A_t = rho_t * (r_t + gamma * v_{t+1} - V(s_t)).",
            _ADVANTAGE,
            _PAPER,
        ),
    )


def faults(oracle: Model) -> tuple[FaultyVersion, ...]:
    """Those of every target on rollouts, and those of V-trace."""
    return (
        *rollout_faults.shared(oracle),
        *_of_ratios(oracle),
        *_of_traces(oracle),
        *_of_advantages(oracle),
    )
