"""Advantages of answers against the other answers to the same prompt.

    A_i = (r_i - mean(r)) / std(r),   mean and std over the group of i, std with divisor n - ddof

Declared variants: without the division (Dr. GRPO); the mean over the others only (leave-one-out). A
small constant in the divisor is allowed for, up to about 1e-4; a constant group gives 0. Faulty
versions stand in `group_advantages_faults.py`.

References: Shao et al. 2024, arXiv:2402.03300, section 4.1; Liu et al. 2025, arXiv:2503.20783;
leave-one-out: Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free!".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests import losses
from property_tests.framework.build import build
from property_tests.framework.models import Run
from property_tests.framework.options import every_option
from property_tests.framework.records import (
    Array,
    Case,
    Convention,
    Domain,
    FunctionContract,
    Mismatch,
    Outputs,
    Property,
)
from property_tests.group_advantages_faults import FAULTS
from property_tests.pair_losses import in_single_precision
from rlcheck.functions.arrays import Kind
from rlcheck.functions.binding import Facts, Parameter
from rlcheck.functions.calling import Malformed, Output
from rlcheck.functions.layouts import Layout

SIZES = (2, 3, 5, 4, 6, 7, 12)
REWARDS = (0.0, 1.0, 0.35, 2.0, -1.0, 0.7)
CONSTANTS = (0.35, 0.1, 0.7, 1.7, 1.1, 0.9)
"""Rewards of which several summed and divided give back another number than the one reward."""
EPSILON = 1.5e-4
"""Largest constant in the divisor that counts as a guard."""
NO_IDS = "it takes no `group_ids`: its groups are whole and lie one after the other"
ONE_GROUP = "it takes one group at a time"
NO_SINGLES = "a group of one answer raises or gives NaN: give every prompt at least two"


def oracle(
    rewards: Array,
    group_ids: Array,
    baseline: str = "mean",
    scale: str = "std ddof 1",
    singleton: str = "zero",
) -> Array:
    """One answer after the other, straight from the definition."""
    advantages = np.zeros(len(rewards))
    for i, reward in enumerate(rewards):
        group = [r for r, g in zip(rewards, group_ids, strict=True) if g == group_ids[i]]
        n = len(group)
        if n == 1:
            advantages[i] = reward if singleton == "raw" else 0.0
        elif max(group) > min(group):
            mean = sum(group) / n
            leave = (sum(group) - reward) / (n - 1) if baseline == "leave-one-out" else mean
            ddof = 0 if scale == "std ddof 0" else 1
            spread = math.sqrt(sum((r - mean) ** 2 for r in group) / (n - ddof))
            advantages[i] = (reward - leave) / (1.0 if scale == "none" else spread)
    return advantages


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """Which groups the function can be given."""
    losses.require(names, "rewards")
    found = set()
    if "group_ids" in names:
        found |= {"groups", "ids"} | (
            {"singles"} if conventions["singleton"] != "untested" else set()
        )
    elif conventions["without_ids"] == "rows" or {"group_size", "group_count"} & names:
        found.add("groups")
    if conventions["scale"] != "none":
        found.add("scaled")
    return frozenset(found)


def _whole(where: Domain) -> st.SearchStrategy[list[list[float]]]:
    """Groups, each a list of rewards; of one size where there are no ids."""
    most = 3 if "groups" in where else 1

    def of(size: int) -> st.SearchStrategy[list[float]]:
        return st.lists(st.sampled_from(REWARDS), min_size=size, max_size=size)

    if "ids" in where:
        sizes = (*SIZES, 1) if "singles" in where else SIZES
        return st.lists(st.sampled_from(sizes).flatmap(of), min_size=1, max_size=most)
    return st.sampled_from(SIZES).flatmap(lambda n: st.lists(of(n), min_size=1, max_size=most))


def _case(groups: list[list[float]], keys: list[int], labels: tuple[int, ...]) -> Case:
    rewards = np.array([r for group in groups for r in _exact(group)])
    ids = np.array([labels[g] for g, group in enumerate(groups) for _ in group])
    order = np.argsort([keys[i % len(keys)] for i in range(len(ids))], kind="stable")
    return {"rewards": rewards[order], "group_ids": ids[order]}


def _exact(group: list[float]) -> list[float]:
    """A constant group of whole numbers: their mean is exact in every precision."""
    constant = len(group) > 1 and max(group) == min(group)
    return [float(round(r)) for r in group] if constant else group


def batches(where: Domain) -> st.SearchStrategy[Case]:
    """One to three groups, one after the other or mixed."""
    mixed = "ids" in where
    keys = st.lists(st.integers(0, 3 if mixed else 0), min_size=7, max_size=7)
    labels = st.sampled_from(((0, 1, 2), (7, 0, 3), (2, 5, 4)))
    return st.builds(_case, _whole(where), keys, labels)


def constant_groups(where: Domain) -> st.SearchStrategy[Case]:
    """A constant group, beside one that is not where there can be several."""

    def case(drawn: tuple[float, int]) -> Case:
        reward, size = drawn
        other = [1.0, *([0.0] * (size - 1))]
        groups = [[reward] * size, other] if "groups" in where else [[reward] * size]
        flat = np.array([r for group in groups for r in group])
        return {"rewards": flat, "group_ids": np.repeat(np.arange(len(groups)), size)}

    return st.tuples(st.sampled_from(CONSTANTS), st.sampled_from((3, 5, 6, 7, 12))).map(case)


def tolerance(case: Case, eps: float) -> float:
    """What a guard in the divisor and rounding can change, relative to each group's spread."""
    allowed = 32.0 * eps * (1.0 + float(np.abs(case["rewards"]).max(initial=0.0)))
    for group in np.unique(case["group_ids"]):
        rewards = case["rewards"][case["group_ids"] == group]
        spread = float(rewards.std())
        if len(rewards) == 1:  # its reward, over a spread of 1 and the guard
            allowed = max(allowed, 1.5 * EPSILON * abs(float(rewards[0])))
        if spread > 1e-3:
            farthest = float(np.abs(rewards - rewards.mean()).max())
            slack = (EPSILON + 32.0 * eps * len(rewards)) / spread
            allowed = max(allowed, 1.5 * slack * max(farthest, farthest / spread))
    return allowed


