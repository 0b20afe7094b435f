"""Faults in the program around the learning rule: rows and axes, modes, seeds, options, files."""

from __future__ import annotations

from rlcheck.records import Fault

_PPO = "https://arxiv.org/abs/1707.06347"
_GAE = "https://arxiv.org/abs/1506.02438"
_DRQN = "https://arxiv.org/abs/1507.06527"
_REPRODUCIBILITY = "https://arxiv.org/abs/1709.06560"
_IMPLEMENTATION_MATTERS = "https://arxiv.org/abs/2005.12729"

_ROWS = (
    Fault(
        name="batch-misaligned",
        title="Rows of one tensor meet rows of another that belong to other transitions.",
        explanation=(
            "Observations, actions, advantages or targets of one minibatch are in different "
            "orders, or [B] meets [B, 1] and broadcasts to [B, B]. Each state is then fitted to "
            "other states' targets. The critic converges to the mean value, the policy gradient "
            "is noise, and the return stays close to random play without any error."
        ),
        fix=(
            "Index all tensors with the same permutation, gather per row, and compare the shapes "
            "of prediction and target before subtracting: both [B]."
        ),
        where=(
            "Shuffling into minibatches, gathers such as q[actions], and losses that subtract a "
            "column from a row."
        ),
        references=(
            "https://github.com/google/dopamine/commit/9793d17d6d03",
            "https://github.com/RLinf/RLinf/pull/1568",
            "https://github.com/vwxyzjn/cleanrl/commit/0fceeefbd99f",
            "https://github.com/micdoh/XLRON/pull/50",
            _IMPLEMENTATION_MATTERS,
        ),
    ),
    Fault(
        name="env-axis-mixed",
        title="Time and environment axes are swapped when the rollout is flattened.",
        explanation=(
            "A [T, N] array is read as [N, T], or a mask or bootstrap of one environment is "
            "applied to all of them. Advantages run across environments instead of along time. "
            "With one environment everything is right; with several, learning gets worse the more "
            "there are."
        ),
        fix=(
            "Keep time-major [T, N] throughout, compute advantages before flattening, and flatten "
            "all tensors by the same transpose and reshape."
        ),
        where=(
            "`reshape` where `swapaxes` is needed, the flattening of the rollout buffer, and "
            "corrections that are added to whole rows."
        ),
        references=(
            "https://github.com/ikostrikov/pytorch-a2c-ppo-acktr-gail/commit/0e63a5cd9e6f",
            "https://github.com/Eclectic-Sheep/sheeprl/pull/181",
            "https://github.com/Stable-Baselines-Team/stable-baselines3-contrib/commit/a9735b9f317b",
            _GAE,
        ),
    ),
    Fault(
        name="recurrent-state-leak",
        title="The recurrent state is carried over an episode's end, or reset in the wrong place.",
        explanation=(
            "After an end the memory of the old episode flows into the new one, or the state of "
            "another environment is cleared instead. Log-probabilities recomputed in the update "
            "then differ from those of the rollout, so the first ratio is not 1. Tasks that need "
            "memory learn slowly or only by luck."
        ),
        fix=(
            "At each step multiply the state by (1 - starts_episode) of that environment, in the "
            "rollout and in the update alike, with the flag of the step before."
        ),
        where=(
            "The reset of hidden states in the rollout loop, the sequence pass of the update, and "
            "value evaluations that advance the state as a side effect."
        ),
        references=(
            "https://github.com/leggedrobotics/rsl_rl/commit/cd277d4a6f45",
            "https://github.com/leggedrobotics/rsl_rl/commit/9483c145c592",
            "https://github.com/FLAIROx/JaxMARL/issues/119",
            "https://github.com/luchris429/purejaxrl/commit/a9e996e08437",
            _DRQN,
        ),
    ),
)

