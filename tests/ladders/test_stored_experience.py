"""What agents stored: mistakes planted in made-up experience, and in Stable-Baselines3 agents."""

import numpy as np
import pytest
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.vec_env import DummyVecEnv

import rlcheck
from benchmarks.agents import ppo_rollout_faults
from benchmarks.agents.correct import CORRECT
from benchmarks.agents.faulty import FAULTY
from ladders.exam import design
from ladders.stored_advantages import Rollout, read
from ladders.stored_batches import other_order, own_rows
from ladders.stored_rows import (
    Rows,
    explanations,
    foreign_next_observation,
    predecessors,
    stale_observation,
)

GAMMA, LAM = 0.9, 0.8
MDP = design(GAMMA).mdp
CHECKS = ("agent/stores-*", "agent/advantages-*", "agent/stored-columns-*", "agent/q-target-*",
          "agent/policy-update-*", "agent/environments-differ", "agent/log-prob-*",
          "agent/target-network-*")  # fmt: skip


def walk(steps, seed):
    """States, actions and next states of uniformly random play in the exam."""
    rng = np.random.default_rng(seed)
    states, actions, following = [], [], []
    state = rng.choice(MDP.n_states, p=MDP.start)
    for _ in range(steps):
        action = int(rng.integers(2))
        reached = rng.choice(MDP.n_states, p=MDP.transitions[state, action])
        states.append(state)
        actions.append(action)
        following.append(reached)
        over = MDP.terminated[state, action] or MDP.truncated[state, action]
        state = rng.choice(MDP.n_states, p=MDP.start) if over else reached
    return np.array(states), np.array(actions), np.array(following)


STATES, ACTIONS, FOLLOWING = walk(400, 0)
REWARDS = MDP.rewards[STATES, ACTIONS]
TERMINATED = MDP.terminated[STATES, ACTIONS]
TRUNCATED = MDP.truncated[STATES, ACTIONS]
ENDS = TERMINATED | TRUNCATED
TRUE_ROWS = Rows(STATES, ACTIONS, REWARDS, FOLLOWING, TERMINATED.astype(float))

WRONG_COLUMNS = {
    "reward-late": {"rewards": np.roll(REWARDS, 1)},
    "reward-early": {"rewards": np.roll(REWARDS, -1)},
    "reward-clipped": {"rewards": np.clip(REWARDS, -1, 1)},
    "reward-sign-flipped": {"rewards": -REWARDS},
    "next-observation-stale": {"next_states": STATES},
    "truncation-bootstraps-reset": {"next_states": np.where(ENDS, np.roll(STATES, -1), FOLLOWING)},
    "terminal-bootstrap": {"dones": np.zeros(len(STATES))},
    "truncation-as-terminal": {"dones": ENDS.astype(float)},
    "done-late": {"dones": np.roll(ENDS, 1).astype(float)},
    "done-early": {"dones": np.roll(ENDS, -1).astype(float)},
}


def with_columns(**changed):
    names = ("states", "actions", "rewards", "next_states", "dones")
    return Rows(**{name: changed.get(name, getattr(TRUE_ROWS, name)) for name in names})


def test_true_rows_are_explained_by_nothing():
    assert explanations(MDP, TRUE_ROWS) == []
    assert stale_observation(MDP, TRUE_ROWS) is None
    assert foreign_next_observation(MDP, TRUE_ROWS) is None


@pytest.mark.parametrize("fault", WRONG_COLUMNS)
def test_a_wrong_column_is_named(fault):
    order = np.random.default_rng(1).permutation(len(STATES))
    rows = with_columns(**WRONG_COLUMNS[fault])
    drawn = Rows(*(getattr(rows, name)[order] for name in Rows.__dataclass_fields__))
    assert [one.fault for one in explanations(MDP, drawn)] == [fault]


@pytest.mark.parametrize(
    "rewards",
    [0.1 * REWARDS, REWARDS + np.random.default_rng(2).normal(size=len(STATES)), REWARDS + 1.0],
    ids=["scaled", "noisy", "shifted"],
)
def test_rewards_in_other_units_are_not_called_wrong(rewards):
    assert explanations(MDP, with_columns(rewards=rewards)) is None


def test_two_step_rows_are_not_called_wrong():
    going_on = ~ENDS[:-1]
    here, then = np.nonzero(going_on)[0], np.nonzero(going_on)[0] + 1
    rows = Rows(
        STATES[here],
        ACTIONS[here],
        REWARDS[here] + GAMMA * REWARDS[then],
        FOLLOWING[then],
        TERMINATED[then].astype(float),
    )
    assert stale_observation(MDP, rows) is None
    assert foreign_next_observation(MDP, rows) is None
    assert explanations(MDP, rows) is None


