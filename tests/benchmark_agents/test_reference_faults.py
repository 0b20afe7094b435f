"""Wrong components injected into the reference agents: each is what it claims to be, and is found."""

from __future__ import annotations

import inspect

import pytest
import torch

from benchmarks import classic_tasks, injected_faults
from benchmarks import classic_tasks_report as report
from benchmarks.agents.reference_faults import CUT, ENDS, FAULTY, altered
from reference_agents.losses import policy_gradient_loss
from reference_agents.targets import td_target

AGENTS = {agent.name: agent for agent in FAULTY}


def flags(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.bool)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("terminal-bootstrap", [6.0, 6.0, 6.0]), ("truncation-as-terminal", [6.0, 1.0, 1.0])],
)
def test_flags_are_changed_before_the_component_sees_them(fault, expected):
    wrong = altered(td_target, ENDS[fault])
    rewards, following = torch.ones(3), torch.full((3,), 10.0)
    terminated, truncated = flags(0, 1, 0), flags(0, 0, 1)
    targets = wrong(rewards, following, terminated, truncated, gamma=0.5)
    assert targets.tolist() == expected
    right = td_target(rewards, following, terminated, truncated, gamma=0.5)
    assert right.tolist() == [6.0, 1.0, 6.0]


def test_a_cut_graph_keeps_the_numbers():
    log_probs, advantages = torch.randn(5, requires_grad=True), torch.randn(5)
    loss = altered(policy_gradient_loss, CUT)(log_probs, advantages)
    assert loss == policy_gradient_loss(log_probs, advantages)
    loss.backward()
    assert not log_probs.grad.any()


def test_names_are_unique_and_factories_show_their_options():
    assert len(AGENTS) == len(FAULTY)
    for agent in FAULTY:
        assert "gamma" in inspect.signature(agent.factory).parameters


def test_settings_of_a_run_scale_every_learning_rate():
    entry = classic_tasks.Entry("Pendulum-v1", "ddpg", "ddpg", lr_scale=2.0)
    assert entry.settings()["actor_lr"] == entry.settings()["critic_lr"] == 2e-3
    assert entry.key == "Pendulum-v1/ddpg@2"
    assert len({e.key for e in classic_tasks.ENTRIES}) == len(classic_tasks.ENTRIES)


def test_the_page_is_rewritten_between_its_marks(tmp_path):
    run = {
        "task": "CartPole-v1",
        "algorithm": "ppo",
        "name": "ppo",
        "steps": 50_000,
        "threshold": 475.0,
        "solved_at": [10_000, None, 20_000],
        "last": [500.0, 100.0, 400.0],
        "training_seconds": 6.0,
    }
    runs = [
        run | {"key": "CartPole-v1/ppo", "lr_scale": 1.0},
        run | {"key": "CartPole-v1/ppo@0.5", "lr_scale": 0.5},
    ]
    page = tmp_path / "page.md"
    marks = [
        mark.format(name) for name in ("tasks", "matrix") for mark in (report.BEGIN, report.END)
    ]
    page.write_text("# Title\n" + "\n".join(marks) + "\nlast line\n")
    report.write(runs, page)
    report.write(runs, page)  # twice is as good as once
    text = page.read_text()
    assert "| 2/3 | 1/3 | 15,000 | 20,000 | 333.3 (100.0) | 6.0 |" in text
    assert (
        "| ppo | discrete, continuous | CartPole-v1 | 15,000 | 2/3 (1/3) | 2/3 (1/3) | – | 2.0 |"
        in text
    )
    assert text.count("| ppo |") == 2  # once in each table
    assert text.endswith("last line\n")
    page.write_text("nothing")
    with pytest.raises(ValueError, match="must hold the lines"):
        report.write(runs, page)


def test_the_table_of_faults_shows_what_was_said_of_each():
    run = {"name": "ref-sac-terminal-bootstrap", "faults": ["terminal-bootstrap"]}
    named = run | {"verdict": "failed", "diagnosis": ["terminal-bootstrap"]}
    other = run | {"name": "ref-ddpg-terminal-bootstrap", "verdict": "failed", "diagnosis": ["x"]}
    missed = run | {"name": "ref-a2c-terminal-bootstrap", "verdict": "passed", "diagnosis": []}
    table = injected_faults.cross_table([named, other, missed])
    rows = {line.split("|")[1].strip(): line for line in table.splitlines()}
    assert rows["terminal-bootstrap"].endswith(
        "| passed | not run | not run | found as x | named |"
    )
    assert rows["tanh-correction-missing"].endswith("|  |  |  | not run |")


def test_a_wrong_update_of_a_table_turns_the_exam_red():
    run = injected_faults.judge(AGENTS["ref-q-learning-terminal-bootstrap"], ("agent/exam",))
    assert run["verdict"] == "failed"
    assert run["diagnosis"][0] == "terminal-bootstrap"
    assert run["failed"] == ["agent/exam"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *(name for name in AGENTS if "q-learning" in name or "sarsa" in name),
        "ref-ppo-terminal-bootstrap",
        "ref-ppo-no-policy-gradient",
        "ref-reinforce-truncation-as-terminal",
        "ref-dqn-reward-clipped",
    ],
)
def test_a_wrong_component_turns_the_exam_red(name):
    run = injected_faults.judge(AGENTS[name], ("agent/exam",))
    assert run["verdict"] == "failed", run
    assert run["diagnosis"][0] in run["faults"], run
