"""Lambda-returns written as a recursion on returns: their mistakes are not those of advantages."""

import numpy as np
import pytest
from policy_checks import verdict


def recursion(carry_masked=True, value_masked=True, cut=True, discounted=True, start=1.0):
    """A function with one of the mistakes that the arguments speak of."""

    def returns(rewards, next_values, terminated, truncated, gamma, lam):
        carry, out = start * next_values[-1], []
        for t in reversed(range(len(rewards))):
            alive = 1.0 - terminated[t]
            carried = np.where(truncated[t], next_values[t], carry) if cut else carry
            if t == len(rewards) - 1:
                carried = carry
            value = (alive if value_masked else 1.0) * (1 - lam) * gamma * next_values[t]
            weight = (alive if carry_masked else 1.0) * lam * (gamma if discounted else 1.0)
            carry = rewards[t] + value + weight * carried
            out.insert(0, carry)
        return np.stack(out)

    return returns


FAULTY = {
    "terminal-bootstrap": recursion(value_masked=False),
    "truncation-ignored": recursion(cut=False),
    "gamma-missing-in-trace": recursion(discounted=False),
    "last-bootstrap-missing": recursion(start=0.0),
    "mask-only-on-bootstrap": recursion(carry_masked=False, cut=False),
}


def test_the_recursion_is_right():
    assert verdict("lambda-returns", recursion(), examples=20) == ((), "")


@pytest.mark.parametrize("fault", FAULTY)
def test_mistakes_of_the_recursion_are_named(fault):
    failed, named = verdict("lambda-returns", FAULTY[fault], examples=20)
    assert failed
    assert named == fault
