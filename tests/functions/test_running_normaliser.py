"""Running normalisers: correct ones of several makes pass, faulty ones are named.

None of the subjects shares code with the catalogue.
"""

import numpy as np
import pytest
import torch

import rlcheck
from property_tests import running_normaliser
from property_tests.scenario_contract import row


def stable_baselines3():
    from stable_baselines3.common.running_mean_std import RunningMeanStd

    return RunningMeanStd(shape=(2,))


def gymnasium_statistics():
    from gymnasium.wrappers.utils import RunningMeanStd

    return RunningMeanStd(shape=(2,))


class Chan(torch.nn.Module):
    """Buffers in float32, clipping at 5, merged by counts."""

    def __init__(self, shape, clip=5.0):
        super().__init__()
        self.clip = clip
        self.register_buffer("n", torch.zeros(()))
        self.register_buffer("mu", torch.zeros(shape))
        self.register_buffer("sq", torch.zeros(shape))

    @torch.no_grad()
    def update(self, batch):
        batch = torch.as_tensor(batch, dtype=torch.float32)
        k, mu = len(batch), batch.mean(0)
        gap = mu - self.mu
        self.sq += ((batch - mu) ** 2).sum(0) + self.between(gap, k)
        self.mu += gap * k / (self.n + k)
        self.n += k

    def between(self, gap, k):
        return gap**2 * self.n * k / (self.n + k)

    def forward(self, x):
        x = torch.as_tensor(x, dtype=torch.float32)
        return self.scaled(x, self.mu, torch.sqrt(self.sq / self.n + 1e-5))

    def scaled(self, x, mu, sigma):
        return ((x - mu) / sigma).clamp(-self.clip, self.clip)


class ScalarStatistics:
    """For numbers: one object a feature, N - 1 in the variance."""

    def __init__(self):
        self.seen = []

    def update(self, values):
        self.seen.extend(float(v) for v in values)

    def normalize(self, values):
        deviation = np.std(self.seen, ddof=1) if len(self.seen) > 1 else 1.0
        return (np.asarray(values, dtype=np.float64).reshape(-1) - np.mean(self.seen)) / (
            deviation + 1e-8
        )


class EvalFlag(Chan):
    def normalise(self, x, training=True):
        if training:
            self.update(x)
        return self.forward(x)


CORRECT = {
    "SB3": stable_baselines3,
    "Gymnasium": gymnasium_statistics,
    "torch": Chan,
    "numbers": ScalarStatistics,
    "flag": EvalFlag,
}


class NoGap(Chan):
    def between(self, gap, k):
        return 0.0


class GapAlone(Chan):
    def between(self, gap, k):
        return gap**2


class Newest(Chan):
    def update(self, batch):
        self.n.zero_(), self.mu.zero_(), self.sq.zero_()
        super().update(batch)


class Once(Chan):
    def update(self, batch):
        if self.n == 0:
            super().update(batch)


class Momentum(Chan):
    rate = 0.1

    @torch.no_grad()
    def update(self, batch):
        batch = torch.as_tensor(batch, dtype=torch.float32)
        rate = self.rate if self.n else 1.0
        self.mu += rate * (batch.mean(0) - self.mu)
        self.sq += rate * (batch.var(0, unbiased=False) - self.sq)
        self.n = torch.ones(())


class Batches(Chan):
    @torch.no_grad()
    def update(self, batch):
        batch = torch.as_tensor(batch, dtype=torch.float32)
        self.n += 1
        self.mu += (batch.mean(0) - self.mu) / self.n
        # An average of the variances of all batches, times their number.
        self.sq += batch.var(0, unbiased=False)


class DividedByVariance(Chan):
    def scaled(self, x, mu, sigma):
        return (x - mu) / sigma**2


class Parentheses(Chan):
    def scaled(self, x, mu, sigma):
        return x - mu / sigma


class Uncentred(Chan):
    def scaled(self, x, mu, sigma):
        return x / sigma


class CentredOnly(Chan):
    def scaled(self, x, mu, sigma):
        return x - mu


class Pooled(Chan):
    def scaled(self, x, mu, sigma):
        spread = torch.sqrt((sigma**2).mean() + ((mu - mu.mean()) ** 2).mean())
        return (x - mu.mean()) / spread


class AlwaysLearning(Chan):
    def forward(self, x):
        self.update(x)
        return super().forward(x)


class InPlace:
    def __init__(self):
        self.rows = []

    def update(self, batch):
        self.rows += [row.copy() for row in batch]

    def normalise(self, x):
        x -= np.mean(self.rows, axis=0)
        x /= np.std(self.rows, axis=0) + 1e-6
        return x


class Lazy(InPlace):
    def update(self, batch):
        self.rows += list(batch)

    def normalise(self, x):
        return super().normalise(x.copy())


class Bare(InPlace):
    def normalise(self, x):
        with np.errstate(all="ignore"):
            return (x - np.mean(self.rows, axis=0)) / np.std(self.rows, axis=0)


class Squares(InPlace):
    def normalise(self, x):
        rows = np.array(self.rows)
        return (x - rows.mean(0)) / np.sqrt((rows**2).mean(0) + 1e-8)


FAULTY = {
    NoGap: "variance-between-batches-missing",
    GapAlone: "variance-between-batches-wrong",
    Newest: "only-last-batch",
    Once: "only-first-batch",
    Momentum: "moving-average",
    Batches: "batches-count-alike",
    DividedByVariance: "variance-for-deviation",
    Parentheses: "precedence",
    Uncentred: "mean-not-subtracted",
    CentredOnly: "not-scaled",
    Pooled: "one-statistic-for-all-features",
    AlwaysLearning: "learns-from-what-it-normalises",
    InPlace: "input-overwritten",
    Lazy: "references-kept",
    Bare: "no-epsilon",
    Squares: "second-moment-for-variance",
}


@pytest.mark.parametrize("make", CORRECT.values(), ids=CORRECT)
def test_correct_normalisers_pass(make):
    assert row(running_normaliser.SCENARIO, make, "").failed == ()


@pytest.mark.parametrize(("make", "fault"), FAULTY.items(), ids=lambda x: getattr(x, "__name__", x))
def test_faulty_normalisers_are_named(make, fault):
    found = row(running_normaliser.SCENARIO, make, "")
    assert found.failed
    assert found.named == f"running-normaliser/{fault}"


def test_the_start_from_a_small_count_is_a_note():
    found = rlcheck.check(stable_baselines3, "running-normaliser")
    assert found.verdict == "passed"
    assert any("0.0001 of an observation" in note for note in found.notes)


def test_the_message_says_which_feature_became_what():
    found = rlcheck.check(NoGap, "running-normaliser")
    message = next(r.message for r in found.results if r.check.endswith("batches-merge"))
    assert "all rows in one batch give other moments than several batches" in message


def test_every_fault_has_an_entry_of_its_own():
    names = [fault.name for fault in running_normaliser.SCENARIO.faults]
    assert len(set(names)) == len(names) >= 8
    assert all(
        f.title and f.explanation and f.fix and f.where for f in running_normaliser.SCENARIO.faults
    )
