"""The contract `agent`: the ladder, from one update to CartPole, over anything that can learn."""

from __future__ import annotations

import inspect
from typing import Any

from ladders import (
    action_scale_check,
    bellman_check,
    classics,
    copies_check,
    critic_probe_check,
    density_check,
    entropy_check,
    experience_checks,
    first_rungs,
    interface_checks,
    option_checks,
    parallel_check,
    policy_update_check,
    q_target_check,
    rollout_edges_check,
    sampling_check,
    seed_checks,
    target_checks,
)
from ladders.exam_judge import judge_exam
from ladders.exam_trial import take_exam
from ladders.faults import FAULTS
from ladders.no_learning import ACTOR, is_part
from ladders.semantics import FAULTY
from ladders.sheets import POLICY, VALUES
from ladders.tasks import one_step_mdp, tabular_task
from ladders.training import ONE_STEP, tensors_of
from rlcheck.adapters.agents import bind_agent
from rlcheck.adapters.parameters import lagged
from rlcheck.adapters.protocol import AgentHandle, AgentSubject
from rlcheck.adapters.rng import preserved_rng
from rlcheck.contracts import Bound, Contract, Options
from rlcheck.records import Check

CAPABILITIES = (
    "predict",
    "values",
    "q_values",
    "action_probabilities",
    "fit_transition",
    "parameters",
    "save",
    "stored_actions",
    "experience",
    "fit_rows",
    "update_policy",
    "draw",
    "critic_probe",
)

FEW_STEPS = 64
"""Enough to see whether a script or training function can act at all."""

WHITE_BOX = (
    *experience_checks.CHECKS,
    rollout_edges_check.EDGES,
    q_target_check.Q_TARGET,
    bellman_check.BELLMAN,
    critic_probe_check.CRITIC_PROBE,
    policy_update_check.POLICY_UPDATE,
    density_check.DENSITY,
    action_scale_check.ACTION_SCALE,
)
FOLLOWED = (interface_checks.STORED, target_checks.TARGET, sampling_check.SAMPLING)
"""Where one of all these shows a mistake there is no need to let the agent learn for a minute."""

EXAM = Check(
    name="agent/exam",
    title="Trained in the exam, the agent answers every question as exact dynamic programming does.",
    explanation=(
        "The exam is one environment whose reset draws one of two dozen tiny questions, such as "
        "'1.5 now, or 1.74 after three empty steps'. The optimal answers are known exactly, and so are "
        "the answers that every fault of the catalogue leads to: the sheet names the mistake. Answers "
        "that a correct but unfinished learner would give are never called a fault; the budget is "
        "doubled instead, and then the check says inconclusive."
    ),
    trial=take_exam,
    judge=judge_exam,
    requires=("agent/one-update", *(check.name for check in (*WHITE_BOX, *FOLLOWED))),
    stochastic=True,
    catches=(
        *(semantics.__name__.replace("_", "-") for semantics in FAULTY),
        "ratio-inverted",
        "does-not-learn",
        "train-eval-mismatch",
        "no-exploration",
    ),
    references=("https://arxiv.org/abs/1712.00378", "https://arxiv.org/abs/1908.03568"),
)


def bind(raw: Any, options: Options) -> Bound:
    """Bind a factory, a class, a training function, a model or a script as an agent."""
    with preserved_rng():
        subject = bind_agent(raw, options)
        facts = _facts(subject)
    return Bound(subject=subject, facts=facts, notes=tuple(subject.notes))


