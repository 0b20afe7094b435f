"""Log-probabilities of the tokens of a batch of sequences under a language model's logits.

    log pi(y_bt) = z_bt[y_bt] - log(sum_v exp(z_bt[v])),    z = logits / temperature
    d log pi(y_bt) / d logits_bt[v] = ([v = y_bt] - softmax(z_bt)[v]) / temperature

Logits and tokens are aligned: `logits[b, t]` is the prediction *of* `tokens[b, t]`. Where the function
takes a mask, places that do not count are 0 (or 1, a sentinel that some libraries use) and have no
gradient. Faulty versions stand in `token_log_probs_faults.py`.

References: Williams 1992, eq. 4 (the score of a softmax); masking and temperature in policy
optimisation of language models: Ziegler et al. 2019, arXiv:1909.08593, section 2.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from property_tests import llm_cases
from property_tests.framework.gradients import compare_gradient, gradient_agreement
from property_tests.framework.models import Run
from property_tests.framework.records import (
    Array,
    Case,
    Convention,
    Domain,
    FunctionContract,
    Mismatch,
    Property,
)
from property_tests.losses import convention_parameter, require
from property_tests.token_gradients import NO_GRADIENT, build_tokens, weights
from property_tests.token_log_probs_faults import FAULTS
from rlcheck.functions.binding import Facts, Parameter
from rlcheck.functions.calling import Output
from rlcheck.functions.layouts import Layout

TEMPERATURES = (1.0, 0.7, 2.0, 0.5)
NUMBERS = (0.0, 1.0, -1.0, 0.5, 3.0, -2.0)
SPREADS = (1.0, 10.0, 1000.0)
"""Factors on the logits: at 10 a small constant inside a logarithm shows, at 1000 exp overflows."""


def oracle(
    logits: Array, tokens: Array, mask: Array, temperature: float, masked: float = 0.0
) -> tuple[Array, Array]:
    """The log-probabilities and the gradient of their weighted sum, place by place."""
    values, gradient = np.full(tokens.shape, float(masked)), np.zeros(logits.shape)
    weight = weights(tokens.shape)
    for b, t in np.argwhere(mask):
        scores = [z / temperature for z in logits[b, t]]
        peak = max(scores)
        normaliser = peak + math.log(sum(math.exp(z - peak) for z in scores))
        values[b, t] = scores[tokens[b, t]] - normaliser
        for v, score in enumerate(scores):
            slope = (v == tokens[b, t]) - math.exp(score - normaliser)
            gradient[b, t, v] = weight[b, t] * slope / temperature
    return values, gradient


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """Logits and tokens must be named; a mask may be."""
    require(names, "logits", "tokens")
    return llm_cases.capabilities(names, conventions)


def from_drawn(drawn: dict[str, Array]) -> dict[str, Array]:
    """Logits of a vocabulary of the size drawn, and tokens inside it."""
    size, spread = int(drawn.pop("size")), float(drawn.pop("spread"))
    return drawn | {
        "logits": spread * drawn["logits"][..., :size],
        "tokens": drawn["tokens"] % size,
    }


def cases(where: Domain) -> st.SearchStrategy[Case]:
    """Vocabularies of 2 to 4 tokens, small and large logits."""
    strategy = llm_cases.token_batches(
        {
            "logits": list(itertools.product(NUMBERS, repeat=4)),
            "tokens": (0, 1, 2, 3),
        },
        from_drawn,
        hypers={"temperature": TEMPERATURES, "size": (3, 2, 4), "spread": SPREADS},
        empty_rows=True,
    )
    return strategy(where)


def tolerance(case: Case, epsilon: float) -> float:
    """Rounding of a difference of two scores, and of the exponentials in its gradient."""
    largest = llm_cases.largest_kept(case, "logits") / min(case["temperature"], 1.0)
    return 32.0 * epsilon * case["logits"].shape[-1] * (1.0 + largest)


def normalised(run: Run, case: Case) -> Mismatch | None:
    """The probabilities of all tokens at a place sum to 1."""
    tokens = range(case["logits"].shape[-1])
    chosen = [{**case, "tokens": np.full_like(case["tokens"], v)} for v in tokens]
    with np.errstate(over="ignore"):
        total = np.sum([np.exp(run(one)) for one in chosen], axis=0)
    message = "the probabilities of all tokens at one place should sum to 1"
    return run.compare(case, np.ones_like(total), message, got=total, where=case["mask"])


def shifted(run: Run, case: Case) -> Mismatch | None:
    """The same number added to all logits of a place changes nothing."""
    moved = {**case, "logits": case["logits"] + 3.0}
    message = "the same number added to all logits of a place should change nothing"
    return run.compare(case, run(case), message, got=run(moved), where=case["mask"])


def uniform(run: Run, case: Case) -> Mismatch | None:
    """Equal logits: -log V."""
    flat = {**case, "logits": np.full_like(case["logits"], 0.5)}
    expected = np.full(case["tokens"].shape, -math.log(case["logits"].shape[-1]))
    message = "with equal logits every log-probability is -log V"
    return run.compare(flat, expected, message, where=case["mask"])


def own_place(run: Run, case: Case) -> Mismatch | None:
    """A change of the logits at the last place changes the answer nowhere else."""
    moved = case["logits"].copy()
    moved[:, -1] = moved[:, -1, ::-1] + np.arange(moved.shape[-1])
    elsewhere = case["mask"].copy()
    elsewhere[:, -1] = False
    message = "the logits of the last place changed an answer at an earlier one"
    changed = {**case, "logits": moved}
    return run.compare(case, run(case), message, got=run(changed), where=elsewhere)


def divides(run: Run, case: Case) -> Mismatch | None:
    """A temperature is a divisor of the logits."""
    scaled = {**case, "logits": case["logits"] / case["temperature"], "temperature": 1.0}
    message = "a temperature should divide the logits, before they are normalised"
    return run.compare(case, run(scaled), message)


def masked_places(run: Run, case: Case) -> Mismatch | None:
    """0 (or the declared sentinel), bit by bit, and no gradient."""
    got, outside = run(case), ~case["mask"]
    expected = np.full(got.shape, float(run.fitted.conventions["masked"]))
    if (got[outside] != expected[outside]).any():
        at = tuple(int(i) for i in np.argwhere(outside & (got != expected))[0])
        message = "a place that the mask leaves out should not count"
        return Mismatch(message, case, expected, got, at)
    message = "a place that the mask leaves out should have no gradient"
    none = np.zeros(case["logits"].shape)
    where = np.broadcast_to(outside[..., None], none.shape)
    return compare_gradient(run, case, none, message, where=where)


PROPERTIES = (
    Property(
        "probabilities-sum-to-one",
        "The probabilities of all tokens at one place sum to 1.",
        "So the probabilities of all sequences do. Unnormalised logits, a softmax over the wrong "
        "axis, an off-by-one between logits and tokens or a temperature after the softmax break "
        "it.",
        normalised,
    ),
    Property(
        "only-differences-of-logits-count",
        "The same number added to all logits of a place changes nothing.",
        "A softmax knows differences only.",
        shifted,
    ),
    Property(
        "uniform-logits-give-minus-log-v",
        "With equal logits every log-probability is -log V.",
        "Whatever the temperature.",
        uniform,
    ),
    Property(
        "tokens-depend-on-their-own-logits",
        "The logits of one place have no effect on another.",
        "Position t of the logits predicts token t. Off by one, every token is scored by the "
        "prediction of its neighbour, and the loss still falls.",
        own_place,
        references=("https://github.com/volcengine/verl/commit/2d6c6dbb39bf",),
    ),
    Property(
        "temperature-divides-the-logits",
        "A temperature divides the logits before the softmax.",
        "The sampler used this temperature. Where the trainer does not, the two distributions "
        "differ and every importance ratio is wrong from the first step.",
        divides,
        varies=("temperature",),
        references=("https://github.com/huggingface/trl/commit/04f659737735",),
    ),
    Property(
        "masked-places-do-not-count",
        "A place that the mask leaves out is 0 and has no gradient.",
        "Sums and means over the sequence would count it otherwise.",
        masked_places,
        needs={"mask": llm_cases.NO_MASK},
        references=("https://github.com/huggingface/trl/commit/bbdd6db17c49",),
    ),
    llm_cases.padding_content(),
    llm_cases.padding_columns(),
    llm_cases.rows_apart(),
    replace(
        gradient_agreement(),
        title="The gradient of a log-probability is that of a softmax: onehot - probabilities.",
        needs={"output gradient": NO_GRADIENT},
    ),
)

SPEC = FunctionContract(
    name="token-log-probs",
    title="Log-probabilities of tokens",
    explanation=__doc__ or "",
    parameters=(
        Parameter(
            "logits",
            "BTV",
            "scores of every token of the vocabulary",
            aliases=("logit", "scores", "lm_logits", "policy_logits", "x"),
        ),
        llm_cases.TOKENS,
        llm_cases.MASK,
        llm_cases.PADDING_MASK,
        Parameter(
            "temperature",
            "",
            "divisor of the logits",
            aliases=("temp", "sampling_temperature", "tau"),
            hyper=True,
            default=1.0,
        ),
        convention_parameter("masked"),
    ),
    outputs=(Output("log_probs", "BT"), Output("gradient", "BTV")),
    oracle=oracle,
    domain=domain,
    cases=cases,
    properties=PROPERTIES,
    faults=FAULTS,
    conventions=(
        Convention(
            "masked",
            (0.0, 1.0),
            "what stands in places that do not count",
            only=lambda names: bool({"mask", "padding_mask"} & names),
        ),
    ),
    layouts=(Layout.AS_WRITTEN, Layout.SINGLE),
    batch_decides=True,
    tolerance=tolerance,
    words=("token_log_prob", "token_logp", "per_token_logp", "selective_log_softmax"),
)
CONTRACT = llm_cases.noted(build_tokens(SPEC, "logits"))
