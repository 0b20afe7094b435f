"""The contract `environment`: what agents may rely on in whatever they learn in."""

from __future__ import annotations

from ladders import (
    environment_actions,
    environment_aliasing,
    environment_autoreset,
    environment_checks,
    environment_conforms,
    environment_cost,
    environment_effects,
    environment_ends,
    environment_faults,
    environment_goal,
    environment_markov,
    environment_metric,
    environment_past_end,
    environment_reachable,
    environment_scale,
    environment_seeds,
    environment_shaping,
    environment_task_faults,
    environment_variety,
    environment_vector,
)
from ladders.environment_interface import INTERFACE
from ladders.environment_subject import bind_environment, recognises
from rlcheck.contracts import Contract

CONTRACT = Contract(
    name="environment",
    title="A Gymnasium environment, single or vectorised.",
    explanation=(
        "Takes a registered id (CartPole-v1, or my_module:Name-v0, which imports the module first), a "
        "class, or a function that makes an environment or a vector environment; constructor arguments "
        "are given with --set, and so are metric=NAME, base=ID and seconds=N (how long all play may "
        "take). Play on fresh instances must keep to Gymnasium's interface: bool flags with time limits "
        "under `truncated`, finite rewards, observations inside their space that nothing overwrites, and "
        "randomness that the seed of `reset`, and it alone, decides."
    ),
    checks=(
        INTERFACE,
        *environment_conforms.CONFORMS,
        environment_conforms.SB3,
        environment_ends.FLAGS,
        environment_past_end.PAST_END,
        environment_checks.REWARDS,
        environment_checks.OBSERVATIONS,
        environment_aliasing.KEPT_OBSERVATIONS,
        environment_aliasing.KEPT_INFOS,
        environment_seeds.SAME_SEED,
        environment_seeds.GLOBALS,
        environment_variety.SEEDS_DIFFER,
        environment_actions.ARRIVES,
        environment_effects.EFFECTS,
        environment_cost.COST,
        environment_markov.MARKOV,
        environment_goal.FARMS,
        environment_reachable.GOALS,
        environment_metric.METRIC,
        environment_shaping.SHAPING,
        environment_scale.SCALE,
        environment_vector.SLOTS,
        environment_autoreset.AUTORESET,
    ),
    faults=(*environment_faults.FAULTS, *environment_task_faults.FAULTS),
    bind=bind_environment,
    recognises=recognises,
)