def _each(case: Case) -> list[Array]:
    return [np.flatnonzero(case["group_ids"] == g) for g in np.unique(case["group_ids"])]


def _differing(case: Case) -> list[Array]:
    """Groups in which not all rewards are equal."""
    return [members for members in _each(case) if np.ptp(case["rewards"][members]) > 0.0]


def zero_sum(run: Run, case: Case) -> Mismatch | None:
    """Better for one is worse for the others."""
    got, shares = run(case), np.zeros(len(case["rewards"]))
    for members in _each(case):
        if len(members) > 1:
            shares[members] = got[members].mean()
    message = "the advantages of a group should sum to 0 (shown: their mean)"
    return run.compare(case, np.zeros_like(shares), message, got=shares)


def shifted(run: Run, case: Case) -> Mismatch | None:
    """Only differences within a group count."""
    rewards = case["rewards"].copy()
    differing = _differing(case)
    if not differing:
        return None
    rewards[differing[0]] += 3.0
    message = "the same number added to all rewards of one group changed the advantages"
    return run.compare({**case, "rewards": rewards}, run(case), message)


def stretched(run: Run, case: Case) -> Mismatch | None:
    """Units of the reward cancel, or stay."""
    many = np.zeros(len(case["rewards"]), bool)
    for members in _differing(case):
        many[members] = True
    factor = 1.0 if "scaled" in run.fitted.domain else 2.5
    message = f"rewards 2.5 times as large should give {factor:g} times the advantages"
    larger = {**case, "rewards": 2.5 * case["rewards"]}
    return run.compare(larger, factor * run(case), message, where=many)


def mirrored(run: Run, case: Case) -> Mismatch | None:
    """A(-r) = -A(r)."""
    opposite = {**case, "rewards": -case["rewards"]}
    return run.compare(opposite, -run(case), "opposite rewards should give opposite advantages")


