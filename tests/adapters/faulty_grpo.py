"""GRPO trainers with one mistake each, made from TRL's own; and correct ones with other settings."""

from __future__ import annotations

import torch
import trl


class Rescored(trl.GRPOTrainer):
    """Changes what was made of the samples."""

    def alter(self, batch):
        return batch

    def _generate_and_score_completions(self, inputs):
        return self.alter(super()._generate_and_score_completions(inputs))


class Negated(Rescored):
    def alter(self, batch):
        batch["advantages"] = -batch["advantages"]
        return batch


class EndMasked(trl.GRPOTrainer):
    def _compute_loss(self, model, inputs):
        mask = inputs["completion_mask"].clone()
        last = mask.sum(1) - 1
        mask[torch.arange(len(mask)), last] = 0
        return super()._compute_loss(model, {**inputs, "tool_mask": mask})


class Regrouped(trl.GRPOTrainer):
    def _calculate_rewards(self, inputs, prompts, completions, completion_ids_list):
        rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        self.rewards = rewards[:, 0]
        return rewards

    def _generate_and_score_completions(self, inputs):
        batch = super()._generate_and_score_completions(inputs)
        across = self.rewards.view(self.num_generations, -1)
        made = (across - across.mean(0)) / (across.std(0) + 1e-4)
        batch["advantages"] = made.view(-1)
        return batch


class BatchBaseline(Regrouped):
    def _generate_and_score_completions(self, inputs):
        batch = super()._generate_and_score_completions(inputs)
        r = self.rewards
        batch["advantages"] = (r - r.mean()) / (r.std() + 1e-4)
        return batch


class OldRecomputed(trl.GRPOTrainer):
    def _compute_loss(self, model, inputs):
        kept = {k: v for k, v in inputs.items() if k != "old_per_token_logps"}
        return super()._compute_loss(model, kept)


class ClipMissing(trl.GRPOTrainer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.args.epsilon = 0.2

    def _compute_loss(self, model, inputs):
        low, high = self.epsilon_low, self.epsilon_high
        self.epsilon_low, self.epsilon_high = 1e9, 1e9
        try:
            return super()._compute_loss(model, inputs)
        finally:
            self.epsilon_low, self.epsilon_high = low, high


class KlRewarded(trl.GRPOTrainer):
    def _compute_loss(self, model, inputs):
        self.beta = -self.beta
        try:
            return super()._compute_loss(model, inputs)
        finally:
            self.beta = -self.beta


class TemperatureMissing(trl.GRPOTrainer):
    def __init__(self, *args, **kwargs):
        wanted = kwargs["args"].temperature
        kwargs["args"].temperature = 1.0
        super().__init__(*args, **kwargs)
        self.temperature = wanted


class DividedTwice(trl.GRPOTrainer):
    def _compute_loss(self, model, inputs):
        return super()._compute_loss(model, inputs) / self.current_gradient_accumulation_steps


class ReferenceFollows(trl.GRPOTrainer):
    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        if self.ref_model is None:
            return loss
        self.ref_model.load_state_dict(self.model.state_dict())
        return loss


class LossNegated(trl.GRPOTrainer):
    def _compute_loss(self, model, inputs):
        return super()._compute_loss(model, {**inputs, "advantages": -inputs["advantages"]})


class KlMissing(trl.GRPOTrainer):
    def _compute_loss(self, model, inputs):
        beta, self.beta = self.beta, 0.0
        try:
            return super()._compute_loss(model, inputs)
        finally:
            self.beta = beta


FAULTY = {
    Negated: "advantages-negated",
    EndMasked: "end-of-sequence-masked",
    Regrouped: "groups-regrouped",
    BatchBaseline: "groups-ignored",
    OldRecomputed: "old-log-probs-recomputed",
    ClipMissing: "clip-missing",
    KlRewarded: "kl-sign-flipped",
    TemperatureMissing: "temperature-missing-on-both-sides",
    DividedTwice: "accumulation-divided-twice",
    ReferenceFollows: "reference-trained",
    LossNegated: "policy-gradient-negated",
    KlMissing: "kl-missing",
}


def with_settings(**settings):
    """A factory of correct trainers."""

    def make(model, train_dataset, processing_class, reward_funcs, output_dir, **options):
        args = trl.GRPOConfig(output_dir=output_dir, **{**options, **settings})
        return trl.GRPOTrainer(
            model=model,
            args=args,
            train_dataset=train_dataset,
            processing_class=processing_class,
            reward_funcs=reward_funcs,
        )

    return make


CORRECT = {
    "class": trl.GRPOTrainer,
    "rloo": trl.RLOOTrainer,
    "original": with_settings(loss_type="grpo", use_bias_correction_kl=False),
    "dr_grpo": with_settings(loss_type="dr_grpo", scale_rewards="none"),
    "bnpo": with_settings(loss_type="bnpo"),
    "gspo": with_settings(importance_sampling_level="sequence", loss_type="grpo", beta=0.0),
    "no kl": with_settings(beta=0.0),
    "cispo": with_settings(loss_type="cispo", epsilon_high=5.0),
    "sapo": with_settings(loss_type="sapo"),
    "clip higher": with_settings(epsilon_high=0.28),
}
