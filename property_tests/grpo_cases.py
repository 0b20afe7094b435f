"""Inputs of the GRPO loss: token batches off the kinks of the clip, with advantages or with rewards."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests import llm_cases
from property_tests.framework.records import Array, Case, Domain

LOG_RATIOS = (0.0, 0.5, -0.5, 0.05, -0.05, 0.15, -0.15, 1.5, -1.5)
REF_RATIOS = (0.0, 0.5, -0.5, 1.25, -1.0, 0.1)
OLD_LOG_PROBS = (-1.0, -0.5, -2.5, -4.0)
ADVANTAGES = (1.0, -1.0, 2.0, -0.5, -3.0, 0.25, 0.0)
REWARDS = (0.0, 1.0, 2.0, -1.0)
CLIPS = (0.2, 0.1, 0.3)
HIGHS = (0.28, 0.4, 0.2)
KL_COEFS = (0.0, 0.1, 0.5, 0.04)
DENOMINATORS = (4.0, 7.0, 32.0, 0.5)
HEATS = (1.0, 1.5, 0.5, 1.05)
NEAR = 5e-3
"""Closer than this to a kink of the clip, a numerical gradient would straddle it."""


def normalised(rewards: Array, how: str) -> Array:
    """Advantages of one group."""
    centred = rewards - rewards.sum() / len(rewards)
    if how == "centred" or rewards.max() == rewards.min():
        return centred
    ddof = 0 if how == "ddof 0" else 1
    return centred / math.sqrt((centred**2).sum() / (len(rewards) - ddof))


def off_the_kinks(log_ratios: Array, mask: Array, kinks: list[float]) -> Array:
    """The log-ratios, moved a little where a token, a mean or a sum lies on a kink."""
    moved = log_ratios.copy()
    for row, kept in zip(moved, mask, strict=True):
        first = int(np.flatnonzero(kept)[0]) if kept.any() else 0
        for _ in range(8):
            levels = [*row[kept], row[kept].mean() if kept.any() else 0.0, row[kept].sum()]
            if all(abs(level - kink) > NEAR for level in levels for kink in kinks):
                break
            row[first] += 0.031
    return moved


def _make(drawn: dict[str, Any]) -> dict[str, Any]:
    case = dict(drawn)
    case.setdefault("clip_high", case["clip_epsilon"])
    kinks = [math.log(1.0 - case["clip_epsilon"]), math.log(1.0 + case["clip_high"])]
    kinks.append(math.log(3.0))  # of the dual clip
    kinks.append(math.log(case["clip_high"]))  # of CISPO's absolute bound
    moved = off_the_kinks(case.pop("log_ratios"), case["mask"], kinks)
    case["log_probs"] = case["old_log_probs"] + moved
    case["ref_log_probs"] = case["log_probs"] + case.pop("ref_ratios")
    return case


def batches(where: Domain) -> st.SearchStrategy[Case]:
    """Token batches with an advantage for each answer or each token, or rewards of one group."""
    columns: dict[str, Any] = {
        "old_log_probs": OLD_LOG_PROBS,
        "log_ratios": LOG_RATIOS,
        "ref_ratios": REF_RATIOS if "kl" in where else (0.0,),
    }
    per_row: dict[str, Any] = {}
    if "rewards" in where:
        per_row["rewards"] = REWARDS
    elif "token advantages" in where:
        columns["advantage"] = ADVANTAGES
    else:
        per_row["advantage"] = ADVANTAGES
    hypers: dict[str, Any] = {
        "clip_epsilon": CLIPS,
        "kl_coef": KL_COEFS if "kl" in where else (0.0,),
        "denominator": DENOMINATORS,
        "tau_pos": HEATS,
        "tau_neg": HEATS[::-1],
    }
    if "two bounds" in where:
        hypers["clip_high"] = HIGHS
    build = llm_cases.token_batches(columns, _make, per_row=per_row, hypers=hypers)
    drawn = build(where)
    return drawn.map(lambda case: _group(case, where)) if "rewards" in where else drawn


def _group(case: Case, where: Domain) -> Case:
    """At least two answers, and advantages from their rewards."""
    group = dict(case)
    if len(case["mask"]) < 2:
        for name in [n for n, v in case.items() if np.ndim(v)]:
            group[name] = np.concatenate([case[name], case[name]])
        group["rewards"] = np.array([case["rewards"][0], case["rewards"][0] + 1.0])
    how = next(name for name in ("ddof 1", "ddof 0", "centred") if name in where)
    group["advantage"] = normalised(group["rewards"], how)
    return group


def worked(where: Domain) -> st.SearchStrategy[Case]:
    """One token, ratios of 1.5 and 0.5, advantages of both signs."""

    def case(drawn: tuple[float, float]) -> Case:
        ratio, advantage = drawn
        old = np.array([[-1.0]])
        return {
            "log_probs": old + math.log(ratio),
            "old_log_probs": old,
            "ref_log_probs": old,
            "mask": np.ones((1, 1), bool),
            "advantage": _shaped(np.array([advantage]), where),
            "clip_epsilon": 0.2,
            "clip_high": 0.2,
            "kl_coef": 0.0,
            "denominator": 1.0,
            **_heats(where),
        }

    return st.tuples(st.sampled_from((1.5, 0.5)), st.sampled_from((1.0, -1.0))).map(case)


def extreme(where: Domain) -> st.SearchStrategy[Case]:
    """One token with a log-ratio of +-100."""

    def case(drawn: tuple[float, float]) -> Case:
        size, advantage = drawn
        old = np.array([[-120.0 if size > 0 else -1.0]])
        return {
            "log_probs": old + size,
            "old_log_probs": old,
            "ref_log_probs": old + 0.5 * size if "kl" in where else old,
            "mask": np.ones((1, 1), bool),
            "advantage": _shaped(np.array([advantage]), where),
            "clip_epsilon": 0.2,
            "clip_high": 0.2,
            "kl_coef": 0.1 if "kl" in where else 0.0,
            "denominator": 1.0,
            **_heats(where),
        }

    sizes = st.sampled_from((100.0, -100.0, 60.0, -60.0))
    return st.tuples(sizes, st.sampled_from((1.0, -1.0))).map(case)


def distributions(where: Domain) -> st.SearchStrategy[Case]:
    """Every token of a small vocabulary once, as answers of one token: policy p, reference q."""

    def case(drawn: tuple[list[float], list[float]]) -> Case:
        p, q = (np.exp(x) / np.exp(x).sum() for x in map(np.array, drawn))
        log_p = np.log(p)[:, None]
        return {
            "log_probs": log_p,
            "old_log_probs": log_p,
            "ref_log_probs": np.log(q)[:, None],
            "mask": np.ones((3, 1), bool),
            "advantage": _shaped(np.zeros(3), where),
            "clip_epsilon": 0.2,
            "clip_high": 0.2,
            "kl_coef": 0.5,
            "denominator": 1.0,
            **_heats(where),
        }

    logits = st.lists(st.sampled_from((0.0, 1.0, -0.5, 0.7)), min_size=3, max_size=3)
    return st.tuples(logits, logits).map(case)


def one_token(where: Domain, log_ratio: float, advantage: float) -> dict[str, Any]:
    """One token that has moved by `log_ratio`, at the reference."""
    old, fixed = np.array([[-0.7]]), dict(where.fixed)
    clip = fixed.get("clip_epsilon", 0.2)
    return {
        "log_probs": old + log_ratio,
        "old_log_probs": old,
        "ref_log_probs": old + log_ratio,
        "mask": np.ones((1, 1), bool),
        "advantage": _shaped(np.array([advantage]), where),
        "clip_epsilon": clip,
        "clip_high": 0.28 if "two bounds" in where else clip,
        "kl_coef": 0.0,
        "denominator": fixed.get("denominator", 1.0),
        **_heats(where),
    }


def _heats(where: Domain) -> dict[str, float]:
    """The temperatures of SAPO, as the function has them."""
    fixed = dict(where.fixed)
    return {"tau_pos": fixed.get("tau_pos", 1.0), "tau_neg": fixed.get("tau_neg", 1.05)}


def _shaped(advantage: Array, where: Domain) -> Array:
    return advantage[:, None] if "token advantages" in where else advantage
