"""The contract `rl-trainer`: a trainer that samples, scores and learns (GRPO, RLOO and their kin)."""

from __future__ import annotations

import inspect
from typing import Any

from ladders.trainers.rollout_checks import CHECKS
from ladders.trainers.rollout_faults import FAULTS
from rlcheck.adapters.trl.calling import trainer_source
from rlcheck.adapters.trl.reinforcement import OPTIONS, RolloutSubject
from rlcheck.contracts import Bound, Contract, Options


def bind(raw: Any, options: Options) -> Bound:
    """Bind a trainer class or a factory of trainers."""
    source = trainer_source(raw, options.constants)
    return Bound(RolloutSubject(source), {"varies": [n for n in OPTIONS if source.varies(n)]})


def recognises(raw: Any) -> bool:
    """Whether an object looks like a GRPO or RLOO trainer, or a factory of one."""
    if inspect.isclass(raw):
        tags = set(getattr(raw, "_tag_names", ()))
        return hasattr(raw, "compute_loss") and bool(tags & {"grpo", "rloo"})
    try:
        names = set(inspect.signature(raw).parameters)
    except (TypeError, ValueError):
        return False
    return {"model", "train_dataset"} <= names and bool(names & {"reward_funcs", "reward_fn"})


CONTRACT = Contract(
    name="rl-trainer",
    title="A trainer that samples its own completions, in the manner of TRL's GRPOTrainer.",
    explanation=(
        "Takes a trainer class (trl:GRPOTrainer, trl:RLOOTrainer or a subclass), or a factory "
        "make_trainer(model, train_dataset, processing_class, reward_funcs, output_dir, **options) that "
        "returns one; options that it names (beta, temperature, num_generations, learning_rate, "
        "max_steps, per_device_train_batch_size, gradient_accumulation_steps) are varied. rlcheck "
        "supplies a tiny model, four prompts and the reward function, and follows every reward into "
        "advantages, loss and gradient. Nothing is downloaded. Needs pip install 'rlcheck[llm]'."
    ),
    checks=CHECKS,
    faults=FAULTS,
    bind=bind,
    recognises=recognises,
)
