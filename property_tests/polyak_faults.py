"""The definition of a Polyak update on dicts of arrays, and the ways of getting it wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from property_tests.framework.records import FaultyVersion, Model

_BUFFERS = ("running_mean",)
_DDPG = "https://arxiv.org/abs/1509.02971"
State = dict[str, Any]


def weights(tau: float, tau_weighs: str) -> tuple[float, float]:
    """(weight of the target, weight of the online network)."""
    return (1.0 - tau, tau) if tau_weighs == "online" else (tau, 1.0 - tau)


def definition(target: State, online: State, tau: float, tau_weighs: str, buffers: str) -> None:
    """Every parameter is averaged; buffers as the convention says."""
    kept, taken = weights(tau, tau_weighs)
    for name in target:
        if name not in _BUFFERS or buffers == "averaged":
            target[name] = kept * target[name] + taken * online[name]
        elif buffers == "copied":
            target[name] = online[name].copy()


def _averaging(rule: Any) -> Model:
    """Parameters by another rule (target, online, kept, taken); buffers as they should be."""

    def faulty(target: State, online: State, tau: float, tau_weighs: str, buffers: str) -> None:
        kept, taken = weights(tau, tau_weighs)
        new = {
            name: rule(target[name], online[name], kept, taken)
            for name in target
            if name not in _BUFFERS or buffers == "averaged"
        }
        definition(target, online, tau, tau_weighs, buffers)
        target.update(new)

    return faulty


def _swapped(target: State, online: State, tau: float, tau_weighs: str, buffers: str) -> None:
    definition(online, target, tau, tau_weighs, buffers)


def _never(target: State, online: State, tau: float, tau_weighs: str, buffers: str) -> None:
    pass


def _twice(target: State, online: State, tau: float, tau_weighs: str, buffers: str) -> None:
    definition(target, online, tau, tau_weighs, buffers)
    definition(target, online, tau, tau_weighs, buffers)


def _both_move(target: State, online: State, tau: float, tau_weighs: str, buffers: str) -> None:
    definition(target, online, tau, tau_weighs, buffers)
    for name in online:
        if name not in _BUFFERS:
            online[name] = target[name].copy()


def _online_scaled(target: State, online: State, tau: float, tau_weighs: str, buffers: str) -> None:
    _, taken = weights(tau, tau_weighs)
    definition(target, online, tau, tau_weighs, buffers)
    for name in online:
        if name not in _BUFFERS:
            online[name] = taken * online[name]


def _shared(target: State, online: State, tau: float, tau_weighs: str, buffers: str) -> None:
    target.update(online)


def _shared_parameters(
    target: State, online: State, tau: float, tau_weighs: str, buffers: str
) -> None:
    definition(target, online, tau, tau_weighs, buffers)
    target.update({name: value for name, value in online.items() if name not in _BUFFERS})


def _shared_if_copied(
    target: State, online: State, tau: float, tau_weighs: str, buffers: str
) -> None:
    definition(target, online, tau, tau_weighs, buffers)
    if weights(tau, tau_weighs)[1] == 1.0:
        target.update({n: v for n, v in online.items() if n not in _BUFFERS or buffers != "left"})


def _leaving(*left: str) -> Model:
    def faulty(target: State, online: State, tau: float, tau_weighs: str, buffers: str) -> None:
        before = {name: target[name] for name in left}
        definition(target, online, tau, tau_weighs, buffers)
        target.update(before)

    return faulty


def _buffers_kept_apart(
    target: State, online: State, tau: float, tau_weighs: str, buffers: str
) -> None:
    definition(target, online, tau, tau_weighs, buffers)
    for name in target.keys() & set(_BUFFERS):
        target[name] = np.zeros_like(target[name])


FAULTS: tuple[FaultyVersion, ...] = (
    FaultyVersion(
        "networks-swapped",
        _swapped,
        "the online network follows the target",
        "The network that learns is pulled back to its past, and the target never moves.",
        "Write into the target; read from the online network.",
        "the order of the two arguments",
        (_DDPG,),
    ),
    FaultyVersion(
        "never-updated",
        _never,
        "the target never changes",
        "It stays at its initial weights: values are bootstrapped from noise for ever.",
        "Assign the average to the target's own parameters.",
        "an average that is computed and dropped, or a state dict that is loaded into itself",
        ("https://github.com/thesouther/MARL/issues/8",),
    ),
    FaultyVersion(
        "always-copied",
        _averaging(lambda t, o, kept, taken: o.copy()),
        "the online network is copied whatever tau is",
        "The target gives no lag: with an update at every step there is no target network at all.",
        "Weigh the two networks with tau and 1 - tau.",
        "`load_state_dict` in place of an average",
        (_DDPG,),
    ),
    FaultyVersion(
        "storage-shared",
        _shared,
        "the target shares its storage with the online network",
        "After the first update every gradient step moves the target too.",
        "Copy numbers (`copy_`, `lerp_`), never references.",
        "`target.weight = online.weight`, `target_dict[k] = online_dict[k]`, a shared extractor",
        (
            "https://github.com/DLR-RM/stable-baselines3/commit/0fc0dd1b2187",
            "https://github.com/tensorforce/tensorforce/issues/81",
            "https://github.com/datawhalechina/easy-rl/issues/117",
        ),
        variants=(_shared_parameters,),
    ),
    FaultyVersion(
        "storage-shared-after-copy",
        _shared_if_copied,
        "a hard update shares the storage of the two networks",
        "The branch for tau = 1 assigns references where the other branch averages numbers.",
        "Copy numbers in both branches.",
        "the special case for a hard update",
        ("https://github.com/tensorforce/tensorforce/issues/81",),
    ),
    FaultyVersion(
        "parameters-left-out",
        _leaving("bias"),
        "some parameters are left out",
        "They stay at their initial values: the target is a mixture of two networks.",
        "Go over all parameters, with `zip(..., strict=True)`.",
        "a filter by name or dimension, a generator that was advanced before",
        ("https://github.com/DLR-RM/stable-baselines3/commit/29a481a288b5",),
        variants=(_leaving("weight"),),
    ),
    FaultyVersion(
        "target-not-decayed",
        _averaging(lambda t, o, kept, taken: t + taken * o),
        "the weight 1 - tau of the target is missing",
        "The target grows with every update.",
        "Multiply the target by 1 - tau.",
        "`target.data.add_(tau * online)` without `mul_(1 - tau)` before it",
        (_DDPG,),
    ),
    FaultyVersion(
        "target-forgotten",
        _averaging(lambda t, o, kept, taken: taken * o),
        "the target's own part is missing",
        "The target is tau times the online network: all its values are near 0.",
        "Add (1 - tau) times the target.",
        "the expression of the average",
        (_DDPG,),
    ),
    FaultyVersion(
        "online-not-weighed",
        _averaging(lambda t, o, kept, taken: kept * t + o),
        "the online network is added with weight 1",
        "The weights add up to more than 1, so values grow.",
        "Multiply the online network by tau.",
        "the expression of the average",
        (_DDPG,),
    ),
    FaultyVersion(
        "moves-away",
        _averaging(lambda t, o, kept, taken: t - taken * (o - t)),
        "the target moves away from the online network",
        "The sign of the difference is flipped: the two drift apart exponentially.",
        "Add tau * (online - target).",
        "the incremental form of the average",
        (_DDPG,),
    ),
    FaultyVersion(
        "applied-twice",
        _twice,
        "the update is applied twice",
        "The target follows at about twice the rate that tau says.",
        "Update once a step.",
        "an update inside a loop over agents or critics",
        ("https://github.com/instadeepai/Mava/issues/141",),
    ),
    FaultyVersion(
        "online-changed",
        _both_move,
        "the online network is changed too",
        "The online network is written to: progress is lost at every update.",
        "Work on the target's tensors only.",
        "in-place arithmetic on the online parameters",
        ("https://github.com/watchernyu/REDQ/pull/3",),
        variants=(_online_scaled,),
    ),
    FaultyVersion(
        "buffers-zeroed",
        _buffers_kept_apart,
        "the buffers of the target are reset",
        "A target with batch normalisation is evaluated with statistics of its initialisation.",
        "Copy the buffers.",
        "a target that is rebuilt from parameters only",
        ("https://github.com/DLR-RM/stable-baselines3/commit/29a481a288b5",),
    ),
)
