"""Trainers of reward models as subjects: what they make of known pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlcheck.adapters.rng import preserved_rng
from rlcheck.adapters.trl.acting import Seen, evaluate_rows, setting
from rlcheck.adapters.trl.calling import TrainerSource
from rlcheck.adapters.trl.preference import OPTIONS, Pair, Tokens, dataset_rows, token_ids
from rlcheck.adapters.trl.score_model import ScoreModel
from rlcheck.adapters.trl.tiny import PAD, quiet, reward_model, tokenizer

REWARD_MODEL = "reward model"
"""What such a trainer trains; of other trainers on pairs it is a policy."""


@dataclass(eq=False)
class OpenRewardTrainer:
    """One trainer of a reward model on known pairs.

    Args:
        trainer: the user's.
        pairs: its whole dataset, in order, as token ids.
        margins: of every pair; zeros where none are given.
    """

    trainer: Any
    pairs: list[Tokens]
    margins: Sequence[float]

    @property
    def coefficient(self) -> float:
        """The strength of the pull of scores towards 0."""
        return setting(self.trainer, "center_rewards_coefficient", 0.0)

    @property
    def documented(self) -> bool:
        """Whether it is a trainer of TRL's, whose data may have margins and scores be centred."""
        bases = type(self.trainer).__mro__
        return any(b.__name__ == "RewardTrainer" and b.__module__.startswith("trl.") for b in bases)

    def scorer(self) -> ScoreModel:
        """The model as it stands."""
        return ScoreModel.of(self.trainer.model)

    def see(self, rows: Sequence[int]) -> Seen:
        """Loss and gradient of a batch of these rows, in training mode."""
        return evaluate_rows(self.trainer, rows)


@dataclass(frozen=True, eq=False)
class RewardSubject:
    """Builds the user's trainer on pairs of ours, for a reward model of ours."""

    source: TrainerSource
    cache: dict[Any, Any] = field(default_factory=dict)
    trains = REWARD_MODEL

    def open(
        self,
        pairs: Sequence[Pair],
        folder: str,
        *,
        options: Mapping[str, Any] | None = None,
        padding_side: str = "right",
        pad: str = PAD,
        margins: Sequence[float] | None = None,
    ) -> OpenRewardTrainer:
        """A new trainer on these pairs.

        Raises:
            SubjectError: building it raises.
            BindingError: what came is no trainer.
        """
        from datasets import Dataset

        words = tokenizer(padding_side, pad)
        rows = dataset_rows(pairs)
        if margins is not None:
            rows = [{**row, "margin": m} for row, m in zip(rows, margins, strict=True)]
        with preserved_rng(), quiet():
            material = {
                "model": reward_model(seed=0),
                "train_dataset": Dataset.from_list(rows),
                "processing_class": words,
            }
            given = {"output_dir": str(Path(folder) / "out"), **OPTIONS, **(options or {})}
            trainer = self.source.make(material, given)
        return OpenRewardTrainer(trainer, token_ids(words, pairs), margins or [0.0] * len(pairs))


def answers(tokens: Tokens) -> tuple[list[int], list[int]]:
    """Prompt with the chosen answer, and prompt with the rejected one."""
    return [*tokens.prompt, *tokens.chosen], [*tokens.prompt, *tokens.rejected]
