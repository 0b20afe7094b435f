"""Global state is put back after a trial, and nothing is imported for it."""

import subprocess
import sys

import pytest

from rlcheck.engine.guard import preserved_state

CODE = """
import sys, torch
from rlcheck.engine.guard import preserved_state
with preserved_state():
    torch.rand(1)
assert "torch._dynamo" not in sys.modules
"""


def test_torch_compiler_is_not_imported_where_nothing_changed():
    pytest.importorskip("torch")
    # In a process of its own: other tests may have imported it.
    subprocess.run([sys.executable, "-c", CODE], check=True)


def test_deterministic_algorithms_are_put_back():
    torch = pytest.importorskip("torch")
    with preserved_state():
        torch.use_deterministic_algorithms(True, warn_only=True)
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
