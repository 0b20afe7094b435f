"""Wrong versions of group-relative advantages, each with the mistake that it models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from property_tests.framework.records import Array, FaultyVersion, Model

GITHUB = "https://github.com/"


def _ddof(scale: str) -> int:
    return 0 if scale == "std ddof 0" else 1


def _spread(rewards: Array, scale: str) -> float:
    """Divisor of a group; 1 where nothing is divided, or nothing differs."""
    if scale == "none" or len(rewards) < 2 or rewards.max() == rewards.min():
        return 1.0
    return float(rewards.std(ddof=_ddof(scale)))


def _baseline(rewards: Array, baseline: str) -> Array:
    n = len(rewards)
    if n == 1:
        return rewards
    if baseline == "leave-one-out":
        return (rewards.sum() - rewards) / (n - 1)
    return np.full(n, rewards[0] if rewards.max() == rewards.min() else rewards.mean())


def _right(rewards: Array, baseline: str, scale: str) -> Array:
    return (rewards - _baseline(rewards, baseline)) / _spread(rewards, scale)


def _grouped(
    of_group: Callable[..., Array], regrouped: Callable[[Array], Array] | None = None
) -> Model:
    """A model from the advantages of one group; `regrouped` makes the ids that it goes by."""

    def model(rewards, group_ids, baseline, scale, singleton):
        ids = group_ids if regrouped is None else regrouped(group_ids)
        advantages = np.zeros(len(rewards))
        for group in np.unique(ids):
            own = rewards[ids == group]
            raw = singleton == "raw" and len(own) == 1
            advantages[ids == group] = own if raw else of_group(own, baseline, scale)
        return advantages

    return model


def _batched(of_group: Callable[..., Array]) -> Model:
    """The same with all rewards of the batch beside those of the group."""

    def model(rewards, group_ids, baseline, scale, singleton):
        advantages = np.zeros(len(rewards))
        for group in np.unique(group_ids):
            own = rewards[group_ids == group]
            raw = singleton == "raw" and len(own) == 1
            advantages[group_ids == group] = own if raw else of_group(own, rewards, baseline, scale)
        return advantages

    return model


def _one_group(ids: Array) -> Array:
    return np.zeros(len(ids), dtype=int)


def _blocks(ids: Array) -> Array:
    """Equal blocks in the order of the batch, whatever the ids say."""
    size = max(1, len(ids) // len(np.unique(ids)))
    return np.arange(len(ids)) // size


def _runs_of_counts(ids: Array) -> Array:
    """Blocks as long as the groups, in the order of the batch."""
    return np.sort(ids)


def _strided(ids: Array) -> Array:
    """Every P-th answer: rows and columns of the batch exchanged."""
    return np.arange(len(ids)) % len(np.unique(ids))


def _stretches(ids: Array) -> Array:
    """A new group wherever the id changes."""
    return np.cumsum(np.r_[0, np.diff(ids) != 0])


def _neighbour(rewards, group_ids, baseline, scale, singleton):
    groups, advantages = np.unique(group_ids), np.zeros(len(rewards))
    for number, group in enumerate(groups):
        own, other = (rewards[group_ids == g] for g in (group, groups[number - 1]))
        advantages[group_ids == group] = (own - other.mean()) / _spread(other, scale)
    return advantages


def _twice(rewards, group_ids, baseline, scale, singleton):
    once = _grouped(_right)(rewards, group_ids, baseline, scale, singleton)
    spread = once.std(ddof=1) if len(once) > 1 else 0.0
    return (once - once.mean()) / (spread if spread > 0 else 1.0)


def _unguarded(own: Array, baseline: str, scale: str) -> Array:
    if len(own) == 1:
        return np.zeros(1)
    mean = (own.sum() - own) / (len(own) - 1) if baseline == "leave-one-out" else own.mean()
    return (own - mean) / (1.0 if scale == "none" else own.std(ddof=_ddof(scale)))


def _amplified(own: Array, baseline: str, scale: str) -> Array:
    if len(own) == 1:
        return np.zeros(1)
    mean = (own.sum() - own) / (len(own) - 1) if baseline == "leave-one-out" else own.mean()
    return (own - mean) / (1e-17 + (1.0 if scale == "none" else own.std(ddof=_ddof(scale))))


def _guarded_by(eps: float) -> Model:
    def of_group(own: Array, baseline: str, scale: str) -> Array:
        centred = own - _baseline(own, baseline)
        if scale == "none" or len(own) < 2:
            return centred
        return centred / (own.std(ddof=_ddof(scale)) + eps)

    return _grouped(of_group)


def _nonzero_mean(own: Array, baseline: str, scale: str) -> Array:
    kept = own[own != 0.0]
    return (own - (kept.mean() if len(kept) else 0.0)) / _spread(own, scale)


def _variance(own: Array, baseline: str, scale: str) -> Array:
    return (own - _baseline(own, baseline)) / _spread(own, scale) ** 2


def _precedence(own: Array, baseline: str, scale: str) -> Array:
    return own - _baseline(own, baseline) / _spread(own, scale)


def _own_kept(own: Array, baseline: str, scale: str) -> Array:
    return (own - own.sum() / max(1, len(own) - 1)) / _spread(own, scale)


def _own_missing(own: Array, baseline: str, scale: str) -> Array:
    return (own - (own.sum() - own) / len(own)) / _spread(own, scale)


def _from(reference: Callable[[Array], float]) -> Model:
    return _grouped(lambda own, baseline, scale: (own - reference(own)) / _spread(own, scale))


def _unit_range(own: Array, baseline: str, scale: str) -> Array:
    width = own.max() - own.min()
    return (own - own.min()) / (width if width > 0 else 1.0)


def _of_all_answers(own: Array, every: Array, baseline: str, scale: str) -> Array:
    centred = own - _baseline(own, baseline)
    spread = np.sqrt((centred**2).sum() / len(every))
    return centred / (spread if spread > 0 and scale != "none" else 1.0)


def _changed(change: Callable[[Array], Array]) -> Model:
    return _grouped(lambda own, baseline, scale: change(_right(own, baseline, scale)))


def _truncated(own: Array, baseline: str, scale: str) -> Array:
    return _right(np.trunc(own), baseline, scale)


_MEAN = "the line that subtracts the mean"
_STD = "the line that divides by the standard deviation"
_GROUP = "where rewards are put into groups"
_FIX = "Take mean and standard deviation over the answers with the same id."

FAULTS: tuple[FaultyVersion, ...] = (
    FaultyVersion(
        "sign-flipped",
        _changed(np.negative),
        "the advantages have the wrong sign",
        "Worse answers than the average are reinforced.",
        "Subtract the mean from the rewards, not the other way round.",
        _MEAN,
        (f"{GITHUB}takuseno/d3rlpy/commit/b4f3d46d1f06",),
    ),
    FaultyVersion(
        "batch-statistics",
        _grouped(_right, _one_group),
        "mean and standard deviation are those of the whole batch",
        "Answers to easy prompts are reinforced and answers to hard ones punished, good or bad.",
        _FIX,
        _GROUP,
        (f"{GITHUB}tensorflow/agents/issues/651", f"{GITHUB}OpenRLHF/OpenRLHF/commit/b3d292789dea"),
        aliases=("ids-ignored",),
        variants=(_batched(lambda own, every, b, s: (own - every.mean()) / _spread(own, s)),),
    ),
    FaultyVersion(
        "std-of-the-batch",
        _batched(lambda own, every, b, s: (own - _baseline(own, b)) / _spread(every, s)),
        "the standard deviation is that of the whole batch, the mean that of the group",
        "How much an answer counts depends on the other prompts of the batch. Some recipes do so on "
        "purpose; then it is no group-relative advantage.",
        _FIX,
        _STD,
        (f"{GITHUB}OpenRLHF/OpenRLHF/commit/b3d292789dea",),
    ),
    FaultyVersion(
        "std-over-all-answers",
        _batched(_of_all_answers),
        "the divisor of the variance counts the answers of all groups",
        "The spread is too small by the root of the number of groups.",
        _FIX,
        _STD,
        (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/1d9ca9255116",),
        aliases=("population-of-all-groups",),
    ),
    FaultyVersion(
        "baseline-missing",
        _grouped(lambda own, b, s: own / _spread(own, s)),
        "the mean of the group is not subtracted",
        "With positive rewards everything that was sampled is reinforced.",
        "Subtract the group's mean.",
        _MEAN,
        (f"{GITHUB}openai/baselines/commit/4862140ceadb",),
    ),
    FaultyVersion(
        "variance-for-std",
        _grouped(_variance),
        "the variance takes the place of the standard deviation",
        "Groups that hardly differ count far too much.",
        "Divide by the square root.",
        _STD,
        (f"{GITHUB}openai/baselines/commit/4862140ceadb",),
    ),
    FaultyVersion(
        "precedence",
        _grouped(_precedence),
        "only the mean is divided: r - mean / std",
        "Parentheses are missing: the advantages do not sum to 0 and depend on the level of the "
        "rewards.",
        "(r - mean) / std.",
        _STD,
        (f"{GITHUB}openai/baselines/commit/4862140ceadb",),
    ),
    FaultyVersion(
        "ids-assumed-contiguous",
        _grouped(_right, _blocks),
        "groups are cut from the batch in blocks, whatever the ids say",
        "As soon as prompts are interleaved or shuffled, answers to different prompts are compared.",
        "Group by id, or sort by it first.",
        _GROUP,
        (f"{GITHUB}huggingface/trl/commit/9ac614fb081e",),
        variants=(_grouped(_right, _runs_of_counts), _grouped(_right, _stretches)),
    ),
    FaultyVersion(
        "groups-transposed",
        _grouped(_right, _strided),
        "every n-th answer is taken for a group: the axes of prompts and answers are exchanged",
        "Answers to different prompts are compared; nothing crashes.",
        "rewards.view(-1, group_size), statistics over the last axis.",
        _GROUP,
        (f"{GITHUB}OpenRLHF/OpenRLHF/commit/b3d292789dea",),
        aliases=("axis-wrong",),
    ),
    FaultyVersion(
        "other-group",
        _neighbour,
        "the statistics are those of another group",
        "An answer is compared with the answers to the prompt before.",
        _FIX,
        _GROUP,
        (f"{GITHUB}huggingface/trl/commit/9ac614fb081e",),
    ),
    FaultyVersion(
        "normalised-twice",
        _twice,
        "the advantages are normalised once more, over the batch",
        "Groups count by how unusual they are in the batch.",
        "Normalise once.",
        _STD,
        (f"{GITHUB}openai/baselines/commit/4862140ceadb",),
    ),
    FaultyVersion(
        "guard-dominates",
        _guarded_by(1.0),
        "the constant in the divisor is as large as the spread",
        "std + eps with a large eps: advantages shrink with the scale of the rewards.",
        "Use an eps of about 1e-4.",
        _STD,
        (f"{GITHUB}NVIDIA-NeMo/RL/commit/775fc348649a",),
        aliases=("eps-dominates",),
        variants=(_guarded_by(0.1), _guarded_by(0.01), _guarded_by(0.5)),
    ),
    FaultyVersion(
        "guard-subtracted",
        _guarded_by(-1e-4),
        "the constant is subtracted from the spread",
        "std - eps: a group whose rewards differ by little gets huge advantages, below eps of the "
        "wrong sign.",
        "Add the constant.",
        _STD,
        (f"{GITHUB}NVIDIA-NeMo/RL/commit/775fc348649a",),
        variants=(_guarded_by(-1e-6), _guarded_by(-1e-8), _guarded_by(-1e-5)),
    ),
    FaultyVersion(
        "zero-variance-unguarded",
        _grouped(_unguarded),
        "a group of equal rewards is divided by a spread of 0",
        "0 / 0 is NaN, and one such group makes every weight NaN.",
        "Give such a group advantages of 0.",
        _STD,
        (f"{GITHUB}NVIDIA-NeMo/RL/commit/775fc348649a",),
    ),
    FaultyVersion(
        "constant-group-amplified",
        _grouped(_amplified),
        "the rounding error of a constant group is divided by a tiny guard",
        "Equal rewards do not average to themselves exactly. Divided by a spread of almost 0, that "
        "error becomes an advantage of order 1 for the whole group, all of one sign.",
        "Set the advantages to 0 where max(r) == min(r), or use an eps of 1e-4.",
        _STD,
        (f"{GITHUB}NVIDIA-NeMo/RL/commit/775fc348649a",),
    ),
    FaultyVersion(
        "own-reward-in-leave-one-out",
        _grouped(_own_kept),
        "the leave-one-out mean still holds the answer's own reward",
        "The sum over all is divided by n - 1: every advantage is too small by a share of the mean.",
        "(sum(r) - r_i) / (n - 1).",
        _MEAN,
        (f"{GITHUB}NVIDIA-NeMo/RL/commit/775fc348649a",),
        variants=(_grouped(_own_missing),),
    ),
    FaultyVersion(
        "maximum-for-mean",
        _from(np.max),
        "rewards are compared with another number than the group's mean",
        "With the maximum no answer is ever reinforced; with the minimum, or the median, the "
        "advantages do not sum to 0.",
        "Subtract the mean.",
        _MEAN,
        (f"{GITHUB}huggingface/trl/commit/1b1140aa696e",),
        aliases=("baseline-wrong",),
        variants=(_from(np.min), _from(np.median), _from(np.sum), _grouped(_unit_range)),
    ),
    FaultyVersion(
        "zero-rewards-left-out",
        _grouped(_nonzero_mean),
        "rewards of 0 do not count in the mean",
        "A wrong answer of reward 0 is taken for a missing one: the baseline is too high.",
        "Test for None, not for truth.",
        _MEAN,
        (f"{GITHUB}OpenRLHF/OpenRLHF/commit/33f9d72fbac7",),
    ),
    FaultyVersion(
        "negative-advantages-dropped",
        _changed(lambda a: np.maximum(a, 0.0)),
        "negative advantages become 0",
        "Bad answers are never made less likely.",
        "Keep both signs.",
        _STD,
        (f"{GITHUB}huggingface/trl/commit/1b1140aa696e",),
    ),
    FaultyVersion(
        "advantage-absolute",
        _changed(np.abs),
        "the advantages lose their sign",
        "Bad answers are reinforced as much as good ones.",
        "Keep the sign.",
        _STD,
        (f"{GITHUB}takuseno/d3rlpy/commit/b4f3d46d1f06",),
    ),
    FaultyVersion(
        "fractions-lost",
        _grouped(_truncated),
        "rewards become whole numbers",
        "Partial credit such as 0.35 counts as nothing.",
        "Convert rewards to floating point before anything else.",
        _GROUP,
        (f"{GITHUB}OpenRLHF/OpenRLHF/commit/33f9d72fbac7",),
    ),
)
