"""A fault is named where its answers are not met exactly, or where several give the same ones."""

import numpy as np

import rlcheck


def named(function, contract):
    report = rlcheck.check(function, contract, max_examples=25)
    assert report.verdict == "failed"
    return report.diagnosis[0]


def returns(rewards, dones, gamma):
    out, following = np.zeros_like(rewards), np.zeros(rewards.shape[1])
    for t in reversed(range(len(rewards))):
        out[t] = following = rewards[t] + gamma * following * (1.0 - dones[t])
    return out


def test_a_guard_beside_the_mistake_does_not_hide_it():
    def standardised(rewards, dones, gamma):
        raw = returns(rewards, dones, gamma)
        return (raw - raw.mean()) / (raw.std() + 1e-5)

    found = named(standardised, "discounted-returns")
    assert found.fault == "discounted-returns/normalised-inside"
    assert "to within a thousandth of what the fault changes" in found.proof[0]


def test_what_a_function_cannot_know_does_not_speak_against_a_fault():
    def early(rewards, dones, gamma):
        moved = np.concatenate([dones[1:], np.zeros_like(dones[:1])])
        return returns(rewards, moved, gamma)

    assert named(early, "discounted-returns").fault == "discounted-returns/done-early"


def test_more_inputs_tell_apart_what_a_few_do_not():
    def without_logarithm(q_values, counts, step, c):
        if (counts == 0).any():
            return int(np.argmin(counts))
        return int(np.argmax(q_values + c * np.sqrt(step / counts)))

    assert named(without_logarithm, "ucb").fault == "ucb/logarithm-missing"


def test_inputs_of_the_property_tell_where_the_shared_ones_show_nothing():
    """On most MDPs values rise to the end; those of the property fall too."""

    def signed_difference(P, R, gamma, theta=1e-9):
        values = np.zeros(len(P))
        while True:
            new = (R + gamma * P @ values).max(1)
            if (new - values).max() < theta:
                return new
            values = new

    assert named(signed_difference, "value-iteration").fault == (
        "value-iteration/falling-values-stop-it"
    )