_RUNS = (
    Fault(
        name="train-eval-mismatch",
        title="The evaluated policy is not the one that was trained.",
        explanation=(
            "Evaluation uses other normaliser statistics, another mode of dropout or batch norm, "
            "exploration noise, or another network than training. Training return rises while "
            "evaluation return does not, or evaluating changes the run that follows."
        ),
        fix=(
            "Evaluate with the training statistics, frozen, with the network in evaluation mode "
            "and without noise, and restore the mode and all random state afterwards."
        ),
        where=(
            "The evaluation environment's normaliser, calls of `train()` and `eval()`, and "
            "`predict` next to the method that acts while training."
        ),
        references=(
            "https://github.com/ikostrikov/pytorch-a2c-ppo-acktr-gail/commit/5826c84ae5c5",
            "https://github.com/DLR-RM/rl-baselines3-zoo/commit/3dd13ca25ffa",
            "https://github.com/thu-ml/tianshou/issues/81",
            _REPRODUCIBILITY,
        ),
    ),
    Fault(
        name="seed-ignored",
        title="The seed does not determine the run.",
        explanation=(
            "Some source of randomness is not seeded: the environment, the action sampler, the "
            "initial weights or the order of minibatches. The same seed gives different runs, or "
            "different seeds the same one. Learning may be right, but no result can be repeated "
            "and no bug chased."
        ),
        fix=(
            "Derive one generator from the seed for each source (Python, NumPy, the framework, "
            "environment reset, action space) and draw from nothing else."
        ),
        where=(
            "The first `reset(seed=...)`, `action_space.seed`, network initialisation before "
            "seeding, and libraries with a generator of their own."
        ),
        references=(
            "https://github.com/vwxyzjn/cleanrl/commit/83a2529c74dd",
            "https://github.com/araffin/sbx/commit/42caa65fcbf4",
            "https://github.com/Toni-SM/skrl/commit/43bfd14b3077",
            _REPRODUCIBILITY,
        ),
    ),
    Fault(
        name="envs-share-seed",
        title="All parallel environments run with the same seed.",
        explanation=(
            "The copies start in the same state and draw the same noise, so N environments yield "
            "little more data than one. Gradients look less noisy than they are, exploration is "
            "narrow, and adding environments does not help."
        ),
        fix="Seed environment i with a stream of its own, such as seed + i, and check that the "
        "first observations differ.",
        where="The loop or lambda that makes the vector environment, and workers' own seeding.",
        references=(
            "https://github.com/DLR-RM/stable-baselines3/commit/2ce31c1e2101",
            "https://github.com/chainer/chainerrl/pull/455",
            "https://github.com/TorchTrade/torchtrade/issues/273",
            _REPRODUCIBILITY,
        ),
    ),
    Fault(
        name="option-ignored",
        title="A hyper-parameter that can be set changes nothing.",
        explanation=(
            "The option is accepted and perhaps logged, but no code reads it, or a computed value "
            "is not used. Sweeps over it compare noise, and a protection such as gradient clipping "
            "is believed to be on while it is off."
        ),
        fix=(
            "Pass the value on to where it acts, or remove the option; test that two values which "
            "bind give different parameters after the same updates."
        ),
        where=(
            "Between the configuration and the loss: misspelt keyword arguments that are "
            "swallowed, terms computed outside the differentiated loss, clipping of other "
            "gradients."
        ),
        references=(
            "https://github.com/anthonytorlucci/rlevo/issues/183",
            "https://github.com/google-deepmind/open_spiel/issues/827",
            "https://github.com/Toni-SM/skrl/commit/13d28af56988",
            "https://github.com/openai/baselines/commit/8a97e0df1083",
            _IMPLEMENTATION_MATTERS,
        ),
    ),
    Fault(
        name="save-load-lossy",
        title="A saved and loaded agent is not the agent that was saved.",
        explanation=(
            "Something is missing from the file or is not wired up on loading: target networks, "
            "optimiser state, normaliser statistics, temperature, counters of schedules. The "
            "loaded agent acts differently, or acts alike and then trains differently. The return "
            "drops right after a resume."
        ),
        fix=(
            "Save and restore everything that the next update reads, rebuild optimisers on the "
            "loaded parameters, and compare actions, and one further update, before and after."
        ),
        where=(
            "`save`, `load` and `state_dict` of the agent, objects that are created after loading, "
            "and values that the constructor derives from others."
        ),
        references=(
            "https://github.com/DLR-RM/stable-baselines3/issues/391",
            "https://github.com/DLR-RM/stable-baselines3/commit/6cbb2c930303",
            "https://github.com/ray-project/ray/issues/54408",
            _REPRODUCIBILITY,
        ),
    ),
    Fault(
        name="does-not-learn",
        title="Training does not improve on random play.",
        explanation=(
            "With a budget in which correct agents solve the task, the agent is no better than one "
            "that acts at random. By itself that names no mistake: a lower rung of the ladder that "
            "fails says more, and if all of them pass, step size, network or budget are the next "
            "suspects."
        ),
        fix=(
            "Look first at the cheapest check that failed. Otherwise confirm that parameters "
            "change with each update, that losses are finite, and that the learning rate is within "
            "a factor of ten of published settings."
        ),
        where="Anywhere from the optimiser's step to the rollout loop.",
        references=(
            "https://github.com/tensorflow/agents/issues/651",
            "https://github.com/SforAiDl/genrl/issues/315",
            _PPO,
            _REPRODUCIBILITY,
        ),
    ),
)

PROGRAM: tuple[Fault, ...] = (*_ROWS, *_RUNS)
"""In the order in which they are to be suspected."""
