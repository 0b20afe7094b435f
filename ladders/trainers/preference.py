"""The contract `preference-trainer`: a trainer that learns from pairs of answers (DPO, reward models)."""

from __future__ import annotations

import inspect
import tempfile
from typing import Any

from ladders.trainers.preference_checks import CHECKS
from ladders.trainers.preference_faults import FAULTS
from rlcheck.adapters.trl.calling import TrainerSource, trainer_source
from rlcheck.adapters.trl.preference import OPTIONS, POLICY, Pair, PreferenceSubject
from rlcheck.adapters.trl.reward import REWARD_MODEL, RewardSubject
from rlcheck.contracts import Bound, Contract, Options
from rlcheck.errors import BindingError, SubjectError


def bind(raw: Any, options: Options) -> Bound:
    """Bind a trainer class or a factory of trainers."""
    source = trainer_source(raw, options.constants)
    varied = [name for name in (*OPTIONS, "beta") if source.varies(name)]
    trains = _trains(raw, source, options)
    subject = RewardSubject(source) if trains == REWARD_MODEL else PreferenceSubject(source)
    return Bound(subject, {"varies": varied, "trains": trains}, {"trains": trains})


def _trains(raw: Any, source: TrainerSource, options: Options) -> str:
    """Whether a policy or a reward model: as declared, by the name of the trainer's class, or by trying.

    Raises:
        BindingError: something else is declared.
    """
    declared = options.dialect.get("trains")
    if declared is not None:
        if declared not in (POLICY, REWARD_MODEL):
            raise BindingError(f"`trains` is {POLICY!r} or {REWARD_MODEL!r}, got {declared!r}")
        return declared
    if inspect.isclass(raw):
        return _of_class(raw)
    one = [Pair(("w1",), ("w2",), ("w3",))]
    with tempfile.TemporaryDirectory() as folder:
        try:
            return _of_class(type(PreferenceSubject(source).open(one, folder).trainer))
        except (SubjectError, BindingError):
            # It may have refused a policy. What it refuses altogether, the checks report.
            return REWARD_MODEL if _builds(RewardSubject(source), one, folder) else POLICY


def _of_class(trainer: type) -> str:
    named = any("Reward" in base.__name__ for base in trainer.__mro__)
    return REWARD_MODEL if named else POLICY


def _builds(subject: RewardSubject, pairs: list[Pair], folder: str) -> bool:
    try:
        subject.open(pairs, folder)
    except (SubjectError, BindingError):
        return False
    return True


def recognises(raw: Any) -> bool:
    """Whether an object looks like a trainer on pairs, or a factory of one."""
    if inspect.isclass(raw):
        tags = set(getattr(raw, "_tag_names", ()))
        return hasattr(raw, "compute_loss") and bool(tags & {"dpo", "reward-trainer"})
    try:
        names = set(inspect.signature(raw).parameters)
    except (TypeError, ValueError):
        return False
    return {"model", "train_dataset"} <= names and not names & {"reward_funcs", "reward_fn"}


CONTRACT = Contract(
    name="preference-trainer",
    title="A trainer on pairs of answers, in the manner of TRL's DPOTrainer and RewardTrainer.",
    explanation=(
        "Takes a trainer class (trl:DPOTrainer, trl:RewardTrainer or a subclass), or a factory "
        "make_trainer(model, train_dataset, processing_class, output_dir, **options) that returns one; "
        "options that it names (beta, learning_rate, max_steps, per_device_train_batch_size, "
        "gradient_accumulation_steps) are varied. rlcheck supplies a tiny model and eight ragged pairs, "
        "computes loss and gradient of every batch by itself, and compares: with the published losses "
        "and with those of every known mistake. A class with Reward in its name is given a reward model; "
        "otherwise --dialect 'trains=reward model' says so. Nothing is downloaded. "
        "Needs pip install 'rlcheck[llm]'."
    ),
    checks=CHECKS,
    faults=FAULTS,
    bind=bind,
    recognises=recognises,
)
