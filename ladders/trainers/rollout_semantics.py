"""Right and wrong losses on sampled completions, as functions of the log-probabilities of tokens.

With r_it = pi(y_it) / pi_old(y_it) the loss is

    l_it = -min(r_it A_i, clip(r_it, 1 - eps, 1 + eps) A_i) + beta KL_it

(Shao et al. 2024, eq. 3), added up over tokens and completions in one of the published ways. The ratio
is that of a token, of a sequence (GSPO: geometric mean over tokens) or the product over the sequence
(RLOO). CISPO (MiniMax 2025, arXiv:2506.13585) and SAPO (Gao et al. 2025, arXiv:2511.20347) replace the
minimum where a trainer declares them. A mistake changes one of these. The gradient by every token's
log-probability is taken numerically, and carried on to the network by the chain rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np

CORRECT = "correct"
STEP = 1e-6


class Tokens(NamedTuple):
    """Log-probabilities of a completion's tokens; the `plain` ones without the temperature.

    `policy` is what the gradient is taken by; `frozen` are the same numbers, held fast.
    """

    policy: np.ndarray
    frozen: np.ndarray
    old: np.ndarray
    reference: np.ndarray
    plain_policy: np.ndarray
    plain_old: np.ndarray
    plain_reference: np.ndarray


class Setting(NamedTuple):
    """What the trainer is configured to."""

    epsilon: float
    beta: float
    longest: int  # tokens of the longest completion that may be sampled
    high: float | None = None  # half-width of the clip above 1, where it is another
    cap: float | None = None  # of the ratio itself, where there is one
    heats: tuple[float, float] = (1.0, 1.05)  # of SAPO, for positive advantages and others

    @property
    def above(self) -> float:
        """Half-width of the clip above 1."""
        return self.epsilon if self.high is None else self.high


@dataclass(frozen=True)
class Semantics:
    """One way to turn token log-probabilities and advantages into a loss.

    Args:
        name: `correct` or a fault.
        level: of the ratio: token, sequence, product.
        aggregate: seq-mean, token-mean, constant (divided by the longest possible length), seq-sum
            (mean over sequences of sums over tokens), padded (divided by the longest of the batch).
        kl: k1, k2, k3, weighted k3 (times the ratio, which makes its gradient that of the KL), or ""
            for none.
        form: clip, or what a trainer declares in its place: CISPO with an absolute bound, with one
            above 1 or with two around 1; SAPO.
        skip_first, skip_last: tokens left out at either end of a completion.
        sign, kl_sign: 1 or -1.
        inverted: whether the ratio is old over new.
        clipped: whether the ratio is clipped at all.
        optimistic: whether the larger of the two terms is taken.
        fresh_old: whether the old log-probabilities are the policy's own.
        cold: where the temperature is forgotten: "", "policy", "both" (policy and old), "all".
        kl_swapped: whether the KL is that of the reference from the policy.
        scale: factor of the whole loss.
        advantage_sign: 1, or -1 where advantages enter the minimum with the wrong sign.
        count_all: whether denominators count tokens that are left out.
    """

    name: str
    level: str
    aggregate: str
    kl: str
    form: str = "clip"
    skip_first: int = 0
    skip_last: int = 0
    sign: float = 1.0
    kl_sign: float = 1.0
    inverted: bool = False
    clipped: bool = True
    optimistic: bool = False
    fresh_old: bool = False
    cold: str = ""
    kl_swapped: bool = False
    scale: float = 1.0
    advantage_sign: float = 1.0
    count_all: bool = False

    @property
    def variant(self) -> str:
        """The published choices it is made of."""
        form = "" if self.form == "clip" else f", {self.form}"
        return f"ratio of a {self.level}{form}, {self.aggregate}, {self.kl or 'no'} KL in the loss"

    @property
    def key(self) -> str:
        """Identity within evidence."""
        form = ", counted all the same" if self.count_all else ""
        form += ", reference included" if self.cold == "all" else ""
        form += ", in the minimum" if self.advantage_sign < 0 else ""
        return f"{self.name} | {self.variant}{form}"


LEVELS = ("token", "sequence", "product")
AGGREGATES = ("token-mean", "seq-mean", "constant")
FORMS: Mapping[str, tuple[str, ...]] = {
    "cispo": ("CISPO up to epsilon_high", "CISPO up to 1 + epsilon_high", "CISPO around 1"),
    "sapo": ("SAPO",),
}
"""What stands in place of the clip, by the name under which a trainer declares its loss."""
MODELLED = frozenset({"", "grpo", "bnpo", "dr_grpo", "dapo", "luspo", *FORMS})
KLS = ("k3", "weighted k3", "k2", "k1", "")
CHANGES: tuple[tuple[str, dict], ...] = (
    ("policy-gradient-negated", {"sign": -1.0}),
    ("policy-gradient-negated", {"advantage_sign": -1.0}),
    ("ratio-inverted", {"inverted": True}),
    ("clip-missing", {"clipped": False}),
    ("clip-optimistic", {"optimistic": True}),
    ("old-log-probs-recomputed", {"fresh_old": True}),
    ("temperature-missing", {"cold": "policy"}),
    ("temperature-missing-on-both-sides", {"cold": "both"}),
    ("temperature-missing-on-both-sides", {"cold": "all"}),
    ("end-of-sequence-masked", {"skip_last": 1}),
    ("end-of-sequence-masked", {"skip_last": 1, "count_all": True}),
    ("first-token-masked", {"skip_first": 1}),
    ("first-token-masked", {"skip_first": 1, "count_all": True}),
    ("kl-sign-flipped", {"kl_sign": -1.0}),
    ("kl-direction-reversed", {"kl_swapped": True}),
    ("padded-length-denominator", {"aggregate": "padded"}),
    ("loss-scaled-by-group", {"scale": 4.0}),
    ("loss-divided-by-group", {"scale": 0.25}),
)
"""Fault -> what it changes of a correct semantics; some have two forms."""


def correct_semantics(beta: float, loss_type: str = "") -> list[Semantics]:
    """The published losses; without a KL in the loss where beta is 0, or is spent in the reward."""
    kls = KLS if beta else ("",)
    aggregates = (*AGGREGATES, "seq-sum") if loss_type == "luspo" else AGGREGATES
    choices = product(LEVELS, aggregates, kls, FORMS.get(loss_type, ("clip",)))
    return [Semantics(CORRECT, *choice) for choice in choices]


def all_semantics(beta: float, loss_type: str = "") -> Iterator[Semantics]:
    """The published losses, then every fault in every one of them."""
    right = correct_semantics(beta, loss_type)
    yield from right
    for name, change in CHANGES:
        for variant in right:
            if variant.kl or not any(word.startswith("kl_") for word in change):
                yield replace(variant, name=name, **change)


def loss_of(
    semantics: Semantics,
    completions: Sequence[Tokens],
    advantages: np.ndarray,
    setting: Setting,
) -> float:
    """The loss of a batch."""
    terms, counts = [], []
    for tokens, advantage in zip(completions, advantages, strict=True):
        kept = slice(semantics.skip_first, len(tokens.policy) - semantics.skip_last)
        new = (tokens.plain_policy if semantics.cold else tokens.policy)[kept]
        old = _old(semantics, tokens)[kept]
        ratio = _ratio(semantics, new, old)
        held = _ratio(semantics, tokens.frozen[kept], old)
        gain = semantics.advantage_sign * advantage
        if semantics.form.startswith("CISPO"):
            term = -_weight(semantics, held, setting) * gain * new
        else:
            term = _policy_terms(semantics, ratio, gain, setting)
        reference = tokens.plain_reference if semantics.cold == "all" else tokens.reference
        kl = _divergence(semantics, new, reference[kept], ratio)
        terms.append(float(np.sum(semantics.sign * term + semantics.kl_sign * setting.beta * kl)))
        counts.append(len(tokens.policy) if semantics.count_all else len(new))
    lengths = np.array(counts, dtype=float)
    sums = np.array(terms)
    longest = max(len(tokens.policy) for tokens in completions)
    total = {
        "token-mean": lambda: sums.sum() / max(lengths.sum(), 1.0),
        "seq-mean": lambda: (sums / np.maximum(lengths, 1.0)).mean(),
        "constant": lambda: sums.sum() / (len(sums) * setting.longest),
        "seq-sum": lambda: sums.mean(),
        "padded": lambda: sums.sum() / (len(sums) * longest),
    }[semantics.aggregate]()
    return float(semantics.scale * total)


def _old(semantics: Semantics, tokens: Tokens) -> np.ndarray:
    if semantics.fresh_old:
        return tokens.frozen
    return tokens.plain_old if semantics.cold in ("both", "all") else tokens.old


def _ratio(semantics: Semantics, new: np.ndarray, old: np.ndarray) -> np.ndarray:
    """[n] the importance ratio of every token."""
    log_ratio = new - old
    log_ratio = -log_ratio if semantics.inverted else log_ratio
    if semantics.level != "token" and len(log_ratio):
        mean = log_ratio.mean() if semantics.level == "sequence" else log_ratio.sum()
        log_ratio = np.full_like(log_ratio, mean)
    return np.exp(log_ratio)


def _weight(semantics: Semantics, ratio: np.ndarray, setting: Setting) -> np.ndarray:
    """[n] CISPO's weight of a token's score, without gradient (MiniMax 2025, eq. 4)."""
    if not semantics.clipped:
        return ratio
    if semantics.form == "CISPO around 1":
        return np.clip(ratio, 1 - setting.epsilon, 1 + setting.above)
    bound = setting.above if semantics.form == "CISPO up to epsilon_high" else 1 + setting.above
    return np.minimum(ratio, bound)


def _policy_terms(
    semantics: Semantics, ratio: np.ndarray, advantage: float, setting: Setting
) -> np.ndarray:
    """[n] -min(r A, clip(r) A), or SAPO's soft gate (Gao et al. 2025)."""
    if not semantics.clipped:
        return -ratio * advantage
    if semantics.form == "SAPO":
        heat = setting.heats[0] if advantage > 0 else setting.heats[1]
        return -4.0 / heat / (1.0 + np.exp(-heat * (ratio - 1.0))) * advantage
    clipped = np.clip(ratio, 1 - setting.epsilon, 1 + setting.above)
    choose = np.maximum if semantics.optimistic else np.minimum
    capped = ratio if setting.cap is None else np.minimum(ratio, setting.cap)
    return -choose(capped * advantage, clipped * advantage)


