"""Trainers of reward models with one mistake each, made from TRL's own; and correct ones."""

from __future__ import annotations

import torch
import trl
from torch.nn.functional import logsigmoid


class Altered(trl.RewardTrainer):
    """Changes the batch before the loss is computed."""

    def alter(self, inputs):
        return inputs

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return super().compute_loss(model, self.alter(dict(inputs)), return_outputs)


class Swapped(Altered):
    def alter(self, inputs):
        for name in ("input_ids", "attention_mask"):
            chosen, rejected = inputs[name].chunk(2)
            inputs[name] = torch.cat([rejected, chosen])
        return inputs


class MarginAdded(Altered):
    def alter(self, inputs):
        if "margin" in inputs:
            inputs["margin"] = -inputs["margin"]
        return inputs


class MarginLost(Altered):
    def alter(self, inputs):
        inputs.pop("margin", None)
        return inputs


class OwnLoss(trl.RewardTrainer):
    """Reads scores by itself; right where nothing is overridden."""

    def position(self, mask):
        return mask.sum(1) - 1

    def scores(self, model, ids, mask):
        hidden = model.model(input_ids=ids, attention_mask=mask).last_hidden_state
        table = model.score(hidden)[..., 0]
        return table[torch.arange(len(table)), self.position(mask)]

    def split(self, scores):
        return scores.chunk(2)

    def centre(self, chosen, rejected):
        return ((chosen + rejected) ** 2).mean()

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        scores = self.scores(model, inputs["input_ids"], inputs["attention_mask"])
        chosen, rejected = self.split(scores)
        loss = -logsigmoid(chosen - rejected - inputs.get("margin", 0.0)).mean()
        if self.args.center_rewards_coefficient:
            loss = loss + self.args.center_rewards_coefficient * self.centre(chosen, rejected)
        return loss


class LastColumn(OwnLoss):
    def position(self, mask):
        return torch.full((len(mask),), mask.shape[1] - 1)


class OneTooFar(OwnLoss):
    def position(self, mask):
        return mask.sum(1).clamp(max=mask.shape[1] - 1)


class BeforeTheEnd(OwnLoss):
    def position(self, mask):
        return mask.sum(1) - 2


class FirstToken(OwnLoss):
    def position(self, mask):
        return torch.zeros(len(mask), dtype=torch.long)


class Interleaved(OwnLoss):
    def split(self, scores):
        return scores[::2], scores[1::2]


class RejectedDetached(OwnLoss):
    def split(self, scores):
        chosen, rejected = scores.chunk(2)
        return chosen, rejected.detach()


class CentreSubtracted(OwnLoss):
    def centre(self, chosen, rejected):
        return -super().centre(chosen, rejected)


class CentreOfDifferences(OwnLoss):
    def centre(self, chosen, rejected):
        return ((chosen - rejected) ** 2).mean()


class CentreLost(OwnLoss):
    def centre(self, chosen, rejected):
        return 0.0


class Negated(trl.RewardTrainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return -super().compute_loss(model, inputs)


class Summed(trl.RewardTrainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return super().compute_loss(model, inputs) * (len(inputs["input_ids"]) // 2)


class DividedTwice(trl.RewardTrainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        return super().compute_loss(model, inputs) / self.args.gradient_accumulation_steps


class OwnPlainLoss(trl.RewardTrainer):
    """The last column, and neither margins nor centring: several mistakes in one."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        hidden = model.model(inputs["input_ids"], inputs["attention_mask"]).last_hidden_state
        chosen, rejected = model.score(hidden)[:, -1, 0].chunk(2)
        return -logsigmoid(chosen - rejected).mean()


FAULTY = {
    OwnPlainLoss: "padding-scored",
    Swapped: "pair-swapped",
    MarginAdded: "margin-sign-flipped",
    MarginLost: "margin-ignored",
    LastColumn: "padding-scored",
    OneTooFar: "padding-scored",
    BeforeTheEnd: "end-of-sequence-not-scored",
    FirstToken: "first-token-scored",
    Interleaved: "rows-mixed",
    RejectedDetached: "rejected-without-gradient",
    CentreSubtracted: "centring-sign-flipped",
    CentreOfDifferences: "differences-centred",
    CentreLost: "centring-ignored",
    Negated: "loss-negated",
    Summed: "batch-summed",
    DividedTwice: "accumulation-divided-twice",
}


def make_reward_trainer(model, train_dataset, processing_class, output_dir, **options):
    """A factory of correct trainers."""
    args = trl.RewardConfig(output_dir=output_dir, **options)
    return trl.RewardTrainer(
        model=model, args=args, train_dataset=train_dataset, processing_class=processing_class
    )


def make_left_padded(model, train_dataset, processing_class, output_dir, **options):
    """The same with a collator that pads on the left."""
    trainer = make_reward_trainer(model, train_dataset, processing_class, output_dir, **options)
    right = trainer.data_collator

    def left(examples):
        batch = right(examples)
        ids, mask = batch["input_ids"], batch["attention_mask"]
        moved = [
            torch.roll(row, int((kept == 0).sum())) for row, kept in zip(ids, mask, strict=True)
        ]
        batch["input_ids"] = torch.stack(moved)
        batch["attention_mask"] = mask.flip(1)
        return batch

    trainer.data_collator = left
    return trainer


CORRECT = {
    "class": trl.RewardTrainer,
    "own loss": OwnLoss,
    "factory": make_reward_trainer,
    "left padding": make_left_padded,
}
