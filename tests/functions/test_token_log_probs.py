import numpy as np
import pytest
import torch
import torch.nn.functional as F
from llm_checks import verdict


def by_gather(logits: torch.Tensor, labels):
    return torch.log_softmax(logits, dim=-1).gather(-1, labels.unsqueeze(-1)).squeeze(-1)


def by_logsumexp(logits: torch.Tensor, index, temperature=1.0):
    scaled = logits / temperature
    chosen = scaled.gather(-1, index.unsqueeze(-1)).squeeze(-1)
    return chosen - torch.stack([row.logsumexp(dim=-1) for row in scaled])


def by_cross_entropy(logits: torch.Tensor, input_ids, response_mask, temperature):
    flat = (logits / temperature).reshape(-1, logits.shape[-1])
    nll = F.cross_entropy(flat, input_ids.reshape(-1), reduction="none")
    return -nll.view_as(input_ids) * response_mask


def by_categorical(logits: torch.Tensor, actions):
    return torch.distributions.Categorical(logits=logits).log_prob(actions)


def single_precision(logits: torch.Tensor, tokens, mask):
    values = by_gather(logits.float(), tokens)
    return values.masked_fill(~mask.bool(), 0.0)


def sentinel(logits: torch.Tensor, tokens, padding_mask):
    return torch.masked_fill(by_gather(logits, tokens), padding_mask.bool(), 1.0)


def with_entropy(logits: torch.Tensor, tokens, temperature):
    table = F.log_softmax(logits / temperature, -1)
    return table.gather(-1, tokens[..., None])[..., 0], -(table.exp() * table).sum(-1)


def for_one_sequence(logits: torch.Tensor, tokens):
    assert logits.ndim == 2
    return torch.log_softmax(logits, -1)[torch.arange(len(tokens)), tokens]


def in_numpy(logits, tokens):
    top = logits.max(-1, keepdims=True)
    table = logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))
    return np.take_along_axis(table, tokens[..., None], -1)[..., 0]


def in_plain_python(logits: list, tokens: list):
    def one(row, token):
        top = max(row)
        return row[token] - top - np.log(sum(np.exp(x - top) for x in row))

    return [
        [one(row, token) for row, token in zip(rows, ids, strict=True)]
        for rows, ids in zip(logits, tokens, strict=True)
    ]


@pytest.mark.parametrize(
    "function",
    [
        by_gather,
        by_logsumexp,
        by_cross_entropy,
        by_categorical,
        single_precision,
        sentinel,
        with_entropy,
        for_one_sequence,
        in_numpy,
        in_plain_python,
    ],
)
def test_correct_functions_pass(function):
    assert verdict("token-log-probs", function)[0] == ()


def test_jax():
    jax = pytest.importorskip("jax")

    def log_probs(logits: "jax.Array", tokens, mask):
        table = jax.nn.log_softmax(logits, axis=-1)
        chosen = jax.numpy.take_along_axis(table, tokens[..., None], axis=-1)[..., 0]
        return jax.numpy.where(mask, chosen, 0.0)

    assert verdict("token-log-probs", log_probs, examples=30)[0] == ()


def test_trl_selective_log_softmax():
    utils = pytest.importorskip("trl.trainer.utils", reason="trl is not installed")

    def selective(logits: torch.Tensor, index):
        return utils.selective_log_softmax(logits, index)

    assert verdict("token-log-probs", selective)[0] == ()


def scored_by_neighbour(logits: torch.Tensor, tokens, mask):
    inner = by_gather(logits[:, :-1], tokens[:, 1:])
    return F.pad(inner, (1, 0)) * mask


def late(logits: torch.Tensor, labels):
    return torch.roll(by_gather(logits, labels), shifts=1, dims=1)


def forgets_mask(logits: torch.Tensor, tokens, mask, temperature):
    return by_gather(logits / temperature, tokens)


def keeps_padding(logits: torch.Tensor, tokens, mask):
    return by_gather(logits, tokens) * (1 - mask.to(logits.dtype))


def mask_of_the_state(logits: torch.Tensor, tokens, mask):
    kept = torch.cat([mask[:, :1] * 0, mask[:, :-1]], 1)
    return by_gather(logits, tokens) * kept


def cold(logits: torch.Tensor, tokens, temperature):
    return by_gather(logits, tokens)


def upside_down(logits: torch.Tensor, tokens, temp):
    return by_gather(logits * temp, tokens)


def afterwards(logits: torch.Tensor, tokens, temperature):
    return by_gather(logits, tokens) / temperature


def raw_scores(logits: torch.Tensor, tokens):
    return logits.gather(2, tokens[:, :, None])[:, :, 0]


def forgets_logarithm(logits: torch.Tensor, tokens):
    return logits.softmax(-1).gather(-1, tokens[..., None]).squeeze(-1)


def underflows(logits: torch.Tensor, tokens, temperature):
    return (logits / temperature).softmax(-1).gather(-1, tokens[..., None]).squeeze(-1).log()


def floored(logits: torch.Tensor, tokens):
    return torch.log(logits.softmax(-1) + 1e-8).gather(-1, tokens[..., None]).squeeze(-1)


def over_time(logits: torch.Tensor, tokens):
    return logits.log_softmax(1).gather(-1, tokens[..., None]).squeeze(-1)


def twice(logits: torch.Tensor, tokens):
    return by_gather(logits.softmax(-1), tokens)


def confident(logits: torch.Tensor, tokens):
    return logits.log_softmax(-1).max(-1).values


def loss_for_log_prob(logits: torch.Tensor, tokens):
    return F.cross_entropy(logits.transpose(1, 2), tokens, reduction="none")


def transposed(logits: torch.Tensor, tokens):
    flat = by_gather(logits.reshape(-1, logits.shape[-1]), tokens.t().reshape(-1))
    return flat.view(tokens.shape)


def detached(logits: torch.Tensor, tokens):
    return by_gather(logits.detach(), tokens)


def constant_normaliser(logits: torch.Tensor, tokens):
    return raw_scores(logits, tokens) - logits.logsumexp(-1).detach()


def naive(logits, tokens):
    raised = np.exp(logits)
    table = np.log(raised / raised.sum(-1, keepdims=True))
    return np.take_along_axis(table, tokens[..., None], -1)[..., 0]


FAULTY = {
    "logits-shifted": scored_by_neighbour,
    "result-shifted": late,
    "mask-ignored": forgets_mask,
    "mask-inverted": keeps_padding,
    "mask-shifted": mask_of_the_state,
    "temperature-ignored": cold,
    "temperature-multiplied": upside_down,
    "temperature-after-the-softmax": afterwards,
    "normaliser-missing": raw_scores,
    "logarithm-missing": forgets_logarithm,
    "logarithm-of-the-softmax": underflows,
    "normalised-over-the-wrong-axis": over_time,
    "softmax-twice": twice,
    "greedy-token-scored": confident,
    "sign-flipped": loss_for_log_prob,
    "batch-and-time-mixed": transposed,
    "graph-cut": detached,
    "normaliser-detached": constant_normaliser,
    "exponential-overflows": naive,
}


@pytest.mark.parametrize("fault", FAULTY)
def test_faulty_functions_are_caught_and_named(fault):
    failed, named = verdict("token-log-probs", FAULTY[fault])
    assert failed
    assert named == fault


def test_a_floor_is_caught_and_named():
    failed, named = verdict("token-log-probs", floored)
    assert failed
    assert named == "logarithm-of-the-softmax"
