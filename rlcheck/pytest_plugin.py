"""The pytest plugin: options for `rlcheck.parametrize`, and what its tests leave in the report.

Loads nothing but the standard library; `-p no:rlcheck` switches it off.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rlcheck.items import CheckItem

MARKER = "rlcheck"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of `rlcheck.parametrize`."""
    group = parser.getgroup("rlcheck", "verification of reinforcement-learning code")
    group.addoption(
        "--rlcheck-budget",
        choices=("quick", "standard", "thorough"),
        help="how much work a check may do, where the test does not say",
    )
    group.addoption(
        "--rlcheck-seed", type=int, metavar="N", help="first seed, where the test does not say"
    )
    group.addoption(
        "--rlcheck-profile",
        choices=("dev", "ci", "nightly"),
        help="how many inputs properties try: 25, 100 or 1000; for your own Hypothesis tests too",
    )
    group.addoption("--rlcheck-device", metavar="DEVICE", help="device that subjects are asked for")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, so that `--strict-markers` and `-m rlcheck` work; load a profile."""
    config.addinivalue_line("markers", f"{MARKER}(check): a check of rlcheck.parametrize")
    profile = config.getoption("--rlcheck-profile")
    if profile and not config.getoption("--hypothesis-profile", None):
        from rlcheck import profiles

        profiles.load(profile)


def _examples(config: pytest.Config) -> int | None:
    profile = config.getoption("--rlcheck-profile")
    if not profile:
        return None
    from rlcheck.profiles import EXAMPLES

    return EXAMPLES[profile]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Hand the options to the check of a test, and its result to the report."""
    checks = _checks(item)
    options = {
        "budget": item.config.getoption("--rlcheck-budget"),
        "seed": item.config.getoption("--rlcheck-seed"),
        "device": item.config.getoption("--rlcheck-device"),
        "max_examples": _examples(item.config),
    }
    for check in checks:
        check.configure({name: value for name, value in options.items() if value is not None})
    try:
        yield
    finally:
        for check in checks:
            item.user_properties.extend(check.properties())


def _checks(item: pytest.Item) -> list[CheckItem]:
    callspec: Any = getattr(item, "callspec", None)
    values = callspec.params.values() if callspec is not None else ()
    # By a mark, not by type: importing the class would load what the plugin must not.
    return [value for value in values if getattr(value, "is_rlcheck_item", False)]
