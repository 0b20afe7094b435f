"""Groups of one answer."""

import numpy as np

import rlcheck


def single_answers_keep_their_reward(scores, index, epsilon=1e-6):
    """A group of one has mean 0 and deviation 1, and the guard beside it as every other."""
    out = np.zeros_like(scores)
    for group in np.unique(index):
        where = index == group
        alone = where.sum() == 1
        mean, std = (0.0, 1.0) if alone else (scores[where].mean(), scores[where].std(ddof=1))
        out[where] = (scores[where] - mean) / (std + epsilon)
    return out


def test_the_guard_counts_for_a_single_answer_too():
    report = rlcheck.check(single_answers_keep_their_reward, "group-advantages", max_examples=30)
    assert report.verdict == "passed"
