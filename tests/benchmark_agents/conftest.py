"""The benchmark agents are no installed package: they are imported from the checkout."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


@pytest.fixture(autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)
