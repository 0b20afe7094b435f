"""The labelled runs before other packages: `rldoctor`, and what `polgrad` has for logged numbers.

`rldoctor` gets every signal under its own name for it; each of its findings of level WARNING or above
is an alarm, the worst one first. `polgrad` verifies losses, and of its diagnostics `entropy_trend` alone
takes what a log holds; a change point is its alarm. Both are made for language models, and `NAMES`
translates generously.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rlcheck.selftests import upper_bound

if TYPE_CHECKING:
    from benchmarks.training_runs import Run

FIELDS = {
    "episode_return": "reward_mean",
    "eval_return": "eval_score",
    "entropy": "entropy",
    "approx_kl": "kl",
    "clip_fraction": "pg_clipfrac",
    "grad_norm": "grad_norm",
    "policy_loss": "policy_loss",
    "explained_variance": "value_explained_var",
}
"""Our name of a signal -> that of rldoctor."""

NAMES: dict[str, tuple[str, ...]] = {
    "entropy_collapse": ("entropy-collapse",),
    "reward_hacking": ("reward-hacking",),
    "reward_composition": ("reward-component-takes-over", "reward-hacking"),
    "clip_saturation": ("clip-saturated", "kl-spikes", "clip-never-active"),
    "kl_drift": ("kl-spikes",),
    "gradient_pathology": ("gradients-exploding", "gradients-zero", "not-finite"),
    "plateau": ("return-stuck", "return-without-variance", "policy-stays-random"),
    "entropy falls": ("entropy-collapse",),
    "entropy rises": ("entropy-explosion",),
}


def rldoctor(run: Run) -> str:
    """Its first finding, "" for none."""
    from rl_doctor import Severity, diagnose, run_from_records

    rows: dict[float, dict[str, Any]] = {}
    for name, field in FIELDS.items():
        if name in run.log.signals:
            points = run.log.signals[name]
            for step, value in zip(points.steps.tolist(), points.values.tolist(), strict=True):
                rows.setdefault(step, {"step": step})[field] = value
    records = [rows[step] for step in sorted(rows)]
    if not records:
        return ""
    problems = diagnose(run_from_records(records)).problems
    return next((p.detector for p in problems if p.severity >= Severity.WARNING), "")


def polgrad(run: Run) -> str:
    """Whether the entropy has a change point, and which way it goes; "" for none."""
    import torch
    from polgrad.diagnostics import entropy_trend

    if "entropy" not in run.log.signals:
        return ""
    values = run.log["entropy"].values
    if len(values) < 10:
        return ""
    trend = entropy_trend(
        torch.as_tensor(np.asarray(values)),
        window=len(values),
        generator=torch.Generator().manual_seed(0),
    )
    if trend.changepoint_index is None:
        return ""
    return "entropy falls" if trend.slope < 0 else "entropy rises"


def main_others(every: Sequence[Run]) -> None:
    """Prints the same figures for both as `judge` prints for rlcheck."""
    judges: tuple[Callable[[Run], str], ...] = (rldoctor, polgrad)
    for judge in judges:
        said = [judge(run) for run in every]
        sick = [
            (s, run.group.faults) for s, run in zip(said, every, strict=True) if run.group.faults
        ]
        healthy = [s for s, run in zip(said, every, strict=True) if not run.group.faults]
        flagged = sum(bool(s) for s, _ in sick)
        right = sum(bool(set(NAMES.get(s, ())) & set(faults)) for s, faults in sick)
        false = sum(bool(s) for s in healthy)
        bound = upper_bound(false, len(healthy))
        print(
            f"{judge.__name__}: flagged {flagged} of {len(sick)}, named right first {right}; "
            f"false alarms {false} of {len(healthy)} (at most {bound:.1%})"
        )
