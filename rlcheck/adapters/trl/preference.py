"""Trainers on preferences (DPO and its kin) as subjects: what they make of known pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rlcheck.adapters.rng import preserved_rng
from rlcheck.adapters.trl.acting import Seen, evaluate_rows, setting
from rlcheck.adapters.trl.calling import TrainerSource
from rlcheck.adapters.trl.tiny import EOS, PAD, PAD_ID, quiet, saved_model, tokenizer
from rlcheck.adapters.trl.token_model import TokenModel


class Pair(NamedTuple):
    """A prompt with two answers, as words."""

    prompt: tuple[str, ...]
    chosen: tuple[str, ...]
    rejected: tuple[str, ...]


class Tokens(NamedTuple):
    """A pair as token ids; both answers end with the end-of-sequence token."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]


POLICY = "policy"
"""What such a trainer trains."""
OPTIONS: Mapping[str, Any] = {
    "learning_rate": 0.05,
    "max_steps": 1,
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 1,
    "report_to": [],
    "save_strategy": "no",
    "logging_steps": 1,
    "disable_tqdm": True,
    "use_cpu": True,
    "bf16": False,
    "max_grad_norm": 1e9,
    "lr_scheduler_type": "constant",
    "optim": "sgd",
    "seed": 0,
}
"""One plain step of gradient descent at a time, on the CPU, with nothing written."""


@dataclass(eq=False)
class OpenPreferenceTrainer:
    """One trainer on known pairs.

    Args:
        trainer: the user's.
        pairs: its whole dataset, in order, as token ids.
        reference: the model before any training.
    """

    trainer: Any
    pairs: list[Tokens]
    reference: TokenModel

    @property
    def beta(self) -> float:
        """The strength of the pull to the reference."""
        return setting(self.trainer, "beta", 0.1)

    @property
    def loss_types(self) -> list[str]:
        """The losses that it declares by name, if it does."""
        given = getattr(getattr(self.trainer, "args", None), "loss_type", None) or []
        return [given] if isinstance(given, str) else list(given)

    @property
    def loss_weights(self) -> list[float]:
        """Of each of them."""
        given = getattr(getattr(self.trainer, "args", None), "loss_weights", None)
        return list(given or [1.0] * len(self.loss_types))

    @property
    def smoothing(self) -> float:
        """The share of labels that are taken to be wrong."""
        return setting(self.trainer, "label_smoothing", 0.0)

    def policy(self) -> TokenModel:
        """The model as it stands."""
        return TokenModel.of(self.trainer.model)

    def see(self, rows: Sequence[int]) -> Seen:
        """Loss and gradient of a batch of these rows, in training mode."""
        return evaluate_rows(self.trainer, rows)


@dataclass(frozen=True, eq=False)
class PreferenceSubject:
    """Builds the user's trainer on pairs of ours."""

    source: TrainerSource
    cache: dict[Any, Any] = field(default_factory=dict)
    trains = POLICY

    def open(
        self,
        pairs: Sequence[Pair],
        folder: str,
        *,
        options: Mapping[str, Any] | None = None,
        padding_side: str = "right",
        pad: str = PAD,
        dropout: bool = False,
    ) -> OpenPreferenceTrainer:
        """A new trainer on these pairs, its policy equal to its reference.

        Raises:
            SubjectError: building it raises.
            BindingError: what came is no trainer.
        """
        from datasets import Dataset

        words = tokenizer(padding_side, pad)
        place = Path(folder)
        with preserved_rng(), quiet():
            model = saved_model(place, seed=0, dropout=dropout)
            reference = TokenModel.of(model)
            material = {
                "model": model,
                "train_dataset": Dataset.from_list(dataset_rows(pairs)),
                "processing_class": words,
            }
            given = {"output_dir": str(place / "out"), **OPTIONS, **(options or {})}
            trainer = self.source.make(material, given)
        return OpenPreferenceTrainer(trainer, token_ids(words, pairs), reference)


def dataset_rows(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Pairs as the rows of a dataset."""
    return [
        {
            "prompt": " ".join(pair.prompt),
            "chosen": " " + " ".join(pair.chosen),
            "rejected": " " + " ".join(pair.rejected),
        }
        for pair in pairs
    ]


def token_ids(words: Any, pairs: Sequence[Pair]) -> list[Tokens]:
    """Pairs as the token ids that a trainer should make of them."""
    ended = [(p.prompt, (*p.chosen, EOS), (*p.rejected, EOS)) for p in pairs]
    return [Tokens(*(words.convert_tokens_to_ids(list(part)) for part in parts)) for parts in ended]


def full(tokens: Tokens) -> tuple[list[int], list[int]]:
    """Prompt with the chosen answer, prompt with the rejected one, each with one token of padding."""
    prompt, chosen, rejected = tokens
    return [*prompt, *chosen, PAD_ID], [*prompt, *rejected, PAD_ID]


def tables(model: TokenModel, sequences: Sequence[list[int]]) -> list[np.ndarray]:
    """log p(x_t | x_<t) of every sequence."""
    return [model.log_probs(tokens) for tokens in sequences]
