"""What a labelled training is: a healthy one, or one with a pathology that is provoked.

A pathology names the faults that count as right for it; that list is part of its definition and was
written before any run of it was judged. Healthy means that the code is right and every setting within its
usual range (`rlcheck.signals.hyper_parameters`): agents that are slow, that were given too few steps, or
that have never yet found a sparse reward are among them.
`training_halves` lists the trainings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

(
    TUNING, FIRST_TEST, SECOND_TEST, THIRD_TEST, FOURTH_TEST, SECOND_TUNING, FIFTH_TEST, SIXTH_TEST,
    THIRD_TUNING, TEST,
) = HALVES = (
    "tuning", "first_test", "second_test", "third_test", "fourth_test", "second_tuning", "fifth_test",
    "sixth_test", "third_tuning", "test",
)  # fmt: skip
FIRST_SEED = {half: 1000 * at for at, half in enumerate(HALVES)}


@dataclass(frozen=True, slots=True)
class Pathology:
    """A mistake, how it is made, and which faults name it.

    Args:
        name: what is wrong.
        faults: names that are right for it.
        settings: hyper-parameters that make it.
        spoil: the faulty component that makes it, by its name in `training_provoked`.
    """

    name: str
    faults: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    spoil: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Trainings of one half that differ in their seeds only.

    Args:
        half: one of `HALVES`.
        algorithm: of the reference agents, or `sb3:PPO` and the like.
        env: id, or a name of `training_provoked.OWN_ENVIRONMENTS`.
        steps: environment steps of each seed.
        count: how many seeds.
        pathology: what is wrong; None for a healthy group.
        variant: what distinguishes a healthy group from others of its algorithm and environment.
        settings: hyper-parameters of a healthy variant.
        watch: further signals that are measured, as a careful user would.
    """

    half: str
    algorithm: str
    env: str
    steps: int
    count: int
    pathology: Pathology | None = None
    variant: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    watch: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """One line that no other group of its half has."""
        what = self.pathology.name if self.pathology else self.variant
        return f"{self.algorithm} {self.env}" + (f": {what}" if what else "")

    @property
    def faults(self) -> tuple[str, ...]:
        """Names that are right for it, none for a healthy group."""
        return self.pathology.faults if self.pathology else ()

    @property
    def seeds(self) -> range:
        """Seeds, disjoint between the halves."""
        return range(FIRST_SEED[self.half], FIRST_SEED[self.half] + self.count)

    @property
    def all_settings(self) -> dict[str, Any]:
        """Hyper-parameters beyond the algorithm's own."""
        return {**self.settings, **(self.pathology.settings if self.pathology else {})}


_ROLLOUTS: Mapping[str, Mapping[str, Any]] = {
    "ppo": {"num_envs": 16, "num_steps": 64, "epochs": 4},
    "a2c": {"num_envs": 4, "num_steps": 64},
}
"""How the reference agents collect, as `reference_agents.settings` has it and `config.json` says."""


def stated_settings(group: Group, wrong: bool) -> dict[str, Any]:
    """The settings that stand in the log of a training, those that make its pathology if wanted."""
    own = group.all_settings if wrong else group.settings
    return {**_ROLLOUTS.get(group.algorithm, {}), **own}


# --- what is provoked -----------------------------------------------------------------------------

_TOO_LARGE = ("kl-spikes", "entropy-collapse", "not-finite", "clip-saturated",
    "value-loss-explosion", "gradients-exploding")  # fmt: skip
_WRONG_WAY = ("critic-explains-nothing", "return-stuck", "return-collapsed", "entropy-collapse",
    "episodes-of-one-length", "value-targets-reversed", "policy-against-advantages")  # fmt: skip
_UNTRAINED = ("critic-not-trained", "critic-explains-nothing")
_DIVERGED = ("q-value-divergence", "value-loss-explosion", "gradients-exploding", "not-finite")

