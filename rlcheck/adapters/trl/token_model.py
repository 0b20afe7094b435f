"""What a language model says about whole sequences, one at a time and without any padding.

This is the independent side of every comparison with a trainer: plain forward passes in float64 over
single sequences, so that masks, padding, shifts and batches cannot go wrong here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Gradient = Mapping[str, np.ndarray]
"""Name of a parameter -> its gradient, float64."""


@dataclass(frozen=True)
class TokenModel:
    """A copy in float64 of a causal language model as it stands.

    Args:
        network: takes `input_ids` [1, n] and returns `logits` [1, n, V].
    """

    network: Any

    @staticmethod
    def of(model: Any) -> TokenModel:
        """Copy the parameters of `model`, whatever it has been wrapped or patched with."""
        import torch
        from transformers import AutoModelForCausalLM

        network = AutoModelForCausalLM.from_config(model.config, dtype=torch.float64)
        network.load_state_dict(model.state_dict())
        return TokenModel(network.eval())

    def log_probs(self, tokens: Sequence[int], temperature: float = 1.0) -> np.ndarray:
        """[n - 1] log p(x_t | x_<t) for t = 1 .. n - 1."""
        import torch

        with torch.no_grad():
            return self._log_probs(tokens, temperature, 1).numpy()

    def next_token(self, tokens: Sequence[int], temperature: float = 1.0) -> np.ndarray:
        """[V] p(x | tokens) of every token that may follow."""
        import torch

        with torch.no_grad():
            logits = self.network(input_ids=torch.tensor([list(tokens)])).logits[0, -1]
            return torch.softmax(logits / temperature, dim=-1).numpy()

    def unshifted_log_probs(self, tokens: Sequence[int]) -> np.ndarray:
        """[n - 1] log p(x_t | x_<=t): what code reads that forgets to shift, t = 1 .. n - 1."""
        import torch

        with torch.no_grad():
            return self._log_probs(tokens, 1.0, 0).numpy()

    def _log_probs(self, tokens: Sequence[int], temperature: float, shift: int) -> Any:
        import torch

        ids = torch.tensor([list(tokens)])
        logits = self.network(input_ids=ids).logits[0] / temperature
        rows = torch.log_softmax(logits, dim=-1)[1 - shift : len(tokens) - shift]
        return rows.gather(-1, ids[0, 1:, None])[:, 0]

    def gradient(
        self,
        sequences: Sequence[Sequence[int]],
        weights: Sequence[np.ndarray],
        *,
        temperature: float = 1.0,
        shift: int = 1,
    ) -> dict[str, np.ndarray]:
        """d/d(parameters) of sum_i sum_t weights[i][t] log p(x_t | x_<t)."""
        import torch

        self.network.zero_grad()
        for tokens, weight in zip(sequences, weights, strict=True):
            (
                self._log_probs(tokens, temperature, shift) * torch.from_numpy(weight)
            ).sum().backward()
        return gradients_of(self.network)


def gradients_of(model: Any) -> dict[str, np.ndarray]:
    """Name -> gradient of every parameter that has one."""
    return {
        name: parameter.grad.detach().cpu().double().numpy()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def distance(seen: Gradient, expected: Gradient) -> float:
    """Norm of the difference over the norm of the expected gradient (over 1e-12 where it vanishes)."""
    names = sorted({*seen, *expected})
    zero = np.zeros(())
    off = sum(np.sum((seen.get(n, zero) - expected.get(n, zero)) ** 2) for n in names)
    size = sum(np.sum(expected[n] ** 2) for n in expected)
    return float(np.sqrt(off) / max(np.sqrt(size), 1e-12))


def along(seen: Gradient, expected: Gradient) -> float:
    """How many times one gradient contains another: <seen, expected> / |expected|^2."""
    square = sum(np.sum(expected[n] ** 2) for n in expected)
    both = sum(np.sum(seen[n] * expected[n]) for n in expected if n in seen)
    return float(both / max(square, 1e-30))
