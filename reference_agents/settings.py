"""Which factory makes which agent, and the settings measured to work on the classic tasks.

The factories' own defaults suit one environment and a short budget; these suit many environments
side by side. `benchmarks/classic_tasks.py` measures them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reference_agents.a2c import make_a2c
from reference_agents.ddpg import make_ddpg
from reference_agents.dqn import make_dqn
from reference_agents.ppo import make_ppo
from reference_agents.reinforce import make_reinforce
from reference_agents.sac import make_sac

FACTORIES: dict[str, Callable[..., Any]] = {
    "ppo": make_ppo,
    "a2c": make_a2c,
    "reinforce": make_reinforce,
    "dqn": make_dqn,
    "ddpg": make_ddpg,
    "sac": make_sac,
}

# For every task: what a user who names no settings gets.
GENERAL: dict[str, dict[str, Any]] = {
    "ppo": {"num_envs": 16, "num_steps": 64, "epochs": 4, "minibatches": 8},
    "a2c": {
        "num_envs": 4,
        "num_steps": 64,
        "lam": 0.98,
        "lr": 2.5e-3,
        "critic_lr": 1e-2,
        "entropy_coef": 0.0,
    },
    "reinforce": {"num_envs": 4, "episodes": 4},
    "dqn": {
        "num_envs": 8,
        "train_every": 1,
        "gradient_steps": 4,
        "batch_size": 128,
        "lr": 1.5e-3,
        "learning_starts": 1000,
        "exploration_fraction": 0.2,
        "max_grad_norm": 1000.0,
    },
    "ddpg": {"num_envs": 4, "gradient_steps": 2},
    "sac": {"num_envs": 4, "gradient_steps": 2},
}
