"""The executable definition of a replay buffer, and the ways of getting it wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from property_tests.framework.records import FaultyVersion

_DQN = "https://arxiv.org/abs/1312.5602"


class RingBuffer:
    """The definition: a list of rows, the oldest dropped when a new one would be too many.

    Its steps are methods of their own, so that a faulty version replaces one of them.
    """

    def __init__(self, capacity: int):
        self.capacity = capacity
        self.rows: list[dict[str, Any]] = []

    def add(self, obs, action, reward, next_obs, terminated, truncated) -> None:
        """Store copies of everything."""
        row = {
            "obs": np.array(obs),
            "action": action,
            "reward": reward,
            "next_obs": np.array(next_obs),
            "terminated": terminated,
            "truncated": truncated,
        }
        self.store(self.changed(row, obs, next_obs))

    def changed(self, row: dict[str, Any], obs: np.ndarray, next_obs: np.ndarray) -> dict[str, Any]:
        """The row as it is stored; a hook for faults."""
        return row

    def store(self, row: dict[str, Any]) -> None:
        """Append the row and let the oldest go."""
        self.rows = [*self.rows, row][-self.capacity :]

    def indices(self, n: int) -> np.ndarray:
        """Uniform draws, newest row last."""
        return np.random.randint(len(self.rows), size=n)

    def read(self, index: int) -> dict[str, Any]:
        """One row."""
        return self.rows[index]

    def sample(self, n: int) -> dict[str, np.ndarray]:
        """Columns of n rows."""
        rows = [self.read(int(i)) for i in self.indices(n)]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}


class _StopsWhenFull(RingBuffer):
    def store(self, row):
        self.rows = [*self.rows, row][: self.capacity]


class _ReplacesLast(RingBuffer):
    def store(self, row):
        kept = self.rows[:-1] if len(self.rows) == self.capacity else self.rows
        self.rows = [*kept, row]


class _NeverEvicts(RingBuffer):
    def store(self, row):
        self.rows = [*self.rows, row]


class _OneTooFew(RingBuffer):
    def store(self, row):
        self.rows = [*self.rows, row][-max(1, self.capacity - 1) :]


class _OneTooMany(RingBuffer):
    def store(self, row):
        self.rows = [*self.rows, row][-self.capacity - 1 :]


class _StartsAgain(RingBuffer):
    def store(self, row):
        self.rows = [row] if len(self.rows) == self.capacity else [*self.rows, row]


class _SizeIsPosition(RingBuffer):
    """`position` wraps, and rows below it are all that is sampled."""

    added = 0

    def store(self, row):
        super().store(row)
        self.added += 1

    def indices(self, n):
        fresh = self.added % self.capacity or 1
        return len(self.rows) - 1 - np.random.randint(min(fresh, len(self.rows)), size=n)


class _FirstPlaceAtTheWrap(_SizeIsPosition):
    """Just after the wrap the first place is sampled, where the oldest row is."""

    def indices(self, n):
        return super().indices(n) if self.added % self.capacity else np.zeros(n, int)


class _WholeArray(RingBuffer):
    """Samples places that were never written."""

    def indices(self, n):
        return np.random.randint(self.capacity, size=n)

    def read(self, index):
        if index < len(self.rows):
            return self.rows[index]
        empty = np.zeros_like(self.rows[0]["obs"])
        numbers = {"action": 0, "reward": 0.0, "terminated": False, "truncated": False}
        return {"obs": empty, "next_obs": empty, **numbers}


class _NewestNever(RingBuffer):
    def indices(self, n):
        return np.random.randint(max(1, len(self.rows) - 1), size=n)


class _OldestNever(RingBuffer):
    def indices(self, n):
        return len(self.rows) - 1 - np.random.randint(max(1, len(self.rows) - 1), size=n)


class _RecentFavoured(RingBuffer):
    def indices(self, n):
        return super().indices(2 * n).reshape(n, 2).max(axis=1)


class _OneDrawForAll(RingBuffer):
    def indices(self, n):
        return np.random.default_rng(1).integers(len(self.rows), size=n)


class _NextFromFollowing(RingBuffer):
    def read(self, index):
        following = self.rows[(index + 1) % len(self.rows)]
        return {**self.rows[index], "next_obs": following["obs"]}


class _OneRingWrittenAhead(RingBuffer):
    """One ring of observations: a next one is written ahead, over that of the oldest row."""

    def __init__(self, capacity):
        super().__init__(capacity)
        self.ring: list[Any] = [None] * capacity
        self.added = 0

    def store(self, row):
        super().store(row)
        place = self.added % self.capacity
        self.ring[place] = row["obs"]
        self.ring[(place + 1) % self.capacity] = row["next_obs"]
        self.added += 1

    def read(self, index):
        place = self.added - len(self.rows) + index
        obs, following = (self.ring[(place + k) % self.capacity] for k in (0, 1))
        return {**super().read(index), "obs": obs, "next_obs": following}


class _NextFromFollowingButNewest(RingBuffer):
    def read(self, index):
        last = index == len(self.rows) - 1
        row = self.rows[index]
        return row if last else {**row, "next_obs": self.rows[index + 1]["obs"]}


class _NextIsObservation(RingBuffer):
    def changed(self, row, obs, next_obs):
        return {**row, "next_obs": row["obs"]}


class _ObservationIsNext(RingBuffer):
    def changed(self, row, obs, next_obs):
        return {**row, "obs": row["next_obs"]}


class _References(RingBuffer):
    def changed(self, row, obs, next_obs):
        return {**row, "obs": obs, "next_obs": next_obs}


class _ReferencesNextOnly(RingBuffer):
    def changed(self, row, obs, next_obs):
        return {**row, "next_obs": next_obs}


class _TruncationAsTerminal(RingBuffer):
    def changed(self, row, obs, next_obs):
        return {**row, "terminated": row["terminated"] or row["truncated"]}


class _TruncationLost(RingBuffer):
    def changed(self, row, obs, next_obs):
        return {**row, "truncated": False}


class _MergedWithoutTruncation(RingBuffer):
    def changed(self, row, obs, next_obs):
        ended = row["terminated"] or row["truncated"]
        return {**row, "terminated": ended, "truncated": False}


class _TruncationClearsTerminal(RingBuffer):
    def changed(self, row, obs, next_obs):
        return {**row, "terminated": row["terminated"] and not row["truncated"]}


class _FlagsSwapped(RingBuffer):
    def changed(self, row, obs, next_obs):
        return {**row, "terminated": row["truncated"], "truncated": row["terminated"]}


def _column_of_other_row(name: str, shift: int) -> type[RingBuffer]:
    class Shifted(RingBuffer):
        def read(self, index):
            other = self.rows[(index + shift) % len(self.rows)]
            return {**self.rows[index], name: other[name]}

    return Shifted


class _ColumnsDrawnApart(RingBuffer):
    def sample(self, n):
        return {name: super(_ColumnsDrawnApart, self).sample(n)[name] for name in self.rows[0]}


class _IntegerRewards(RingBuffer):
    def changed(self, row, obs, next_obs):
        return {**row, "reward": int(row["reward"])}


class _ClippedRewards(RingBuffer):
    def changed(self, row, obs, next_obs):
        return {**row, "reward": min(1.0, max(-1.0, row["reward"]))}


class _Consumed(RingBuffer):
    def sample(self, n):
        batch = super().sample(n)
        self.rows = self.rows[:-1] if len(self.rows) > n else self.rows
        return batch


FAULTS: tuple[FaultyVersion, ...] = (
    FaultyVersion(
        "stops-when-full",
        _StopsWhenFull,
        "a full buffer takes no new transitions",
        "What was stored first stays for ever: the agent learns from its oldest policy only.",
        "Overwrite the oldest row.",
        "the branch of `add` for a full buffer",
        (_DQN,),
    ),
    FaultyVersion(
        "newest-overwritten",
        _ReplacesLast,
        "a full buffer overwrites its newest row instead of its oldest",
        "All rows but one are frozen.",
        "Advance the write position after every `add`, modulo the capacity.",
        "the write position after the first wrap",
        (_DQN,),
    ),
    FaultyVersion(
        "never-evicts",
        _NeverEvicts,
        "nothing is ever evicted",
        "`capacity` has no effect: memory grows, and data of the first policies stays for ever.",
        "Drop the oldest row when a new one exceeds the capacity.",
        "a list without a largest length",
        (_DQN,),
    ),
    FaultyVersion(
        "capacity-off-by-one",
        _OneTooFew,
        "one row too few or too many is held",
        "The comparison with the capacity is off by one.",
        "Hold exactly `capacity` rows.",
        "`>` against `>=` in `add`",
        (_DQN,),
        variants=(_OneTooMany,),
    ),
    FaultyVersion(
        "forgets-when-full",
        _StartsAgain,
        "the whole buffer is emptied when it is full",
        "Every `capacity` steps the agent learns from a handful of transitions.",
        "Overwrite the oldest row and keep the others.",
        "a call of `clear` where the write position wraps",
        (_DQN,),
    ),
    FaultyVersion(
        "size-is-write-position",
        _SizeIsPosition,
        "after the wrap only rows below the write position are sampled",
        "The write position, which wraps, stands for the number of rows.",
        "Sample from min(rows added, capacity) rows.",
        "the bound of the random index",
        (_DQN,),
        variants=(_FirstPlaceAtTheWrap,),
    ),
    FaultyVersion(
        "unwritten-rows-sampled",
        _WholeArray,
        "rows that were never written are sampled",
        "Before the buffer is full, indices run over the whole capacity: zeros are learned from.",
        "Sample from the rows that are written.",
        "the bound of the random index",
        (_DQN,),
    ),
    FaultyVersion(
        "newest-never-sampled",
        _NewestNever,
        "the newest row is never sampled",
        "The upper bound of the random index leaves out the last row.",
        "Know whether your generator includes its upper bound.",
        "the bound of the random index",
        ("https://github.com/pytorch/rl/commit/781a5b29dad8",),
    ),
    FaultyVersion(
        "oldest-never-sampled",
        _OldestNever,
        "the oldest row is never sampled",
        "The range of the random index starts one too late, often to protect a neighbour that is "
        "read from the following row.",
        "Store next observations, and sample every row.",
        "the bound of the random index",
        ("https://github.com/DLR-RM/stable-baselines3/issues/1853",),
    ),
    FaultyVersion(
        "rows-unequally-likely",
        _RecentFavoured,
        "some rows are more likely than others",
        "The index is not uniform: a maximum of two draws, rounding, a modulo.",
        "Draw the index uniformly.",
        "the computation of the random index",
        (_DQN,),
    ),
    FaultyVersion(
        "every-batch-the-same",
        _OneDrawForAll,
        "every call of `sample` returns the same rows",
        "The generator is seeded in every call, so most of the buffer is never seen.",
        "Make the generator once and keep it.",
        "the generator inside `sample`",
        ("https://github.com/Toni-SM/skrl/commit/9252ec9450b8",),
    ),
    FaultyVersion(
        "next-observation-from-following-row",
        _NextFromFollowing,
        "the next observation is the observation of the following row",
        "To save memory it is not stored. At the end of an episode it is then the first "
        "observation of the next one, and at the write position one from another time.",
        "Store next observations, or at least those of steps that end an episode.",
        "an option such as `optimize_memory_usage`",
        (
            "https://github.com/DLR-RM/stable-baselines3/issues/1853",
            "https://github.com/DLR-RM/stable-baselines3/commit/0c50d75ecb62",
            "https://github.com/vwxyzjn/cleanrl/commit/24c96aff7cde",
        ),
        variants=(_NextFromFollowingButNewest, _OneRingWrittenAhead),
    ),
    FaultyVersion(
        "next-observation-is-observation",
        _NextIsObservation,
        "observation and next observation are the same",
        "Every state seems to lead to itself.",
        "Store the observation before the step and the one after it.",
        "the collection loop, or `add`",
        ("https://github.com/openai/baselines/commit/8b3a6c20519a",),
        variants=(_ObservationIsNext,),
    ),
    FaultyVersion(
        "references-stored",
        _References,
        "the caller's arrays are stored, not copies of them",
        "Environments that reuse their arrays overwrite what is stored: all rows show the latest "
        "observation.",
        "Copy what is stored.",
        "`append` of an array, `np.asarray`, `torch.from_numpy`",
        ("https://github.com/openai/baselines/commit/8b3a6c20519a",),
        variants=(_ReferencesNextOnly,),
    ),
    FaultyVersion(
        "truncation-as-terminal",
        _TruncationAsTerminal,
        "a truncated transition comes back as terminated",
        "A time limit teaches the critic that the state reached is worth nothing.",
        "Store and return both flags.",
        "`done = terminated or truncated` before `add` or in it",
        ("https://github.com/google/dopamine/commit/c443e88a5875",),
        variants=(_MergedWithoutTruncation,),
    ),
    FaultyVersion(
        "truncation-lost",
        _TruncationLost,
        "`truncated` is never stored",
        "Rows look as if the episode went on, so n-step returns run across episodes.",
        "Store and return both flags.",
        "a keyword argument that is misspelt or dropped",
        (
            "https://github.com/google/dopamine/commit/70b5451578b7",
            "https://github.com/takuseno/d3rlpy/commit/452c57849dff",
        ),
    ),
    FaultyVersion(
        "truncation-clears-terminal",
        _TruncationClearsTerminal,
        "a step with both flags comes back as not terminated",
        "A task that ends exactly at its time limit is bootstrapped.",
        "Let `terminated` win.",
        "`done * (1 - timeout)`",
        ("https://github.com/Farama-Foundation/Gymnasium/commit/e5c44c8e8695",),
    ),
    FaultyVersion(
        "flags-swapped",
        _FlagsSwapped,
        "`terminated` and `truncated` are swapped",
        "Ends of the task are bootstrapped, time limits are not.",
        "Keep the order of the arguments.",
        "positional arguments of `add`",
    ),
    FaultyVersion(
        "columns-misaligned",
        _column_of_other_row("reward", 1),
        "a column of a row comes from another row",
        "Actions are credited with the reward of a neighbour.",
        "Write all columns at one position and read them with one index.",
        "write positions kept for each column",
        ("https://github.com/AgileRL/AgileRL/commit/611c57248f7d",),
        variants=(
            _column_of_other_row("reward", -1),
            _column_of_other_row("action", 1),
            _column_of_other_row("action", -1),
            _column_of_other_row("obs", -1),
        ),
    ),
    FaultyVersion(
        "columns-drawn-apart",
        _ColumnsDrawnApart,
        "every column is sampled with indices of its own",
        "Rows are put together at random: nothing can be learned from them.",
        "Draw the indices once and use them for all columns.",
        "a random index inside the loop over columns",
    ),
    FaultyVersion(
        "rewards-truncated-to-integers",
        _IntegerRewards,
        "rewards lose their fractions",
        "They are stored as integers: 0.5 becomes 0.",
        "Store rewards as floating-point numbers.",
        "the dtype of the reward array, taken from the first reward",
    ),
    FaultyVersion(
        "rewards-clipped",
        _ClippedRewards,
        "rewards are clipped to [-1, 1] when they are stored",
        "Large rewards count no more than small ones: another task is solved.",
        "Clip in an environment wrapper, where it can be seen and turned off.",
        "a line kept from an Atari recipe",
    ),
    FaultyVersion(
        "sampling-removes-rows",
        _Consumed,
        "sampling removes rows",
        "A transition is replayed once at most; the buffer never fills.",
        "Read rows without removing them.",
        "`pop` in `sample`",
    ),
)
