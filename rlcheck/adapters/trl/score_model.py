"""What a reward model says about sequences, one at a time: the counterpart of `token_model`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlcheck.adapters.trl.tiny import PAD_ID
from rlcheck.adapters.trl.token_model import gradients_of


@dataclass(frozen=True)
class ScoreModel:
    """A copy in float64 of a reward model as it stands.

    Args:
        network: a body that returns hidden states [1, n, H], and `score`, H -> 1.
    """

    network: Any

    @staticmethod
    def of(model: Any) -> ScoreModel:
        """Copy the parameters of `model`, whatever it has been wrapped or patched with."""
        import torch
        from transformers import AutoModelForSequenceClassification

        network = AutoModelForSequenceClassification.from_config(model.config, dtype=torch.float64)
        network.load_state_dict(model.state_dict())
        return ScoreModel(network.eval())

    def scores(self, tokens: Sequence[int], width: int) -> np.ndarray:
        """[width] the score read at every position; behind the sequence, those of padding there."""
        import torch

        with torch.no_grad():
            return self._scores(tokens, width).numpy()

    def _scores(self, tokens: Sequence[int], width: int) -> Any:
        import torch

        count = len(tokens)
        own = self._read(torch.tensor([list(tokens)]), torch.ones(1, count, dtype=torch.long))
        if width == count:
            return own
        # What code reads that looks at the last column of a padded batch.
        padded = torch.full((1, width), PAD_ID)
        padded[0, :count] = torch.tensor(list(tokens))
        kept = (torch.arange(width) < count).long()[None]
        return torch.cat([own, self._read(padded, kept)[count:]])

    def _read(self, ids: Any, attention_mask: Any) -> Any:
        hidden = self.network.base_model(
            input_ids=ids, attention_mask=attention_mask
        ).last_hidden_state
        return self.network.score(hidden)[0, :, 0]

    def gradient(
        self, sequences: Sequence[Sequence[int]], weights: Sequence[np.ndarray]
    ) -> dict[str, np.ndarray]:
        """d/d(parameters) of sum_i sum_t weights[i][t] score_i[t]."""
        import torch

        self.network.zero_grad()
        for tokens, weight in zip(sequences, weights, strict=True):
            (self._scores(tokens, len(weight)) * torch.from_numpy(weight)).sum().backward()
        return gradients_of(self.network)