def _divergence(
    semantics: Semantics, new: np.ndarray, reference: np.ndarray, ratio: np.ndarray
) -> np.ndarray:
    """[n] the estimate of KL(pi, reference) at every token (Schulman 2020)."""
    difference = new - reference if semantics.kl_swapped else reference - new
    return {
        "k1": lambda: -difference,
        "k2": lambda: 0.5 * difference**2,
        "k3": lambda: np.exp(difference) - difference - 1.0,
        "weighted k3": lambda: ratio * (np.exp(difference) - difference - 1.0),
        "": lambda: np.zeros_like(new),
    }[semantics.kl]()


def gradient_of(
    semantics: Semantics,
    completions: Sequence[Tokens],
    advantages: np.ndarray,
    setting: Setting,
) -> list[np.ndarray]:
    """d loss / d log pi of every token, by central differences in float64 (error about 1e-9)."""
    table = "plain_policy" if semantics.cold else "policy"
    found = []
    for place, tokens in enumerate(completions):
        slope = np.zeros(len(tokens.policy))
        for token in range(len(slope)):
            sides = []
            for step in (STEP, -STEP):
                moved = getattr(tokens, table).copy()
                moved[token] += step
                varied = [*completions]
                varied[place] = tokens._replace(**{table: moved})
                sides.append(loss_of(semantics, varied, advantages, setting))
            slope[token] = (sides[0] - sides[1]) / (2 * STEP)
        found.append(slope)
    return found