def _facts(subject: AgentSubject) -> dict[str, Any]:
    """What judges need to know about a subject without importing it."""
    forms = subject.action_forms or _forms_learned(subject)
    actions = "discrete" if "discrete" in forms else "continuous"
    facts: dict[str, Any] = {
        "framework": subject.framework,
        "accepts_gamma": subject.accepts_gamma,
        "accepts_seed": subject.accepts_seed,
        "accepts_n_envs": subject.accepts_n_envs,
        "gamma": subject.gamma,
        "options": dict(subject.options),
        "action_forms": list(forms),
        "actions": actions,
        "capabilities": [],
    }
    if subject.isolated:
        return facts
    agent = _built(subject, actions)
    facts["capabilities"] = [name for name in CAPABILITIES if getattr(agent, name) is not None]
    tensors = tensors_of(agent)
    facts["target_tensors"] = len(lagged(tensors))
    facts["acts_by"] = _acts_by(agent, list(tensors))
    facts["several_epochs"] = option_checks.several_epochs(agent.native, subject.options)
    facts["on_policy"] = hasattr(agent.native, "rollout_buffer")
    facts["entropy_in_value"] = _entropy_in_value(agent, subject, actions)
    return facts


def _built(subject: AgentSubject, actions: str) -> AgentHandle:
    """An agent for a task of one step."""
    task, _ = tabular_task(one_step_mdp(), ONE_STEP, gamma=0.9, seed=0, action=actions)
    return subject.make(task, seed=0, gamma=0.9 if subject.accepts_gamma else None)


def _forms_learned(subject: AgentSubject) -> tuple[str, ...]:
    """The first form of action that a script or training function learns a few steps with."""
    for form in ("discrete", "continuous"):
        agent = _built(subject, form)
        try:
            agent.learn(FEW_STEPS)
        except Exception:
            continue
        return (form,)
    return ("discrete",)  # the checks will tell what is wrong


def _acts_by(agent: AgentHandle, tensors: list[str]) -> str:
    """Whether the agent acts by action values or by a policy; "" where nothing tells."""
    if agent.q_values is not None:
        return VALUES
    policy = agent.action_probabilities is not None or any(is_part(n, ACTOR) for n in tensors)
    return POLICY if policy else ""


def _entropy_in_value(agent: AgentHandle, subject: AgentSubject, actions: str) -> bool:
    """Whether the agent may add an entropy bonus to its values (SAC and its kin).

    Known by the temperature that such an agent holds or names. An actor-critic with a bonus in the
    loss alone (PPO's `ent_coef`) does not change its values.
    """
    held = any(
        hasattr(agent.native, name) for name in ("log_ent_coef", "log_alpha", "target_entropy")
    )
    named = any(name in subject.options for name in ("alpha", "temperature", "target_entropy"))
    return held or (named and actions == "continuous")


def recognises(raw: Any) -> bool:
    """Whether an object looks like an agent: a product's class, or a factory that takes an env."""
    if inspect.isclass(raw):
        # Trainers of language models have `predict` too.
        acts = hasattr(raw, "learn") or hasattr(raw, "predict")
        return acts and not hasattr(raw, "compute_loss")
    if not callable(raw):
        return hasattr(raw, "learn") and hasattr(raw, "predict")
    try:
        parameters = inspect.signature(raw).parameters
    except (TypeError, ValueError):
        return False
    return any(name in parameters for name in ("env", "make_env", "envs"))


CONTRACT = Contract(
    name="agent",
    title="Anything that can learn in a Gymnasium environment.",
    explanation=(
        "A factory make_agent(env, *, seed, gamma) or a class, whose product has "
        "learn(total_timesteps) and predict(observation, deterministic=True); a function "
        "train(env, *, total_timesteps, seed, gamma) that returns an acting function; a "
        "Stable-Baselines3 class or saved model; or a training script (--script). Optional methods "
        "unlock sharper checks: values, q_values, action_probabilities, fit_transition, save, load."
    ),
    checks=(
        *first_rungs.CHECKS,
        seed_checks.SEEDS,
        copies_check.COPIES,
        *interface_checks.CHECKS,
        *WHITE_BOX,
        option_checks.OPTIONS,
        entropy_check.ENTROPY,
        target_checks.TARGET,
        sampling_check.SAMPLING,
        EXAM,
        parallel_check.PARALLEL,
        *classics.CHECKS,
    ),
    faults=FAULTS,
    bind=bind,
    recognises=recognises,
)
