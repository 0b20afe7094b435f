"""How many inputs properties try: profiles for the desk, for continuous integration and for the night.

`pytest --rlcheck-profile NAME` sets it for the checks of `rlcheck.parametrize`, and loads the Hypothesis
profile of the same name for property tests of the user's own.
"""

from __future__ import annotations

EXAMPLES = {"dev": 25, "ci": 100, "nightly": 1000}
"""Profile -> inputs that a property tries."""


def load(name: str) -> None:
    """Register the profiles as `rlcheck-NAME` with Hypothesis and load one.

    Learners are slow beside what Hypothesis expects, so there is no deadline. In continuous integration
    the same inputs are tried on every run, so that a failure belongs to a change.
    """
    from hypothesis import settings

    for profile, examples in EXAMPLES.items():
        settings.register_profile(
            f"rlcheck-{profile}",
            max_examples=examples,
            deadline=None,
            derandomize=profile == "ci",
            print_blob=profile != "dev",
        )
    settings.load_profile(f"rlcheck-{name}")