def test_a_next_observation_behind_an_end_is_not_looked_at():
    shown = with_columns(next_states=np.where(ENDS, 0, FOLLOWING), dones=ENDS.astype(float))
    assert [one.fault for one in explanations(MDP, shown)] == ["truncation-as-terminal"]


def test_rows_of_two_transitions_are_named():
    strange = with_columns(next_states=np.random.default_rng(3).permutation(FOLLOWING))
    assert foreign_next_observation(MDP, strange).fault == "batch-misaligned"


def test_late_observations_of_a_replay_memory_are_named():
    known = (predecessors(MDP)[STATES] >= 0) & ~ENDS
    late = np.where(known, predecessors(MDP)[STATES], STATES)
    assert stale_observation(MDP, with_columns(states=late)).fault == "observation-stale"


# --- advantages ------------------------------------------------------------------------------------


def rollout(*, mask=None, carry_mask=None, gamma=GAMMA, decay=GAMMA * LAM, rewards=None):
    """A rollout whose advantages are computed with the given masks and discounts."""
    values = np.random.default_rng(4).normal(size=len(STATES))[STATES]
    going_on = 1.0 - ENDS
    mask = going_on if mask is None else mask
    carry_mask = mask if carry_mask is None else carry_mask
    paid = REWARDS if rewards is None else rewards
    advantages, running = np.zeros(len(STATES)), 0.0
    following = np.append(values[1:], 0.3)
    for t in reversed(range(len(STATES))):
        delta = paid[t] + gamma * mask[t] * following[t] - values[t]
        running = delta + decay * carry_mask[t] * running
        advantages[t] = running
    return Rollout(
        rewards=REWARDS,
        values=values,
        advantages=advantages,
        first=MDP.start[STATES] > 0,
        terminated=TERMINATED,
        truncated=TRUNCATED,
        gamma=GAMMA,
        next_values=values[1:],
        joined=np.ones(len(STATES) - 1, dtype=bool),
    )


def test_right_advantages_are_read_off_exactly():
    seen = read(rollout())
    assert seen.fault == ""
    assert seen.at_ends == (False, False)
    assert (seen.gamma, seen.decay) == pytest.approx((GAMMA, GAMMA * LAM), abs=1e-6)


def test_wrong_masks_and_discounts_are_read_off():
    going_on = 1.0 - ENDS
    assert read(rollout(mask=np.ones(len(STATES)))).at_ends == (True, True)
    assert read(rollout(carry_mask=np.ones(len(STATES)))).at_ends == (False, True)
    late = read(rollout(mask=np.append(1.0, going_on[:-1])))
    assert late.at_ends == (True, True)
    assert late.at_starts == (False, False)
    early = read(rollout(mask=np.append(going_on[1:], 1.0)))
    assert early.before_last == (False, False)
    assert read(rollout(gamma=0.81, decay=0.81 * LAM)).gamma == pytest.approx(0.81, abs=1e-6)
    assert read(rollout(rewards=np.append(0.0, REWARDS[:-1]))).fault == "reward-late"
    assert read(rollout(rewards=REWARDS - REWARDS.mean())).fault == "reward-mean-subtracted"


def test_advantages_of_another_kind_are_not_read():
    other = rollout()
    normalised = (other.advantages - other.advantages.mean()) / other.advantages.std()
    assert read(Rollout(**{**vars_of(other), "advantages": normalised})) is None


def vars_of(record):
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


# --- columns that belong together ------------------------------------------------------------------


def test_a_column_flattened_the_other_way_is_found():
    rng = np.random.default_rng(5)
    steps, envs = 16, 3
    seen, acted = rng.integers(4, size=steps * envs), rng.integers(2, size=steps * envs)
    values, chances = rng.normal(size=4), rng.normal(size=(4, 2))
    columns = {
        "observations": seen,
        "actions": acted.astype(float),
        "values": values[seen],
        "log_probs": chances[seen, acted],
        "advantages": rng.normal(size=steps * envs),
    }
    columns["returns"] = columns["advantages"] + columns["values"]
    assert other_order(columns, envs) == ()
    mixed = columns["actions"].reshape(envs, steps).T.reshape(-1)
    assert other_order({**columns, "actions": mixed}, envs) == ("actions",)
    assert own_rows(columns) == ""
    assert own_rows({**columns, "advantages": np.roll(columns["advantages"], 1)}) == "advantages"
    assert own_rows({**columns, "advantages": columns["advantages"] / 2}) == ""


# --- real agents -----------------------------------------------------------------------------------

