from __future__ import annotations

import pytest
from engine_helpers import PLUGIN

from rlcheck import contracts


@pytest.fixture(autouse=True)
def toy_contract(monkeypatch):
    """The contract `toy` is installed, here and in worker processes, by its folder on the path."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    contracts._entries.cache_clear()
    contracts.load.cache_clear()
    yield
    contracts._entries.cache_clear()
    contracts.load.cache_clear()
