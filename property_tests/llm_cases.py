"""Batches of token sequences: vocabulary, inputs to try, and what padding must never do.

Canonical inputs are response-aligned `[B, T]`: `log_probs[b, t]` is that of token t of sequence b
given everything before it, `mask[b, t]` is true where the token counts. What it offers:

    MASK, PADDING_MASK, TOKENS, LOG_PROBS, OLD_LOG_PROBS, REF_LOG_PROBS
                        parameters with the names that public libraries give them
    capabilities        the `domain` of a contract: `batch`, and `mask`, `holes` where a mask is taken
    token_batches       a strategy: ragged lengths, right and left padding, interior holes, and in
                        every masked place 0, 1, 1e4, -1e4 or the numbers of another token
    poisoned, padded, emptied, only_row, turned, kept_of
                        the same batch with other numbers under the mask, further masked columns,
                        a further masked row, one row, rows in reverse order, kept tokens only
    padding_content, padding_columns, rows_apart, order_of_rows
                        properties of every contract on token sequences, for outputs of any axes
    largest_kept        the largest number that counts, for tolerances: poison is not rounding
    noted               a contract that notes where NaN under the mask spreads, and where an empty
                        mask gives NaN: neither is a failure

The answer in a masked place of a `[B, T]` output is compared where a contract says what it is, and
left alone by the properties here. A fully masked row is drawn with `empty_rows=True` only. Without
`mask` among a function's parameters every token counts and nothing is padded.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests.framework.models import Fitted, Run
from property_tests.framework.records import Array, Case, Domain, Mismatch, Property
from property_tests.framework.search import pool
from rlcheck.contracts import Bound, Contract, Options
from rlcheck.functions.binding import Facts, Parameter
from rlcheck.functions.calling import Malformed

NO_MASK = "it takes no mask: it is right for batches in which every token counts"
NO_BATCH = "it takes one sequence at a time"
POISON = (0.0, 1.0, 1e4, -1e4)
"""Finite numbers that end up in padding: zeros, sentinels, and what masked logits are filled with."""
DRAWN = "drawn"
STYLES = ("full", "right", "left", "holes")

MASK = Parameter(
    "mask",
    "BT",
    "true where the token counts",
    aliases=(
        "response_mask",
        "completion_mask",
        "action_mask",
        "loss_mask",
        "attention_mask",
        "token_mask",
        "masks",
        "response_masks",
        "action_masks",
        "eos_mask",
        "valid_mask",
        "mask_tokens",
        "loss_masks",
        "padding_masks",
        "labels_mask",
        "target_mask",
        "sequence_mask",
        "generation_mask",
        "assistant_mask",
    ),
    flags=True,
)
PADDING_MASK = Parameter(
    "padding_mask",
    "BT",
    "true where the token does not count",
    make=lambda facts: ~facts["mask"],
    aliases=("pad_mask", "is_padding", "ignore_mask"),
    flags=True,
)
TOKENS = Parameter(
    "tokens",
    "BT",
    "the token taken at each place",
    aliases=(
        "token_ids",
        "labels",
        "index",
        "ids",
        "input_ids",
        "actions",
        "targets",
        "target_ids",
        "completion_ids",
        "response_ids",
        "responses",
        "sequences",
        "token_indices",
    ),
)


def log_prob_parameter(name: str, meaning: str, *stems: str) -> Parameter:
    """Token log-probabilities under every spelling of `<stem>_log_probs`."""
    endings = ("log_probs", "logprobs", "log_prob", "logprob", "logps", "logp", "per_token_logps")
    spelt = [f"{stem}{ending}" for stem in stems for ending in endings]
    return Parameter(name, "BT", meaning, aliases=tuple(s for s in spelt if s != name))


LOG_PROBS = log_prob_parameter(
    "log_probs",
    "log pi of the tokens",
    "",
    "policy_",
    "new_",
    "token_",
    "pi_",
    "current_",
    "curr_",
    "model_",
    "actor_",
    "trainer_",
)
OLD_LOG_PROBS = log_prob_parameter(
    "old_log_probs",
    "the same under the policy that sampled",
    "old_",
    "pi_old_",
    "prev_",
    "behavior_",
    "behaviour_",
    "rollout_",
    "sampling_",
)
REF_LOG_PROBS = log_prob_parameter(
    "ref_log_probs",
    "the same under the reference policy",
    "ref_",
    "reference_",
    "base_",
    "sft_",
    "pi_ref_",
    "init_",
)


def capabilities(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """`mask` and `holes` (masks other than right padding) where the function is told what counts."""
    masked = bool({"mask", "padding_mask"} & names)
    return frozenset({"batch", "mask", "holes"} if masked else {"batch"})


def token_batches(
    columns: Mapping[str, Sequence[Any] | st.SearchStrategy[Any]],
    make: Callable[[dict[str, Any]], dict[str, Any]] = lambda case: case,
    *,
    per_row: Mapping[str, Sequence[Any]] | None = None,
    hypers: Mapping[str, Sequence[Any]] | None = None,
    empty_rows: bool = False,
    longest: int = 5,
    most_rows: int = 3,
) -> Callable[[Domain], st.SearchStrategy[Case]]:
    """Batches of a few short sequences, simplest first: no padding, no holes, small numbers.

    Args:
        columns: name of a `[B, T]` array -> what one entry may be, a list or a strategy.
        make: (these arrays, `mask` and hyper-parameters, before poisoning) -> canonical inputs.
        per_row: name of a `[B]` array -> what one entry may be.
        hypers: hyper-parameter -> values to try.
        empty_rows: whether a row may be masked altogether.
        longest, most_rows: largest T and B.
    """
    token = st.tuples(*map(_strategy, columns.values()), st.sampled_from((True, True, False)))
    whole = st.tuples(*map(_strategy, (per_row or {}).values()))

    def cases(domain: Domain) -> st.SearchStrategy[Case]:
        styles = [s for s in STYLES if s == "full" or "mask" in domain]
        styles = [s for s in styles if s in ("full", "right") or "holes" in domain]
        rows = most_rows if "batch" in domain else 1
        contents = (DRAWN, *POISON) if "mask" in domain else (DRAWN,)

        def batch(shape: tuple[int, int]) -> st.SearchStrategy[Any]:
            steps, count = shape
            return st.tuples(*[st.tuples(whole, st.tuples(*[token] * steps))] * count)

        shapes = [(t, b) for b in range(1, rows + 1) for t in range(1, longest + 1)]
        # Lengths are one draw, and differ: Hypothesis repeats what it draws several times, and
        # sequences of one length show little.
        cuts = st.sampled_from(list(itertools.permutations(range(longest), rows)))
        chosen = {name: domain.hyper(name, values) for name, values in (hypers or {}).items()}
        return st.tuples(
            st.sampled_from(shapes + shapes[longest:]).flatmap(batch),
            cuts,
            st.sampled_from(styles),
            st.sampled_from(contents),
            st.fixed_dictionaries(chosen),
        ).map(lambda drawn: _case(drawn, list(columns), list(per_row or {}), make, empty_rows))

    return cases


def _strategy(choices: Sequence[Any] | st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return choices if isinstance(choices, st.SearchStrategy) else st.sampled_from(choices)


def _case(
    drawn: Any,
    columns: list[str],
    per_row: list[str],
    make: Callable[[dict[str, Any]], dict[str, Any]],
    empty_rows: bool,
) -> dict[str, Any]:
    rows, cuts, style, content, hypers = drawn
    case: dict[str, Any] = {
        name: np.array([[token[i] for token in row[1]] for row in rows])
        for i, name in enumerate(columns)
    }
    case |= {name: np.array([row[0][i] for row in rows]) for i, name in enumerate(per_row)}
    masks = [_kept(cut, row[1], style, empty_rows) for cut, row in zip(cuts, rows, strict=False)]
    made = make(case | {"mask": np.array(masks)} | hypers)
    return made if content == DRAWN else poisoned(made, content)


def _kept(cut: int, tokens: Sequence[Any], style: str, empty_rows: bool) -> list[bool]:
    """The mask of one row, `cut` tokens of which are padding."""
    steps = len(tokens)
    if style == "full":
        return [True] * steps
    cut %= steps + empty_rows
    if style == "left":
        return [t >= cut for t in range(steps)]
    kept = [t < steps - cut for t in range(steps)]
    if style == "holes":
        kept = [inside and tokens[t][-1] for t, inside in enumerate(kept)]
        kept[-1] |= not empty_rows and not any(kept)
    return kept


def token_names(case: Case) -> list[str]:
    """The inputs with a number (or a row of numbers) for every token, the mask apart."""
    shape = case["mask"].shape
    return [name for name, v in case.items() if np.shape(v)[:2] == shape and name != "mask"]


def poisoned(case: Case, value: float, names: Sequence[str] = ()) -> dict[str, Any]:
    """The case with another number wherever the mask is false; whole numbers (tokens) stay.

    Large numbers are the same in all inputs, so that no exponential of a difference overflows; small
    ones alternate with 0, so that a difference shows.

    Args:
        case: a batch.
        value: what to put there.
        names: inputs to poison, all of them if empty.
    """
    changed = dict(case)
    for number, name in enumerate(names or token_names(case)):
        if case[name].dtype.kind == "f":
            changed[name] = case[name].copy()
            changed[name][~case["mask"]] = 0.0 if number % 2 and abs(value) <= 1.0 else value
    return changed


def padded(case: Case, left: int = 0, right: int = 0) -> dict[str, Any]:
    """The case with further columns that nobody counts, filled with copies of the outer ones."""
    wide = dict(case)
    for name in ["mask", *token_names(case)]:
        array = case[name]
        before = [array[:, :1] & False if name == "mask" else array[:, :1]] * left
        after = [array[:, -1:] & False if name == "mask" else array[:, -1:]] * right
        wide[name] = np.concatenate([*before, array, *after], axis=1)
    return wide


def _rows(case: Case, which: Any) -> dict[str, Any]:
    return {name: value[which] if np.ndim(value) else value for name, value in case.items()}


def only_row(case: Case, b: int) -> dict[str, Any]:
    """The case with row b alone."""
    return _rows(case, slice(b, b + 1))


def turned(case: Case) -> dict[str, Any]:
    """The case with its rows in reverse order."""
    return _rows(case, slice(None, None, -1))


def emptied(case: Case) -> dict[str, Any]:
    """The case with a copy of its last row that is masked altogether."""
    more = _rows(case, [*range(len(case["mask"])), -1])
    more["mask"] = more["mask"].copy()
    more["mask"][-1] = False
    return more


def kept_of(case: Case, b: int) -> dict[str, Any]:
    """Row b alone, with the tokens that count and no others."""
    row, kept = only_row(case, b), case["mask"][b]
    return row | {name: row[name][:, kept] for name in ["mask", *token_names(case)]}


def largest_kept(case: Case, *names: str) -> float:
    """The largest absolute number of these inputs that counts, 0 if none does."""
    values = [np.abs(case[n][case["mask"]] if np.ndim(case[n]) > 1 else case[n]) for n in names]
    return max((float(value.max(initial=0.0)) for value in values), default=0.0)


def _where(run: Run, case: Case) -> Array | None:
    """Which elements of the main output belong to a token that counts; None for all."""
    return case["mask"] if run.contract.outputs[0].axes.startswith("BT") else None


def _content(run: Run, case: Case) -> Mismatch | None:
    if case["mask"].all():
        return None
    own, where = run.outputs(case), _where(run, case)
    for value in (1.0, -1e4):
        changed = poisoned(case, value)
        outputs = run.outputs(changed)
        message = f"{value:g} in every masked place changed the answer"
        found = run.compare(changed, own[0], message, got=outputs[0], where=where)
        if found is None and len(outputs) > 1 and run.contract.outputs[1].name == "gradient":
            message = f"{value:g} in every masked place changed the gradient"
            found = run.compare(changed, own[1], message, got=outputs[1])
        if found is not None:
            return found
    return None


def padding_content() -> Property:
    """Numbers under the mask have no effect."""
    return Property(
        "padding-content-does-not-matter",
        "What stands in masked places changes neither the answer nor its gradient.",
        "Padding holds whatever the collator or the model left there: zeros, a sentinel, the "
        "log-probabilities of padding tokens. If it counts, an answer depends on the length of its "
        "neighbours in the batch.",
        _content,
        needs={"mask": NO_MASK},
        references=("https://github.com/huggingface/trl/commit/57aebe9c3602",),
    )


def _columns(run: Run, case: Case) -> Mismatch | None:
    steps, own = case["mask"].shape[1], run(case)
    for left in (0, 1) if "holes" in run.fitted.domain else (0,):
        wide = padded(case, left=left, right=2)
        got = run(wide)
        if run.contract.outputs[0].axes.startswith("BT"):
            got = got[:, left : left + steps]
        message = "further masked columns changed the answer"
        found = run.compare(case, own, message, got=got, where=_where(run, case))
        if found is not None:
            return found._replace(case=wide) if _where(run, case) is None else found
    return None


def padding_columns() -> Property:
    """Masked columns change nothing."""
    return Property(
        "padded-length-does-not-matter",
        "Further columns that are masked change nothing.",
        "How far a batch is padded depends on its longest sequence. A divisor or a position that is "
        "taken from the width of the array instead of the mask changes with it.",
        _columns,
        needs={"mask": NO_MASK},
    )


def _apart(run: Run, case: Case) -> Mismatch | None:
    own, where = run(case), _where(run, case)
    alone = np.concatenate([run(only_row(case, b)) for b in range(len(own))])
    message = "a sequence alone gives another answer than in a batch"
    return run.compare(case, alone, message, got=own, where=where)


def rows_apart() -> Property:
    """For outputs `[B]` and `[B, T]`: every sequence by itself gives the same."""
    return Property(
        "sequences-are-independent",
        "A sequence gives the same answer alone as in a batch.",
        "A reduction over the wrong axis, or one position for the whole batch, mixes sequences that "
        "have nothing to do with each other.",
        _apart,
        needs={"batch": NO_BATCH},
    )


def _order(run: Run, case: Case) -> Mismatch | None:
    return run.compare(turned(case), run(case), "the order of the sequences changed the answer")


def order_of_rows() -> Property:
    """For scalars: sequences are a set."""
    return Property(
        "order-of-sequences-does-not-matter",
        "The same sequences in another order give the same answer.",
        "Sequences are samples: what depends on their order pairs the numbers of one with those of "
        "another.",
        _order,
        needs={"batch": NO_BATCH},
    )


def spreads_nan(fitted: Fitted) -> bool:
    """Whether NaN or infinity in a masked place reaches an answer that counts."""
    run = Run(fitted)
    cases = [c for c in pool(fitted.contract.cases, fitted.domain, 0, 30) if not c["mask"].all()]
    for case in cases[:5]:
        for value in (np.nan, np.inf):
            try:
                outputs = run.outputs(poisoned(case, value))
            except Malformed:
                return True
            where = _where(run, case)
            first = outputs[0] if where is None else outputs[0][where]
            if not all(np.isfinite(part).all() for part in (first, *outputs[1:])):
                return True
    return False


def nan_where_empty(fitted: Fitted) -> bool:
    """Whether a sequence, or a batch, without a token that counts gives NaN."""
    run = Run(fitted)
    for case in pool(fitted.contract.cases, fitted.domain, 0, 30)[-3:]:
        nothing = {**case, "mask": np.zeros_like(case["mask"])}
        for each in (emptied(case), nothing) if "batch" in fitted.domain else (nothing,):
            try:
                if np.isnan(run(each)).any():
                    return True
            except Malformed:
                return False
    return False


NAN_NOTE = (
    "mask-by-multiplication: NaN or infinity in a masked place spreads to the answer or its "
    "gradient, since 0 * NaN is NaN; where the model can produce one in padding, select with "
    "`where` or `masked_fill` before computing"
)
EMPTY_NOTE = (
    "empty-mask: a sequence or a batch without a token that counts gives NaN, as 0 / 0; where the "
    "data can hold one, divide by max(count, 1)"
)


def noted(contract: Contract) -> Contract:
    """The contract with notes on what NaN under the mask does, and a mask without a token."""

    def bind(raw: Any, options: Options) -> Bound:
        bound = contract.bind(raw, options)
        if "mask" not in bound.subject.domain:
            return bound
        spreads, empty = spreads_nan(bound.subject), nan_where_empty(bound.subject)
        notes = (*[NAN_NOTE] * spreads, *[EMPTY_NOTE] * empty)
        return replace(bound, notes=(*bound.notes, *notes))

    return replace(contract, bind=bind)