SHOWN = (
    "ppo-unmasked-carry", "ppo-lagged-observations", "ppo-shuffled-advantages",
    "ppo-unswapped-advantages", "a2c-lambda-for-gamma", "dqn-early-dones",
    "dqn-mean-over-actions", "dqn-broadcast-loss", "dqn-no-terminal-mask",
    "ppo-negated-advantages", "ppo-recomputed-old-log-prob", "ppo-no-clip", "ppo-optimistic-clip",
    "ppo-detached-policy", "a2c-ascending-loss", "ppo-pooled-features", "ppo-envs-share-seed",
    "sac-no-tanh-correction", "dqn-target-loads-itself", "a2c-attached-advantages",
)  # fmt: skip


def warmed_up(env, *, seed, gamma=0.99):
    return PPO(
        "MlpPolicy", env, seed=seed, gamma=gamma, learning_rate=lambda left: 3e-4 * (1 - left)
    )


def test_a_learning_rate_that_starts_at_zero_is_no_fault():
    report = rlcheck.check(warmed_up, "agent", gamma=GAMMA, budget="quick", select=CHECKS)
    status = {result.check: str(result.status) for result in report.results}
    assert status["agent/policy-update-follows-advantage"] == "passed"


class AdvantagesInTraining(A2C):
    """Computes its advantages from returns and stored values in the update itself."""

    def train(self):
        buffer = self.rollout_buffer
        kept = buffer.advantages
        buffer.advantages = buffer.returns - buffer.values
        super().train()
        buffer.advantages = kept


def test_advantages_may_be_computed_in_the_update():
    report = rlcheck.check(AdvantagesInTraining, "agent", budget="quick", select=CHECKS)
    status = {result.check: str(result.status) for result in report.results}
    assert status["agent/policy-update-follows-advantage"] == "passed"


@pytest.mark.parametrize(
    ("buffer", "fault"),
    [
        (RolloutBuffer, ""),
        (ppo_rollout_faults.UnmaskedCarry, "terminal-bootstrap"),
        (ppo_rollout_faults.GammaTwice, "discount-applied-twice"),
        (ppo_rollout_faults.LateRewards, "reward-late"),
    ],
)
def test_rollouts_of_several_environments_are_looked_at_one_by_one(buffer, fault):
    def make_agent(make_env, *, seed, gamma=0.99):
        envs = DummyVecEnv([make_env] * 4)
        return PPO(
            "MlpPolicy", envs, n_steps=64, seed=seed, gamma=gamma, rollout_buffer_class=buffer
        )

    select = ("agent/stores-*", "agent/advantages-*")
    report = rlcheck.check(make_agent, "agent", gamma=GAMMA, budget="quick", select=select)
    assert [entry.fault for entry in report.diagnosis[:1]] == [fault] * bool(fault)
    assert "skipped" not in {str(result.status) for result in report.results}


class ReadsOnline(DQN):
    """Keeps a target network, and reads the online one."""

    def train(self, gradient_steps, batch_size=100):
        kept, self.q_net_target = self.q_net_target, self.q_net
        super().train(gradient_steps, batch_size)
        self.q_net_target = kept


class DoubleDQN(DQN):
    """The online network chooses the action that the target network is asked about."""

    def train(self, gradient_steps, batch_size=100):
        kept = self.q_net_target

        def chosen(observations):
            best = self.q_net(observations).argmax(dim=1, keepdim=True)
            return kept(observations).gather(1, best)

        self.q_net_target = chosen
        super().train(gradient_steps, batch_size)
        self.q_net_target = kept


def test_a_target_read_off_the_online_network_is_named():
    report = rlcheck.check(ReadsOnline, "agent", budget="quick", select=("agent/q-target-*",))
    assert report.diagnosis[0].fault == "target-is-online"
    report = rlcheck.check(DoubleDQN, "agent", budget="quick", select=("agent/q-target-*",))
    status = {result.check: str(result.status) for result in report.results}
    assert status["agent/q-target-follows-bellman"] == "passed"


SEEN_RIGHT = (
    "sac-automatic",
    "ppo-relu",
    "ppo-eight-envs",
    "a2c-adam",
    "dqn-quick",
    "dqn-four-envs",
)


def looked_at(agents, name):
    agent = next(agent for agent in agents if agent.name == name)
    return agent, rlcheck.check(agent.factory, "agent", gamma=GAMMA, budget="quick", select=CHECKS)


@pytest.mark.parametrize("name", SHOWN)
def test_a_faulty_agent_is_named_by_what_it_stored(name):
    agent, report = looked_at(FAULTY, name)
    assert report.diagnosis[0].fault in agent.faults
    assert report.diagnosis[0].proof


@pytest.mark.parametrize("name", SEEN_RIGHT)
def test_a_correct_agent_is_not_accused(name):
    _, report = looked_at(CORRECT, name)
    assert {str(result.status) for result in report.results} <= {"passed", "skipped"}
    assert any(
        result.check.startswith(("agent/adv", "agent/q-", "agent/stored-columns", "agent/log-"))
        and str(result.status) == "passed"
        for result in report.results
    )
