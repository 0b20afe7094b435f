import numpy as np
import pytest
import torch
from llm_checks import verdict


def summed(log_probs: torch.Tensor, mask):
    return (log_probs * mask).sum(-1)


def averaged(per_token_logps: torch.Tensor, loss_mask, average_log_prob):
    total = (per_token_logps * loss_mask).sum(-1)
    return total / loss_mask.sum(-1) if average_log_prob else total


def assigned(logps: torch.Tensor, padding_mask):
    kept = logps.masked_fill(padding_mask.bool(), 0.0)
    return kept.sum(dim=1) / (~padding_mask.bool()).sum(dim=1).clamp(min=1)


def over_one_sequence(log_probs: list, mask: list):
    return sum(value for value, kept in zip(log_probs, mask, strict=True) if kept)


def without_mask(log_probs):
    return log_probs.sum(axis=-1)


@pytest.mark.parametrize("function", [summed, averaged, assigned, over_one_sequence, without_mask])
def test_correct_sequence_log_probs_pass(function):
    assert verdict("sequence-log-probs", function, examples=40)[0] == ()


def everything(log_probs: torch.Tensor, mask):
    return log_probs.sum(-1)


def by_width(log_probs: torch.Tensor, mask):
    return (log_probs * mask).mean(dim=1)


def without_first(log_probs: torch.Tensor, mask):
    return (log_probs[:, 1:] * mask[:, 1:]).sum(1)


def without_end(log_probs: torch.Tensor, mask):
    return (log_probs * mask)[:, :-1].sum(1) / mask.sum(1)


def all_together(log_probs: torch.Tensor, mask):
    total = (log_probs * mask).sum()
    return total.expand(len(mask))


def likelihood(log_probs: torch.Tensor, mask):
    return -(log_probs * mask).sum(dim=1)


def prefix(log_probs, mask):
    lengths = mask.sum(1).astype(int)
    return np.array([row[:n].sum() for row, n in zip(log_probs, lengths, strict=True)])


def frozen(log_probs: torch.Tensor, mask):
    return (log_probs.detach() * mask).sum(-1)


FAULTY_SEQUENCES = {
    "mask-ignored": everything,
    "padded-length-denominator": by_width,
    "first-token-dropped": without_first,
    "last-token-dropped": without_end,
    "summed-over-the-batch": all_together,
    "sign-flipped": likelihood,
    "lengths-for-positions": prefix,
    "graph-cut": frozen,
}


@pytest.mark.parametrize("fault", FAULTY_SEQUENCES)
def test_faulty_sequence_log_probs_are_caught_and_named(fault):
    failed, named = verdict("sequence-log-probs", FAULTY_SEQUENCES[fault], examples=40)
    assert failed
    assert named == fault


def masked_mean(values: torch.Tensor, mask):
    return (values * mask).sum() / (mask.sum() + 1e-8)


def mean_of_means(per_token_loss: torch.Tensor, completion_mask):
    rows = (per_token_loss * completion_mask).sum(-1) / completion_mask.sum(-1).clamp(min=1.0)
    return rows.mean()


def by_constant(per_token_loss: torch.Tensor, completion_mask, max_completion_length):
    total = (per_token_loss * completion_mask).sum()
    return total / (per_token_loss.size(0) * max_completion_length)


def by_global_count(losses, loss_mask, num_items_in_batch):
    return np.sum(losses * loss_mask) / num_items_in_batch


def selected(losses: torch.Tensor, mask):
    return losses[mask.bool()].mean()


@pytest.mark.parametrize(
    "function", [masked_mean, mean_of_means, by_constant, by_global_count, selected]
)
def test_correct_aggregates_pass(function):
    assert verdict("aggregate", function, examples=40)[0] == ()


def plain_mean(values: torch.Tensor, mask):
    return values.mean()


def zeroed_mean(values: torch.Tensor, mask):
    return (values * mask).mean()


def sum_of_means(values: torch.Tensor, mask):
    return ((values * mask).sum(1) / mask.sum(1)).sum()


def count_twice(values: torch.Tensor, mask):
    return (values * mask).sum() / mask.sum() / len(values)


def never_normalised(values: torch.Tensor, mask, denominator):
    return (values * mask).sum() / min(denominator, 1)


def deaf(values: torch.Tensor, mask, denominator):
    return (values * mask).sum() / mask.sum()


FAULTY_AGGREGATES = {
    "mask-ignored": plain_mean,
    "padded-length-denominator": zeroed_mean,
    "sum-of-means": sum_of_means,
    "normalised-twice": count_twice,
    "denominator-capped-at-one": never_normalised,
    "denominator-ignored": deaf,
}


@pytest.mark.parametrize("fault", FAULTY_AGGREGATES)
def test_faulty_aggregates_are_caught_and_named(fault):
    failed, named = verdict("aggregate", FAULTY_AGGREGATES[fault], examples=40)
    assert failed
    assert named == fault


def by_length_and_by_count(values: torch.Tensor, mask):
    return ((values * mask).sum(1) / mask.sum(1)).sum() / mask.sum()


def test_any_two_divisors_are_one_too_many():
    failed, named = verdict("aggregate", by_length_and_by_count, examples=40)
    assert failed
    assert named == "normalised-twice"


def poisoned_sum(log_probs: torch.Tensor, mask):
    return log_probs.masked_fill(~mask.bool(), 1.0).sum(dim=-1)


def test_a_fault_that_shows_in_empty_sequences_ends_in_a_verdict():
    failed, _ = verdict("sequence-log-probs", poisoned_sum, examples=15)
    assert failed


def crashes_in_a_branch(log_probs: torch.Tensor, mask, reduction="sum"):
    total = log_probs.masked_fill(~mask.bool(), 0.0).sum(dim=-1)
    return total / mask.bool().mean(dim=-1) if reduction == "mean" else total


def refuses_a_branch(log_probs: torch.Tensor, mask, reduction="sum"):
    if reduction == "mean":
        raise NotImplementedError("mean")
    return log_probs.masked_fill(~mask.bool(), 0.0).sum(dim=-1)


def test_every_option_that_a_function_names_is_tried_and_may_be_refused():
    failed, _ = verdict("sequence-log-probs", crashes_in_a_branch, examples=15)
    assert failed == ("every-option-is-as-declared",)
    failed, _ = verdict("sequence-log-probs", refuses_a_branch, examples=15)
    assert failed == ()
