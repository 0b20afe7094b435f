"""TRL's, Liger's and TorchRL's own functions: right ones pass, and what is wrong in them is named."""

import importlib.util

import llm_libraries as libraries
import pytest
from llm_checks import DIFFERENTIATED
from llm_checks import verdict as tokens_verdict
from policy_checks import verdict

WRT = {
    "grpo-loss": "log_probs",
    "dpo-loss": ("policy_chosen_logps", "policy_rejected_logps"),
}


def library(function):
    name = function.__name__.partition("_")[0]
    return {"liger": "liger_kernel"}.get(name, name)


def subject(contract, function, *, slow=True):
    missing = importlib.util.find_spec(library(function)) is None
    marks = [pytest.mark.skipif(missing, reason=f"{library(function)} is not installed")]
    marks += [pytest.mark.slow] if slow else []
    return pytest.param(contract, function, marks=marks, id=f"{contract}-{function.__name__}")


def failures(contract, function, examples):
    if contract in DIFFERENTIATED:
        return tokens_verdict(contract, function, examples=examples)
    return verdict(contract, function, wrt=WRT[contract], examples=examples)


TRL = [libraries.trl_grpo(kind) for kind in ("grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo")]
LIGER = [
    libraries.liger_grpo(kind) for kind in ("grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo")
]
CORRECT = [
    subject("token-log-probs", libraries.trl_selective_log_softmax, slow=False),
    subject("token-log-probs", libraries.liger_log_probs),
    subject("kl-estimate", libraries.liger_k3),
    subject("kl-estimate", libraries.torchrl_k3, slow=False),
    subject("dpo-loss", libraries.liger_dpo("sigmoid"), slow=False),
    subject("dpo-loss", libraries.liger_dpo("hinge")),
    *(subject("grpo-loss", function) for function in (*TRL, *LIGER)),
    subject("grpo-loss", libraries.trl_grpo("grpo", "sequence")),
    subject("grpo-loss", libraries.liger_grpo("grpo", "sequence")),
    subject("grpo-loss", libraries.without_divisor(libraries.trl_grpo("luspo"))),
    subject("grpo-loss", libraries.torchrl_loss("GRPOLoss", "token_mean"), slow=False),
    subject("grpo-loss", libraries.torchrl_loss("GRPOLoss", "prompt_mean")),
    subject("grpo-loss", libraries.torchrl_loss("DAPO", "token_mean")),
]


@pytest.mark.parametrize(("contract", "function"), CORRECT)
def test_functions_of_libraries_pass(contract, function):
    failed, named = failures(contract, function, examples=20)
    assert failed == (), named


FOUND = {
    # docs/findings.md; LUSPO's mean over the padded grid, unmasked, is none of the catalogue's.
    libraries.torchrl_loss("CISPOLoss", "token_mean"): "minimum-missing",
    libraries.torchrl_grpo_with_kl: "kl-outside-mask",
    libraries.without_divisor(libraries.liger_grpo("luspo")): "",
}


@pytest.mark.parametrize(
    ("contract", "function"), [subject("grpo-loss", function) for function in FOUND]
)
def test_what_is_wrong_in_libraries_is_found(contract, function):
    failed, named = failures(contract, function, examples=20)
    assert failed
    assert named == FOUND[function]
