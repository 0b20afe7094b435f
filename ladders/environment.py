"""The contract `environment`: what agents may rely on in whatever they learn in."""

from __future__ import annotations

from ladders.environment_checks import FLAGS, KEPT_OBSERVATIONS, OBSERVATIONS, REWARDS
from ladders.environment_faults import FAULTS
from ladders.environment_interface import CONFORMS, INTERFACE
from ladders.environment_seeds import SAME_SEED, SEEDS_DIFFER
from ladders.environment_subject import bind_environment, recognises
from rlcheck.contracts import Contract

CONTRACT = Contract(
    name="environment",
    title="A single Gymnasium environment.",
    explanation=(
        "Takes a registered id (CartPole-v1, or my_module:Name-v0, which imports the module first), a "
        "class, or a function that makes an environment; constructor arguments are given with --set. "
        "Random play on fresh instances must keep to Gymnasium's interface: bool flags with time "
        "limits under `truncated`, finite rewards, observations inside their space that nothing "
        "overwrites, and randomness that the seed of `reset`, and it alone, decides."
    ),
    checks=(
        INTERFACE,
        CONFORMS,
        FLAGS,
        REWARDS,
        OBSERVATIONS,
        KEPT_OBSERVATIONS,
        SAME_SEED,
        SEEDS_DIFFER,
    ),
    faults=FAULTS,
    bind=bind_environment,
    recognises=recognises,
)