def ordered(run: Run, case: Case) -> Mismatch | None:
    """A better answer of the group has the larger advantage, an equal one the same."""
    got, least = run(case), run.tolerance(case)
    for members in _each(case):
        for i in members:
            gaps = case["rewards"][members] - case["rewards"][i]
            wrong = ((gaps > 0) & (got[members] < got[i] + 1e-3)) | (
                (gaps == 0) & (np.abs(got[members] - got[i]) > 2.0 * least)
            )
            if wrong.any():
                message = "a better answer of the same group should have the larger advantage"
                return Mismatch(message, case, run.definition(case), got, (int(members[wrong][0]),))
    return None


def small_spreads(where: Domain) -> st.SearchStrategy[Case]:
    """Two answers whose rewards hardly differ."""
    gaps = st.sampled_from((1e-3, 1e-2, 1e-4, 2e-5, 1e-6, 2e-7, 1e-8))
    return gaps.map(lambda gap: {"rewards": np.array([gap, 0.0]), "group_ids": np.array([0, 0])})


def never_amplified(run: Run, case: Case) -> Mismatch | None:
    """A guard makes advantages smaller, never larger, and leaves their sign."""
    got, due = run(case), run.definition(case)
    wrong = (np.abs(got) > 1.001 * np.abs(due)) | (got * due < 0.0)
    if not wrong.any():
        return None
    message = (
        "rewards that hardly differ give larger advantages than the definition, or others' signs"
    )
    usual = {**case, "rewards": np.array([1.0, 0.0])}
    right = run.compare(usual, run.definition(usual), "") is None
    suspects = ("guard-subtracted",) if right else ()
    return Mismatch(message, case, due, got, (int(np.argmax(wrong)),), suspects=suspects)


def worked_examples(where: Domain) -> st.SearchStrategy[Case]:
    """Two answers, one right and one wrong."""
    pair = {"rewards": np.array([1.0, 0.0]), "group_ids": np.array([0, 0])}
    return st.just(pair)


def worked_example(run: Run, case: Case) -> Mismatch | None:
    """Numbers worked out by hand."""
    conventions = run.fitted.conventions
    gap = 1.0 if conventions["baseline"] == "leave-one-out" else 0.5
    spread = {"std ddof 1": math.sqrt(0.5), "std ddof 0": 0.5, "none": 1.0}[conventions["scale"]]
    expected = np.array([gap, -gap]) / spread
    return run.compare(case, expected, "rewards of 1 and 0 should give these advantages")


def constant_gives_nothing(run: Run, case: Case) -> Mismatch | None:
    """In the subject's own precision, and in float32 where it works on tensors."""
    runs = [(run, "")]
    function = run.fitted.function
    if function is not None and function.plan.kind is Kind.TORCH:
        single = in_single_precision(run)
        runs += [(single, "in float32 ")] if single else []
    constant = case["group_ids"] == 0
    for each, where in runs:
        try:
            got = each(case)
        except Malformed:
            if where:
                continue  # it takes no float32
            raise
        # A rounding of the mean divided by a guard of 1e-6 is noise; beyond, it is a signal.
        limit = 1e-3 if each.fitted.precision == "float64" else 0.5
        if not np.abs(got[constant]).max() <= limit:
            message = f"{where}equal rewards of {case['rewards'][0]:g} give an advantage"
            at = (int(np.argmax(constant)),)
            expected = run.definition(case)
            return Mismatch(message, case, expected, got, at, suspects=_suspects(run, case))
    return None


def _suspects(run: Run, case: Case) -> tuple[str, ...]:
    """Amplified rounding, unless the group that is not constant is wrong too."""
    others = case["group_ids"] != 0
    right = run.compare(case, run.definition(case), "", where=others) is None
    exact = {**case, "rewards": np.ones_like(case["rewards"])}
    finite = bool(np.isfinite(run(case)).all() and np.isfinite(run(exact)).all())
    return ("constant-group-amplified",) if right and finite else ()


def apart(run: Run, case: Case) -> Mismatch | None:
    """A group alone gives what it gives in the batch."""
    alone = np.zeros(len(case["rewards"]))
    for members in _each(case):
        alone[members] = run({name: value[members] for name, value in case.items()})
    message = "a group alone gives other advantages than in a batch"
    return run.compare(case, alone, message, got=run(case))


