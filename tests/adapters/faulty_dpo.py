"""DPO trainers with one mistake each, made from TRL's own; and correct ones with other settings."""

from __future__ import annotations

import torch
import trl


class Altered(trl.DPOTrainer):
    """Changes the batch before the loss is computed."""

    def alter(self, inputs):
        return inputs

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return super().compute_loss(model, self.alter(dict(inputs)), return_outputs)


class Swapped(Altered):
    def alter(self, inputs):
        for name in ("input_ids", "attention_mask", "completion_mask"):
            chosen, rejected = inputs[name].chunk(2)
            inputs[name] = torch.cat([rejected, chosen])
        return inputs


class EndMasked(Altered):
    def alter(self, inputs):
        end = inputs["input_ids"] == self.processing_class.eos_token_id
        inputs["completion_mask"] = inputs["completion_mask"] * ~end
        return inputs


class MaskLate(Altered):
    def alter(self, inputs):
        mask = inputs["completion_mask"]
        inputs["completion_mask"] = torch.cat([torch.zeros_like(mask[:, :1]), mask[:, :-1]], 1)
        return inputs


class PaddingCounts(Altered):
    def alter(self, inputs):
        inputs["attention_mask"] = torch.ones_like(inputs["attention_mask"])
        inputs["completion_mask"] = (inputs["completion_mask"].cumsum(1) > 0).long()
        return inputs


class RejectedPromptCounts(Altered):
    def alter(self, inputs):
        mask = inputs["completion_mask"].clone()
        half = len(mask) // 2
        mask[half:] = inputs["attention_mask"][half:]
        inputs["completion_mask"] = mask
        return inputs


class ReferenceIsPolicy(trl.DPOTrainer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.ref_model = self.model


class ReferenceFollows(trl.DPOTrainer):
    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        self.ref_model.load_state_dict(self.model.state_dict())
        return loss


class ReferenceIgnored(trl.DPOTrainer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        forward = self.ref_model.forward

        def silent(*args, **kwargs):
            outputs = forward(*args, **kwargs)
            outputs.log_probs = 0 * outputs.log_probs
            return outputs

        self.ref_model.forward = silent


class BetaTwice(trl.DPOTrainer):
    def _compute_loss(self, *args, **kwargs):
        beta = self.beta
        self.beta = beta * beta
        try:
            return super()._compute_loss(*args, **kwargs)
        finally:
            self.beta = beta


class BetaFixed(trl.DPOTrainer):
    def __init__(self, *args, **kwargs):
        kwargs["args"].beta = 0.1
        super().__init__(*args, **kwargs)


class Summed(trl.DPOTrainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return super().compute_loss(model, inputs) * (len(inputs["input_ids"]) // 2)


class DividedTwice(trl.DPOTrainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return super().compute_loss(model, inputs) / self.args.gradient_accumulation_steps


class Negated(trl.DPOTrainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return -super().compute_loss(model, inputs)


class DropoutOn(trl.DPOTrainer):
    def __init__(self, *args, **kwargs):
        kwargs["args"].disable_dropout = False
        super().__init__(*args, **kwargs)


FAULTY = {
    Swapped: "pair-swapped",
    EndMasked: "end-of-sequence-masked",
    MaskLate: "mask-late",
    PaddingCounts: "padding-counted",
    RejectedPromptCounts: "prompt-in-rejected",
    ReferenceIsPolicy: "reference-is-policy",
    ReferenceFollows: "reference-trained",
    ReferenceIgnored: "reference-ignored",
    BetaTwice: "beta-squared",
    BetaFixed: "beta-ignored",
    Summed: "batch-summed",
    DividedTwice: "accumulation-divided-twice",
    Negated: "loss-negated",
    DropoutOn: "dropout-on",
}


def with_settings(**settings):
    """A factory of correct trainers."""

    def make(model, train_dataset, processing_class, output_dir, beta=0.1, **options):
        args = trl.DPOConfig(output_dir=output_dir, beta=beta, **{**options, **settings})
        return trl.DPOTrainer(
            model=model, args=args, train_dataset=train_dataset, processing_class=processing_class
        )

    return make


class PadIsMasked(trl.DPOTrainer):
    """Masks whatever equals the padding token, the end of the sequence where that is one."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        kept = inputs["input_ids"] != self.processing_class.pad_token_id
        mask = inputs["completion_mask"] * kept
        return super().compute_loss(model, {**inputs, "completion_mask": mask}, return_outputs)


FAULTY[PadIsMasked] = "end-of-sequence-masked"
CORRECT = {
    "class": trl.DPOTrainer,
    "ipo": with_settings(loss_type=["ipo"]),
    "length-normalised": with_settings(loss_type=["sigmoid_norm"]),
    "robust": with_settings(loss_type=["robust"], label_smoothing=0.1),
    "apo_zero": with_settings(loss_type=["apo_zero"]),
    "weighted sum": with_settings(loss_type=["sigmoid", "bco_pair"], loss_weights=[0.8, 0.2]),
    "reference computed first": with_settings(precompute_ref_log_probs=True),
}
