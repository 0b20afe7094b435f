"""Functions of TRL, Liger and TorchRL behind adapters of a few lines, each imported where it is used."""

from __future__ import annotations

import math
from types import SimpleNamespace

import torch

# --- TRL ------------------------------------------------------------------------------------------


def trl_selective_log_softmax(logits: torch.Tensor, tokens, temperature):
    from trl.trainer.utils import selective_log_softmax

    return selective_log_softmax(logits / temperature, tokens)


def _trl_self(kind, level, beta, low, high, log_probs, tokens):
    """What `GRPOTrainer._compute_loss` reads of its trainer."""
    alike = SimpleNamespace(gather=lambda x: x, reduce=lambda x, reduction: x, num_processes=1)
    args = SimpleNamespace(
        delta=None, use_bias_correction_kl=False, steps_per_generation=1,
        sapo_temperature_pos=1.0, sapo_temperature_neg=1.05,
    )  # fmt: skip
    return SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (log_probs, 0 * log_probs.detach(), None),
        aux_loss_enabled=False, top_entropy_quantile=1.0, off_policy_mask_threshold=None,
        importance_sampling_level=level, beta=beta, args=args, loss_type=kind, epsilon_low=low,
        epsilon_high=high, use_vllm=False, model=SimpleNamespace(training=True), accelerator=alike,
        current_gradient_accumulation_steps=1, max_completion_length=tokens,
        _entropy_bonus_enabled=False, use_liger_kernel=False, entropy_coef=0.0,
        _metrics={"train": _Anything()}, vllm_importance_sampling_correction=False,
    )  # fmt: skip


class _Anything(dict):
    def __missing__(self, key):
        return []


def trl_grpo(kind, level="token"):
    def loss(log_probs: torch.Tensor, old_log_probs, ref_log_probs, advantages, mask, epsilon_low,
             epsilon_high, beta, max_completion_length):  # fmt: skip
        import trl

        ids = torch.zeros(mask.shape, dtype=torch.long)
        kept = mask.to(log_probs.dtype)
        own = _trl_self(
            kind, level, beta, epsilon_low, epsilon_high, log_probs, max_completion_length
        )
        inputs = {
            "prompt_ids": ids[:, :0], "prompt_mask": ids[:, :0], "completion_ids": ids,
            "completion_mask": kept, "advantages": advantages, "num_items_in_batch": kept.sum(),
            "old_per_token_logps": old_log_probs, "ref_per_token_logps": ref_log_probs,
        }  # fmt: skip
        return trl.GRPOTrainer._compute_loss(own, None, inputs)

    loss.__name__ = f"trl_{kind}_{level}"
    return loss


def without_divisor(function):
    """A loss that divides by no configured length."""

    def loss(log_probs: torch.Tensor, old_log_probs, ref_log_probs, advantages, mask, epsilon_low,
             epsilon_high, beta):  # fmt: skip
        given = (log_probs, old_log_probs, ref_log_probs, advantages, mask)
        return function(*given, epsilon_low, epsilon_high, beta, 1.0)

    loss.__name__ = function.__name__
    return loss


# --- Liger ----------------------------------------------------------------------------------------


def liger_grpo(kind, level="token"):
    def loss(log_probs: torch.Tensor, old_log_probs, ref_log_probs, advantages, mask, epsilon_low,
             epsilon_high, beta, max_completion_length):  # fmt: skip
        from liger_kernel.chunked_loss.grpo_loss import LigerFusedLinearGRPOFunction as Liger

        kept = mask.to(log_probs.dtype)
        value, _ = Liger.ppo_loss_fn(
            log_probs, kept, advantages, kept, ref_log_probs, old_log_probs, epsilon_low,
            epsilon_high, beta, kind, max_completion_length, level,
        )  # fmt: skip
        return value

    loss.__name__ = f"liger_{kind}_{level}"
    return loss


def liger_dpo(kind):
    def loss(
        chosen_logps: torch.Tensor, rejected_logps, ref_chosen_logps, ref_rejected_logps, beta
    ):
        from liger_kernel.chunked_loss.dpo_loss import LigerFusedLinearDPOFunction as Liger

        both = torch.zeros(2 * len(chosen_logps), 1)
        found = Liger.preference_loss_fn(
            chosen_logps, rejected_logps, both, ref_chosen_logps, ref_rejected_logps, beta, kind
        )
        return found[0] if isinstance(found, tuple) else found

    loss.__name__ = f"liger_dpo_{kind}"
    return loss


def liger_k3(log_probs: torch.Tensor, ref_log_probs):
    from liger_kernel.chunked_loss.grpo_loss import k3_loss_fn

    return k3_loss_fn(ref_log_probs, log_probs)


def liger_log_probs(logits: torch.Tensor, tokens, temperature):
    """Its chunked matrix product, with the identity as the matrix; it computes in float32."""
    from liger_kernel.chunked_loss.fused_linear_ppo import _ChunkedSelectiveLogProbFunction as Liger

    count = logits.shape[-1]
    rows, chunk = logits.reshape(-1, count), 2
    eye = torch.eye(count, dtype=logits.dtype)
    found = Liger.apply(rows, eye, tokens.reshape(-1), None, temperature, chunk)
    return found.reshape(tokens.shape)


# --- TorchRL --------------------------------------------------------------------------------------


def torchrl_loss(name, aggregation):
    def loss(log_probs: torch.Tensor, old_log_probs, advantages, mask, epsilon_low, epsilon_high):
        from torchrl.objectives.llm import grpo
        from torchrl.objectives.utils import _reduce

        own = SimpleNamespace(
            _clip_bounds=(math.log1p(-epsilon_low), math.log1p(epsilon_high)),
            aggregation=aggregation, reduction="mean",
            _reduce_loss=lambda value, tensordict, reduction, mask: _reduce(
                value, reduction, mask=mask
            ),
        )  # fmt: skip
        kept = mask.bool()
        # As `_log_weight` does before.
        moved = torch.where(kept, log_probs, 0.0) - torch.where(kept, old_log_probs, 0.0)
        kind = getattr(grpo, name)
        gains = advantages[:, None, None].expand(*mask.shape, 1)
        terms, _ = kind._compute_policy_objective(own, moved.unsqueeze(-1), gains)
        return kind._aggregate_loss_value(own, terms, kept).squeeze()

    loss.__name__ = f"torchrl_{name}_{aggregation}"
    return loss


def torchrl_k3(log_probs: torch.Tensor, ref_log_probs):
    from torchrl.objectives.llm.distillation import k3_kl_token_estimate

    return k3_kl_token_estimate(ref_log_probs, log_probs)


def torchrl_grpo_with_kl(log_probs: torch.Tensor, old_log_probs, ref_log_probs, advantages, mask,
                         clip_epsilon, kl_coef):  # fmt: skip
    from torchrl.objectives.llm.grpo import GRPOLoss

    policy = torchrl_loss("GRPOLoss", "token_mean")(
        log_probs, old_log_probs, advantages, mask, clip_epsilon, clip_epsilon
    )
    own = SimpleNamespace(kl_to_ref_coeff=kl_coef)
    penalty, _ = GRPOLoss._kl_to_ref(
        own, {"_cur_log_prob": log_probs}, ref_log_prob=ref_log_probs, mask=mask.bool()
    )
    return policy + penalty