def permuted(run: Run, case: Case) -> Mismatch | None:
    """Where an answer stands in the batch does not matter."""
    order = np.argsort(np.arange(len(case["rewards"])) * 7 % 11, kind="stable")
    moved = {name: value[order] for name, value in case.items()}
    message = "rewards and ids in another order should give the same advantages in that order"
    return run.compare(moved, run(case)[order], message)


def relabelled(run: Run, case: Case) -> Mismatch | None:
    """What the groups are called does not matter."""
    other = {**case, "group_ids": 40 - 3 * case["group_ids"]}
    return run.compare(other, run(case), "other names for the same groups changed the advantages")


_GROUPS, _IDS = {"groups": ONE_GROUP}, {"ids": NO_IDS}
PROPERTIES = (
    Property(
        "worked-example",
        "One right answer of two gets what is worked out by hand, the wrong one its negative.",
        "+-0.7071 with std ddof 1, +-1 with ddof 0, +-0.5 without division, +-1 leave-one-out.",
        worked_example,
        cases=worked_examples,
    ),
    Property(
        "group-sums-to-zero",
        "The advantages of a group sum to 0.",
        "The baseline is the group's own mean: what raises one answer lowers the others. A sum "
        "other than 0 raises or lowers everything that was sampled.",
        zero_sum,
    ),
    Property(
        "constant-group-gives-nothing",
        "Equal rewards give no advantage, in float32 too.",
        "0.35 summed three times and divided by three is not 0.35: the remainder of 3e-8, divided by "
        "a spread of 0 and a guard of 1e-8, is an advantage of 3 for every answer of a group that "
        "has nothing to learn from. NumPy functions are tried in float64, where it needs a guard.",
        constant_gives_nothing,
        cases=constant_groups,
        references=("https://github.com/NVIDIA-NeMo/RL/commit/775fc348649a",),
    ),
    Property(
        "small-spreads-are-not-amplified",
        "However little the rewards of a group differ, advantages are at most those of the definition.",
        "A guard is added to the spread: it may shrink an advantage. Subtracted, it makes those of an "
        "almost constant group huge, or turns them round.",
        never_amplified,
        cases=small_spreads,
        needs={"scaled": "it does not divide by the spread"},
    ),
    Property(
        "only-differences-count",
        "The same number added to all rewards of a group changes nothing.",
        "How hard a prompt is, or a constant in the reward, is no merit of an answer.",
        shifted,
    ),
    Property(
        "scale-as-declared",
        "Larger rewards give the same advantages where they are divided by the spread, else larger ones.",
        "A divisor that is a variance, is fixed, or is dominated by its guard breaks it.",
        stretched,
    ),
    Property(
        "opposite-rewards-give-opposite-advantages",
        "A(-r) = -A(r).",
        "Absolute values, clipping, or a maximum as the baseline break it.",
        mirrored,
    ),
    Property(
        "better-answers-get-more",
        "Within a group, a larger reward has the larger advantage and an equal one the same.",
        "A wrong sign, or the baseline of another group, breaks it.",
        ordered,
    ),
    Property(
        "groups-are-independent",
        "A group alone gives the advantages that it gives in a batch.",
        "Statistics of the whole batch, or groups cut in the wrong places, compare answers to "
        "different prompts.",
        apart,
        needs=_GROUPS,
        references=("https://github.com/huggingface/trl/commit/9ac614fb081e",),
    ),
    Property(
        "order-of-answers-does-not-matter",
        "Rewards and ids in another order give the same advantages in that order.",
        "Samplers interleave prompts and data loaders shuffle: only the id says what belongs together.",
        permuted,
        needs=_IDS,
    ),
    Property(
        "names-of-groups-do-not-matter",
        "Other ids for the same groups change nothing.",
        "Ids are names: they need not start at 0, be sorted or be dense.",
        relabelled,
        needs=_IDS,
    ),
    every_option("Without its spread or with another baseline a group is weighed in another way."),
)


def _given(facts: Facts) -> Any:
    """The rewards as `[N]`, or with one group a row."""
    flat = facts["rewards"]
    if "group_ids" in facts["bound"] or facts["without_ids"] == "flat":
        return flat
    return flat.reshape(len(np.unique(facts["group_ids"])), -1)


