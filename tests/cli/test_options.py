"""How values of options are read."""

from __future__ import annotations

import pytest

from rlcheck.cli.options import bindings, constants, literal
from rlcheck.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("3e-4", 3e-4),
        ("true", True),
        ("False", False),
        ("None", None),
        ("[64, 64]", [64, 64]),
        ("MlpPolicy", "MlpPolicy"),
        ("a=b", "a=b"),
    ],
)
def test_literals(text, value):
    assert literal(text) == value
    assert type(literal(text)) is type(value)


def test_pairs():
    assert bindings(["r=rewards, v=values", "d=dones"]) == {
        "r": "rewards",
        "v": "values",
        "d": "dones",
    }
    assert constants(["lr=3e-4", "name=a=b"], "--set") == {"lr": 3e-4, "name": "a=b"}


@pytest.mark.parametrize("text", ["rewards", "=x", "x=", ""])
def test_half_a_pair(text):
    with pytest.raises(UsageError, match="--bind should be given as name=value"):
        bindings([text])