ACTOR_CRITIC = (
    Pathology("learning rate 1", _TOO_LARGE, {"lr": 1.0}),
    Pathology(
        "entropy coefficient -3", ("entropy-collapse", "entropy-punished"), {"entropy_coef": -3.0}
    ),
    Pathology("advantages negated", _WRONG_WAY, spoil="negated"),
    Pathology("critic not trained", _UNTRAINED, {"value_coef": 0.0}),
)
PPO = (
    *ACTOR_CRITIC,
    Pathology("entropy coefficient 10", ("policy-stays-random", "entropy-explosion"),
        {"entropy_coef": 10.0}),
    Pathology("learning rate 0", ("ratio-always-one", "policy-stays-random"), {"lr": 0.0}),
    Pathology("clip range 10", ("clip-never-active", "kl-spikes"),
        {"clip_epsilon": 10.0, "lr": 1e-2}),
    Pathology("rewards lost", ("critic-explains-nothing", "policy-stays-random", "return-stuck",
        "return-without-variance", "targets-without-rewards"), spoil="no_reward"),
    Pathology("old log-probabilities recomputed", ("ratio-always-one",), spoil="recomputed"),
    Pathology("rewards times 1000", ("critic-explains-nothing", "value-loss-explosion"),
        spoil="large_reward"),
    Pathology("terminal states bootstrapped", ("critic-explains-nothing", "value-loss-explosion",
        "return-stuck", "terminal-bootstrap"), spoil="no_terminal"),
)  # fmt: skip
REINFORCE = (
    Pathology("learning rate 1", _TOO_LARGE, {"lr": 1.0}),
    Pathology("loss negated", _WRONG_WAY, spoil="negated"),
)
NORMALISED = Pathology("advantages normalised before targets", ("targets-without-rewards",
    "critic-explains-nothing"), spoil="normalised")  # fmt: skip
WRONG_LOSS = Pathology("policy loss negated", _WRONG_WAY, spoil="negated_loss")
DQN = (
    # In the tuning half all units died in the first update, so those names were added.
    Pathology("learning rate 1", (*_DIVERGED, "action-values-all-equal", "dead-units"), {"lr": 1.0}),
    Pathology("no target network, no terminal mask, no discount", ("q-value-divergence",),
        {"tau": 1.0, "double": False, "gamma": 1.0}, "no_terminal"),
    Pathology("discount 1.5 in the target", ("q-value-divergence",), spoil="large_discount"),
)  # fmt: skip
TARGETS = (
    Pathology("target never updated", ("target-never-updated",), spoil="target_never"),
    Pathology("target is the online network", ("target-is-online",), {"tau": 1.0}),
)
DEAD = Pathology("biases start at -100", ("dead-units",), spoil="dead")
CONTINUOUS = (
    Pathology("discount 1.5 in the target", ("q-value-divergence",), spoil="large_discount"),
)
HACKED = Pathology("picking up is rewarded", ("reward-hacking", "reward-component-takes-over"))

SB3_PPO = (
    Pathology("rewards times 1000, advantages as they are", ("critic-explains-nothing",
        "policy-stays-random", "value-loss-explosion"),
        {"normalize_advantage": False}, "large_reward"),
    Pathology("learning rate 1", _TOO_LARGE, {"learning_rate": 1.0}),
)  # fmt: skip
SB3_ACTOR_CRITIC = (
    Pathology("learning rate 1", _TOO_LARGE, {"learning_rate": 1.0}),
    Pathology(
        "entropy coefficient -3", ("entropy-collapse", "entropy-punished"), {"ent_coef": -3.0}
    ),
    Pathology("advantages negated", _WRONG_WAY, spoil="negated"),
    Pathology("critic not trained", _UNTRAINED, {"vf_coef": 0.0}),
)
SB3_DQN = Pathology("target interval beyond the run", ("target-never-updated",),
    {"target_update_interval": 10**9})  # fmt: skip
