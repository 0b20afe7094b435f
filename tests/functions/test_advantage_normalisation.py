import statistics

import numpy as np
import pytest
import torch
from libraries import in_jax
from row_checks import named_first, verdict

import rlcheck
from property_tests.advantage_normalisation import CONTRACT as BOUND
from rlcheck.contracts import Options

CONTRACT = "advantage-normalisation"


def cleanrl(mb_advantages: torch.Tensor):
    return (mb_advantages - mb_advantages.mean()) / (mb_advantages.std() + 1e-8)


def biased(adv: torch.Tensor):
    return (adv - adv.mean()) / (adv.std(unbiased=False) + 1e-5)


def floored(advantages: torch.Tensor):
    return (advantages - advantages.mean()) / advantages.std().clamp_min(1e-6)


def masked_whiten(values: torch.Tensor, mask, shift_mean=True):
    mean = (values * mask).sum() / mask.sum()
    var = ((values - mean) ** 2 * mask).sum() / mask.sum()
    var = var * mask.sum() / (mask.sum() - 1)
    whitened = (values - mean) * torch.rsqrt(var + 1e-8)
    return whitened if shift_mean else whitened + mean


def with_jax(advantages):
    import jax

    return (advantages - jax.numpy.mean(advantages)) / (jax.numpy.std(advantages) + 1e-8)


def of_the_library(advantages: list):
    mean, std = statistics.fmean(advantages), statistics.stdev(advantages)
    return [(a - mean) / (std + 1e-8) for a in advantages]


def guarded(x):
    std = x.std()
    return (x - x.mean()) / std if std > 1e-8 else x - x.mean()


def single_precision(advantages: torch.Tensor):
    a = advantages.float()
    return (a - a.mean()) / (a.std() + 1e-8)


def with_options(advantages: torch.Tensor, eps, unbiased):
    return (advantages - advantages.mean()) / (advantages.std(unbiased=unbiased) + eps)


BIND = {cleanrl: {"advantages": "mb_advantages"}}
CORRECT = (
    cleanrl, biased, floored, masked_whiten, in_jax(with_jax, slow=False), of_the_library, guarded,
    single_precision, with_options,
)  # fmt: skip


@pytest.mark.parametrize("function", CORRECT, ids=lambda f: f.__name__)
def test_correct_functions_pass(function):
    assert verdict(CONTRACT, function, bind=BIND.get(function, {}))[0] == ()


def test_conventions_are_inferred():
    dialect = BOUND.bind(biased, Options()).dialect
    assert (dialect["ddof"], dialect["eps"], dialect["eps_in"]) == (0, 1e-5, "std")


def precedence(advantages: torch.Tensor):
    return advantages - advantages.mean() / advantages.std() + 1e-8


def only_centred(advantages):
    return advantages - np.mean(advantages)


def only_scaled(advantages: torch.Tensor):
    return advantages / (advantages.std() + 1e-8)


def by_the_variance(advantages: torch.Tensor):
    return (advantages - advantages.mean()) / (advantages.var() + 1e-8)


def per_column(advantages):
    return (advantages - advantages.mean(axis=0)) / (advantages.std(axis=0) + 1e-8)


def per_row(advantages: torch.Tensor):
    return (advantages - advantages.mean(-1, keepdim=True)) / (
        advantages.std(-1, unbiased=False, keepdim=True) + 1e-8
    )


def minimum_maximum(adv):
    return (adv - adv.min()) / (adv.max() - adv.min() + 1e-8)


def unguarded(advantages: torch.Tensor):
    return (advantages - advantages.mean()) / advantages.std()


def padding_counts(advantages: torch.Tensor, mask):
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8) * mask


def zeros_count(advantages: torch.Tensor, mask):
    kept = advantages * mask
    return (advantages - kept.mean()) / (kept.std() + 1e-8) * mask


def flipped(advantages: torch.Tensor):
    return (advantages.mean() - advantages) / (advantages.std() + 1e-8)


def large_epsilon(advantages):
    return (advantages - advantages.mean()) / (advantages.std() + 0.1)


def clips(advantages: torch.Tensor):
    return ((advantages - advantages.mean()) / (advantages.std() + 1e-8)).clamp(-1, 1)


def mean_absolute(advantages):
    centred = advantages - advantages.mean()
    return centred / (np.abs(centred).mean() + 1e-8)


FAULTY = {
    "parentheses-missing": (precedence,),
    "std-missing": (only_centred,),
    "mean-not-subtracted": (only_scaled,),
    "variance-for-std": (by_the_variance,),
    "normalised-per-column": (per_column, per_row),
    "scaled-to-a-range": (minimum_maximum,),
    "constant-divides-by-zero": (unguarded,),
    "mask-ignored": (padding_counts,),
    "masked-counted-as-zeros": (zeros_count,),
    "sign-flipped": (flipped,),
    "eps-too-large": (large_epsilon,),
    "clipped": (clips,),
    "another-scale": (mean_absolute,),
}


@pytest.mark.slow
def test_faulty_functions_are_caught_and_named():
    missed, share = named_first(CONTRACT, FAULTY)
    assert not missed
    assert share >= 0.85


def test_missing_parentheses_are_named_through_the_public_interface():
    report = rlcheck.check(precedence, CONTRACT, max_examples=20)
    assert report.diagnosis[0].fault == f"{CONTRACT}/parentheses-missing"