def _named(facts: Facts) -> Any:
    ids = facts["group_ids"]
    return ids.tolist() if facts["ids"] == "list" else ids


def read(outputs: Outputs, facts: Facts) -> Outputs:
    """`[N]`, whichever arrangement the function returns."""
    got, count = outputs[0], len(facts["rewards"])
    if got.size != count or got.ndim not in (1, 2):
        message = f"expected one advantage for each of {count} rewards, it returned {got.shape}"
        raise Malformed("shape", message, got)
    return (got.reshape(count),)


def _without_ids(names: frozenset[str]) -> bool:
    return "group_ids" not in names


def notes(names: frozenset[str]) -> tuple[str, ...]:
    """What a function without ids relies on."""
    if "group_ids" in names:
        return ()
    return ("it takes no `group_ids`: answers to one prompt must lie together, as many for each",)


SPEC = FunctionContract(
    name="group-advantages",
    title="Group-relative advantages",
    explanation=__doc__ or "",
    parameters=(
        Parameter(
            "rewards",
            "B",
            "one an answer",
            make=_given,
            aliases=(
                "scores",
                "reward",
                "r",
                "returns",
                "outcome_rewards",
                "group_rewards",
                "score",
            ),
        ),
        Parameter(
            "group_ids",
            "B",
            "the same for answers to the same prompt",
            make=_named,
            aliases=(
                "groups",
                "index",
                "prompt_ids",
                "uids",
                "uid",
                "ids",
                "group_index",
                "group_idx",
                "group_indices",
                "prompt_idx",
                "prompt_indices",
                "prompt_index",
                "group_id",
                "group",
            ),
        ),
        Parameter(
            "group_size",
            meaning="answers a prompt",
            make=lambda facts: int((facts["group_ids"] == facts["group_ids"][0]).sum()),
            aliases=(
                "num_generations",
                "n_samples_per_prompt",
                "samples_per_prompt",
                "num_samples",
                "n_samples",
                "rollout_n",
                "num_responses",
                "n",
                "g",
                "k",
            ),
        ),
        Parameter(
            "group_count",
            meaning="prompts",
            make=lambda facts: len(np.unique(facts["group_ids"])),
            aliases=("num_groups", "n_groups", "num_prompts", "n_prompts", "batch_size"),
        ),
        Parameter(
            "eps", meaning="guard", make=lambda facts: 1e-6, aliases=("epsilon", "std_eps", "delta")
        ),
        Parameter(
            "ddof",
            make=lambda facts: 0 if facts["scale"] == "std ddof 0" else 1,
            aliases=("correction",),
        ),
        Parameter(
            "normalise",
            meaning="whether to divide by the spread",
            make=lambda facts: facts["scale"] != "none",
            aliases=(
                "normalize",
                "scale_rewards",
                "norm_by_std",
                "normalize_std",
                "use_std",
                "norm_adv_by_std_in_grpo",
                "std_normalize",
                "divide_by_std",
            ),
        ),
        losses.convention_parameter("baseline"),
        losses.convention_parameter("scale"),
        losses.convention_parameter("singleton"),
    ),
    outputs=(Output("advantages", "B", free=True),),
    oracle=oracle,
    domain=domain,
    cases=batches,
    properties=PROPERTIES,
    faults=FAULTS,
    conventions=(
        Convention("baseline", ("mean", "leave-one-out"), "what a reward is compared with"),
        Convention("scale", ("std ddof 1", "std ddof 0", "none"), "what it is divided by"),
        Convention(
            "singleton",
            ("zero", "raw", "untested"),
            "what a group of one gets",
            only=lambda names: "group_ids" in names,
        ),
        Convention(
            "without_ids", ("rows", "flat"), "rewards of a function without ids", only=_without_ids
        ),
        Convention("ids", ("array", "list"), "type of the ids", only=lambda n: "group_ids" in n),
    ),
    read=read,
    layouts=(Layout.AS_WRITTEN, Layout.COLUMN),
    tolerance=tolerance,
    notes=notes,
    words=("group_advantage", "group_relative", "grpo_advantage", "rloo_advantage"),
    lazily=True,
)
CONTRACT = build(SPEC)
