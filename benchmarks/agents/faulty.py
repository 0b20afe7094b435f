"""Every faulty agent, in the order of the families."""

from __future__ import annotations

from benchmarks.agents import (
    a2c_faults,
    dqn_faults,
    own_agents,
    ppo_faults,
    ppo_rollout_faults,
    ppo_update_faults,
    replay_faults,
)
from benchmarks.agents.records import FaultyAgent

FAULTY: tuple[FaultyAgent, ...] = (
    *ppo_rollout_faults.FAULTY,
    *ppo_update_faults.FAULTY,
    *ppo_faults.FAULTY,
    *a2c_faults.FAULTY,
    *dqn_faults.FAULTY,
    *replay_faults.FAULTY,
    *own_agents.FAULTY,
)
