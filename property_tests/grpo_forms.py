"""Which surrogate stands in a GRPO loss: the clip of PPO, CISPO with one of its bounds, or SAPO.

One token tells. Where both policies are the same, the loss is -A under the clip, -A log pi for CISPO
(times an absolute bound below 1) and -2 A / tau for SAPO, whatever the aggregation and up to the mistakes
that the contract names; far from the old policy, CISPO's loss over log pi is its weight, hence its bound.

References: CISPO: MiniMax 2025, arXiv:2506.13585, eq. 4 and 5; SAPO: Gao et al. 2025, arXiv:2511.20347.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from property_tests.framework.fit import _combinations, _passes
from property_tests.framework.models import Fitted, Run
from property_tests.framework.records import Convention, FunctionContract
from property_tests.grpo_cases import one_token
from rlcheck.contracts import Options
from rlcheck.functions.arrays import Kind
from rlcheck.functions.binding import bind_signature
from rlcheck.functions.calling import Malformed

PPO, SAPO = "ppo", "sapo"
CISPO = ("cispo", "cispo-upper", "cispo-absolute")
CLIP_FORM = Convention(
    "clip_form",
    (PPO, *CISPO, SAPO),
    "min(r A, clip(r) A); CISPO clipped to [1 - eps, 1 + eps_high], to 1 + eps_high, to eps_high; SAPO",
)
NOTE = {
    **dict.fromkeys(
        CISPO,
        "it is CISPO: a token's weight has no gradient, so the value of the loss by itself says nothing",
    ),
    SAPO: "it is SAPO: a soft gate with temperatures tau_pos, tau_neg stands in place of the clip",
}
AGREED = 1e-5


def settle(raw: Any, contract: FunctionContract, options: Options) -> tuple[Any, Options]:
    """The subject and its options, with the form pinned; the usual one where nothing can be told."""
    found = options.dialect.get(CLIP_FORM.name)
    probe = _probe(raw, contract, options)
    if found is None:
        found = PPO if probe is None else _form(probe)
    pinned = replace(options, dialect={**options.dialect, CLIP_FORM.name: found})
    numpy = probe is not None and probe.function is not None
    if found in CISPO and numpy and probe.function.plan.kind in (Kind.NUMPY, Kind.LIST):  # type: ignore[union-attr]
        # Differences would differentiate the weight, which nothing can be detached from here.
        return _value_only(raw), pinned
    return raw, pinned


def _value_only(raw: Any) -> Any:
    @functools.wraps(raw)
    def call(*args: Any, **kwargs: Any) -> Any:
        returned = raw(*args, **kwargs)
        return returned[0] if isinstance(returned, tuple) else returned

    return call


def _probe(raw: Any, contract: FunctionContract, options: Options) -> Fitted | None:
    """The subject under the usual conventions, in the first form in which it can be called."""
    signature = bind_signature(
        raw,
        contract.parameters,
        contract=contract.name,
        bind=options.bind,
        constants=dict(options.constants),
    )
    if "advantages" not in signature.names:
        return None
    usual = {c.name: c.options[0] for c in contract.conventions}
    for forms in _passes(raw, contract, signature, options.dialect):
        for shape in ("answer", "token"):
            pinned = {**usual, "advantage_of": shape, **options.dialect}
            for one in _combinations(raw, contract, signature, pinned, forms):
                if _answer(one, 0.0) is not None:
                    return one
    return None


def _answer(one: Fitted, log_ratio: float) -> float | None:
    """The loss of one token with advantage 1.3."""
    try:
        value = Run(one).outputs(one_token(one.domain, log_ratio, ADVANTAGE))[0]
    except Malformed:
        return None
    return float(value) if np.ndim(value) == 0 and np.isfinite(value) else None


ADVANTAGE, AWAY = 1.3, 1.5


def _form(one: Fitted) -> str:
    same, high, low = (_answer(one, away) for away in (0.0, AWAY, -AWAY))
    if same is None or high is None or low is None:
        return PPO
    case = one_token(one.domain, 0.0, ADVANTAGE)
    start = float(case["log_probs"][0, 0])
    # An absolute bound below 1 weighs even the first step.
    if _near(same, ADVANTAGE * start) or _near(same, case["clip_high"] * ADVANTAGE * start):
        return _bound(
            case, *(v / a / ADVANTAGE for v, a in ((high, start + AWAY), (low, start - AWAY)))
        )
    return SAPO if _near(same, 2.0 * ADVANTAGE / case["tau_pos"]) else PPO


def _near(value: float, expected: float) -> bool:
    """Up to the sign, which a mistake may have turned."""
    return abs(abs(value) - abs(expected)) <= AGREED * abs(expected)


def _bound(case: Mapping[str, Any], high: float, low: float) -> str:
    """The form by CISPO's weights of a ratio far above 1 and of one far below."""
    if _near(high, case["clip_high"]):
        return CISPO[2]
    return CISPO[1] if _near(low, math.exp(-AWAY)) else CISPO[0]
