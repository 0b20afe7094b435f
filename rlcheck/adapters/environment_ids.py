"""Whether Gymnasium knows an environment id."""

from __future__ import annotations

from rlcheck import contracts
from rlcheck.errors import TargetError
from rlcheck.suggest import did_you_mean


def require_registered(env_id: str) -> None:
    """Do nothing for an id that `gymnasium.make` would find.

    Raises:
        TargetError: Gymnasium has no such environment; the message offers close matches.
    """
    import gymnasium

    if env_id.startswith("rlcheck/"):  # our own examples: their package registers them when loaded
        contracts.load("environment")
    name = env_id.rpartition(":")[2]
    try:
        gymnasium.spec(name)
    except gymnasium.error.Error as error:
        close = did_you_mean(name, gymnasium.registry)
        hint = close if "did you mean" in close else ""
        raise TargetError(
            f"Gymnasium has no environment {name!r}{hint}; an id of a package of yours is written "
            "`module:Name-v0`, so that the module that registers it is imported first"
        ) from error
