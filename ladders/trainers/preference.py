"""The contract `preference-trainer`: a trainer that learns from pairs of answers (DPO and its kin)."""

from __future__ import annotations

import inspect
from typing import Any

from ladders.trainers.preference_checks import CHECKS
from ladders.trainers.preference_faults import FAULTS
from rlcheck.adapters.trl.calling import trainer_source
from rlcheck.adapters.trl.preference import OPTIONS, PreferenceSubject
from rlcheck.contracts import Bound, Contract, Options


def bind(raw: Any, options: Options) -> Bound:
    """Bind a trainer class or a factory of trainers."""
    source = trainer_source(raw, options.constants)
    varied = [name for name in (*OPTIONS, "beta") if source.varies(name)]
    return Bound(PreferenceSubject(source), {"varies": varied})


def recognises(raw: Any) -> bool:
    """Whether an object looks like a DPO trainer, or a factory of one."""
    if inspect.isclass(raw):
        return hasattr(raw, "compute_loss") and "dpo" in getattr(raw, "_tag_names", ())
    try:
        names = set(inspect.signature(raw).parameters)
    except (TypeError, ValueError):
        return False
    return {"model", "train_dataset"} <= names and not names & {"reward_funcs", "reward_fn"}


CONTRACT = Contract(
    name="preference-trainer",
    title="A trainer on pairs of answers, in the manner of TRL's DPOTrainer.",
    explanation=(
        "Takes a trainer class (trl:DPOTrainer or a subclass), or a factory make_trainer(model, "
        "train_dataset, processing_class, output_dir, **options) that returns one; options that it "
        "names (beta, learning_rate, max_steps, per_device_train_batch_size, "
        "gradient_accumulation_steps) are varied. rlcheck supplies a tiny model and eight ragged pairs, "
        "computes loss and gradient of every batch by itself, and compares: with the published losses "
        "and with those of every known mistake. Nothing is downloaded. Needs pip install 'rlcheck[llm]'."
    ),
    checks=CHECKS,
    faults=FAULTS,
    bind=bind,
    recognises=recognises,
)
