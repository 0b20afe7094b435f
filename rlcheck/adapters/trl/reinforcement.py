"""Trainers that sample and score their own completions (GRPO, RLOO) as subjects.

The reward function is ours: a known number for every (prompt, completion), so that what becomes of a
reward can be followed from the sample to the gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rlcheck.adapters.rng import preserved_rng
from rlcheck.adapters.trl.calling import TrainerSource
from rlcheck.adapters.trl.preference import OPTIONS as PLAIN
from rlcheck.adapters.trl.tiny import PAD_ID, quiet, saved_model, tokenizer
from rlcheck.adapters.trl.token_model import TokenModel

GENERATIONS, LONGEST_COMPLETION = 4, 8
OPTIONS: Mapping[str, Any] = {
    **PLAIN,
    "per_device_train_batch_size": 16,
    "num_generations": GENERATIONS,
    "max_completion_length": LONGEST_COMPLETION,
    "temperature": 0.8,
    "beta": 0.2,
    "epsilon": 0.2,
    # With two iterations a rollout the log-probabilities at sampling time have to be kept.
    "num_iterations": 2,
}


class Row(NamedTuple):
    """One completion of a prompt, as token ids without padding."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]


@dataclass(frozen=True)
class Rollout:
    """What a trainer sampled, in the order in which it trains on it.

    Args:
        rows: completions.
        advantages: [N] what the trainer made of the rewards.
        scored: completions with their rewards, in the order in which they were scored.
        inputs: the trainer's own batch.
    """

    rows: list[Row]
    advantages: np.ndarray
    scored: list[tuple[Row, float]]
    inputs: Mapping[str, Any]


Reward = Any
"""(prompt tokens, completion tokens) -> float."""


@dataclass(eq=False)
class OpenRolloutTrainer:
    """One trainer on known prompts.

    Args:
        trainer: the user's.
        reference: the model before any training.
        scored: every completion that was scored so far, with its reward.
    """

    trainer: Any
    reference: TokenModel
    scored: list[tuple[Row, float]]

    @property
    def loss_type(self) -> str:
        """The loss that it declares by name, or an empty string."""
        given = getattr(getattr(self.trainer, "args", None), "loss_type", None)
        return given if isinstance(given, str) else ""

    def policy(self) -> TokenModel:
        """The model as it stands."""
        return TokenModel.of(self.trainer.model)

    def sample(self) -> Rollout:
        """Let the trainer sample and score one batch."""
        with quiet():
            self.trainer.model.train()
            # Set by the training loop, in which this call usually stands.
            if not hasattr(self.trainer, "current_gradient_accumulation_steps"):
                self.trainer.current_gradient_accumulation_steps = 1
            batch = next(iter(self.trainer.get_train_dataloader()))
            before = len(self.scored)
            inputs = dict(self.trainer._prepare_inputs(batch))
        rows = [
            Row(_kept(prompt, prompt_mask), _kept(completion, completion_mask))
            for prompt, prompt_mask, completion, completion_mask in zip(
                *(inputs[name].tolist() for name in _TOKENS), strict=True
            )
        ]
        advantages = np.asarray(inputs["advantages"].tolist(), dtype=float)
        return Rollout(rows, advantages, self.scored[before:], inputs)


_TOKENS = ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask")


def _kept(tokens: Sequence[int], mask: Sequence[int]) -> tuple[int, ...]:
    return tuple(token for token, keep in zip(tokens, mask, strict=True) if keep)


def widened(inputs: Mapping[str, Any], columns: int) -> dict[str, Any]:
    """The same batch with more columns of padding behind the completions."""
    import torch

    width = inputs["completion_ids"].shape[1]
    wider = {}
    for name, value in inputs.items():
        if isinstance(value, torch.Tensor) and value.dim() == 2 and value.shape[1] == width:
            filling = PAD_ID if name == "completion_ids" else 0
            if "prompt" in name:
                wider[name] = value
                continue
            more = torch.full((len(value), columns), filling, dtype=value.dtype)
            wider[name] = torch.cat([value, more], dim=1)
        else:
            wider[name] = value
    return wider


@dataclass(frozen=True, eq=False)
class RolloutSubject:
    """Builds the user's trainer on prompts and rewards of ours."""

    source: TrainerSource
    cache: dict[Any, Any] = field(default_factory=dict)

    def open(
        self,
        prompts: Sequence[Sequence[str]],
        reward: Reward,
        folder: str,
        options: Mapping[str, Any] | None = None,
    ) -> OpenRolloutTrainer:
        """A new trainer on these prompts, its policy equal to its reference.

        Raises:
            SubjectError: building it raises.
            BindingError: what came is no trainer.
        """
        from datasets import Dataset

        words = tokenizer("left")
        place = Path(folder)
        scored: list[tuple[Row, float]] = []

        def known_reward(prompts, completions, completion_ids, **more):
            rows = [
                Row(tuple(words.convert_tokens_to_ids(prompt.split())), tuple(map(int, ids)))
                for prompt, ids in zip(prompts, completion_ids, strict=True)
            ]
            scored.extend((row, reward(row)) for row in rows)
            return [reward(row) for row in rows]

        with preserved_rng(), quiet():
            model = saved_model(place, seed=0)
            reference = TokenModel.of(model)
            material = {
                "model": model,
                "train_dataset": Dataset.from_list([{"prompt": " ".join(p)} for p in prompts]),
                "processing_class": words,
                "reward_funcs": [known_reward],
            }
            given = {"output_dir": str(place / "out"), **OPTIONS, **(options or {})}
            trainer = self.source.make(material, given)
        return OpenRolloutTrainer(trainer, reference, scored)
