"""What is measured beside a trainer that samples: its advantages, losses and gradients, and theory's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ladders.trainers import group_semantics
from ladders.trainers.rollout_semantics import (
    CORRECT,
    MODELLED,
    Semantics,
    Setting,
    Tokens,
    all_semantics,
    gradient_of,
    loss_of,
)
from rlcheck.adapters.trl.acting import evaluate, move, setting, settings_beyond, train
from rlcheck.adapters.trl.reinforcement import (
    LONGEST_COMPLETION,
    OpenRolloutTrainer,
    Rollout,
    RolloutSubject,
    Row,
    widened,
)
from rlcheck.adapters.trl.token_model import Gradient, TokenModel, along, distance
from rlcheck.records import Context, Evidence, Trial

PROMPTS = (("w1",), ("w2", "w3", "w4"), ("w5", "w6"), ("w7", "w8", "w9", "w10", "w11"))
LOSS_TOLERANCE, GRADIENT_TOLERANCE, ADVANTAGE_TOLERANCE = 5e-4, 5e-3, 2e-3
NOISE_SEED, NOISE = 11, 0.008
"""Moves the policy so far that about a third of the ratios leave the clip range of 0.2."""


def reward(row: Row) -> float:
    """A number that depends on every token, and on the prompt much more than within its group."""
    inside = sum((place + 1) * token for place, token in enumerate(row.completion)) % 11
    return float(3 * len(row.prompt)) + inside / 4.0


def _open(
    subject: RolloutSubject, context: Context, options: dict[str, Any] | None = None
) -> OpenRolloutTrainer:
    return subject.open(PROMPTS, reward, context.scratch, options)


def compare(subject: RolloutSubject, trial: Trial, context: Context) -> Evidence:
    """Advantages, losses and gradients of a sampled batch; kept, since several checks look at it."""
    if trial.key not in subject.cache:
        subject.cache[trial.key] = _compare(subject, trial, context)
    return subject.cache[trial.key]


def _compare(subject: RolloutSubject, trial: Trial, context: Context) -> Evidence:
    opened = _open(subject, context, {"seed": trial.seed})
    rollout = opened.sample()
    old = opened.policy()
    move(opened.trainer, NOISE_SEED, NOISE)
    context.progress(0.5, "comparing the loss")
    return {**_groups(rollout), **_losses(opened, rollout, old)}


def _groups(rollout: Rollout) -> dict[str, Any]:
    """Which rewards reached which completions, and what was made of them."""
    known = {row: value for row, value in rollout.scored}
    strangers = [list(row.completion) for row in rollout.rows if row not in known]
    prompts = list(dict.fromkeys(row.prompt for row, _ in rollout.scored))
    rewards = [[v for row, v in rollout.scored if row.prompt == prompt] for prompt in prompts]
    whole = len({len(group) for group in rewards}) == 1
    found: dict[str, Any] = {
        "groups": rewards,
        "strangers": strangers,
        "regular": whole,
        "fitting": [],
        "advantages": rollout.advantages.tolist(),
    }
    if strangers or not whole or rollout.advantages.ndim != 1:
        return found
    table = np.array(rewards)
    for name, semantics in group_semantics.EVERY.items():
        expected = semantics(table)
        by_row: dict[Row, list[float]] = {}
        places = dict.fromkeys(prompts, 0)
        for row, _ in rollout.scored:
            group = prompts.index(row.prompt)
            by_row.setdefault(row, []).append(float(expected[group, places[row.prompt]]))
            places[row.prompt] += 1
        # Equal completions of one prompt have equal rewards, so any of them will do.
        predicted = np.array([by_row[row][0] for row in rollout.rows])
        if np.allclose(
            predicted, rollout.advantages, rtol=ADVANTAGE_TOLERANCE, atol=ADVANTAGE_TOLERANCE
        ):
            found["fitting"].append(name)
        if name == next(iter(group_semantics.VARIANTS)):
            found["expected"] = predicted.tolist()
    return found


def _losses(opened: OpenRolloutTrainer, rollout: Rollout, old: TokenModel) -> dict[str, Any]:
    seen = evaluate(opened.trainer, rollout.inputs)
    configured = _setting(opened)
    temperature = setting(opened.trainer, "temperature", 1.0)
    policy = opened.policy()
    tokens = [_tokens(row, policy, old, opened.reference, temperature) for row in rollout.rows]
    every = list(all_semantics(configured.beta, opened.loss_type))
    predicted = {s.key: loss_of(s, tokens, rollout.advantages, configured) for s in every}
    matching = [s for s in every if close(seen.loss, predicted[s.key])]
    errors = {
        s.key: distance(
            seen.gradient, _gradient(policy, rollout, tokens, s, configured, temperature)
        )
        for s in matching[:12]
    }
    ratios = np.exp(np.concatenate([t.policy - t.old for t in tokens]))
    return {
        "loss": seen.loss,
        "beyond": _beyond(opened),
        "predicted": predicted,
        "matching": [s.key for s in matching],
        "gradient_errors": errors,
        "clipped": float(np.mean(np.abs(ratios - 1) > configured.epsilon)),
        "gradient_norm": float(np.sqrt(sum(np.sum(g**2) for g in seen.gradient.values()))),
    }


def _setting(opened: OpenRolloutTrainer) -> Setting:
    trainer = opened.trainer
    low = setting(trainer, "epsilon_low", setting(trainer, "epsilon", 0.2))
    cap = setting(trainer, "delta", 0.0)
    return Setting(
        low,
        setting(trainer, "beta", 0.0),
        int(setting(trainer, "max_completion_length", LONGEST_COMPLETION)),
        setting(trainer, "epsilon_high", low),
        cap or None,
        (
            setting(trainer, "sapo_temperature_pos", 1.0),
            setting(trainer, "sapo_temperature_neg", 1.05),
        ),
    )


UNUSUAL = {
    "entropy_coef": 0.0,
    "use_adaptive_entropy": False,
    "top_entropy_quantile": 1.0,
    "off_policy_mask_threshold": None,
    "use_vllm": False,
}
"""Settings of TRL's that change the loss, and where they are off."""


def _beyond(opened: OpenRolloutTrainer) -> list[str]:
    """Documented settings of TRL's that are on and that no loss here has."""
    kind = opened.loss_type
    names = [] if kind in MODELLED else [f"loss_type = {kind}"]
    return names + settings_beyond(opened.trainer, UNUSUAL)


def close(seen: float, expected: float) -> bool:
    """Equal as far as single precision can tell."""
    return abs(seen - expected) <= LOSS_TOLERANCE * (0.1 + abs(expected))


def _tokens(
    row: Row, policy: TokenModel, old: TokenModel, reference: TokenModel, temperature: float
) -> Tokens:
    sequence, start = [*row.prompt, *row.completion], len(row.prompt) - 1
    new, before, first = (
        model.log_probs(sequence, temperature)[start:] for model in (policy, old, reference)
    )
    plain = (model.log_probs(sequence)[start:] for model in (policy, old, reference))
    return Tokens(new, new.copy(), before, first, *plain)


def _gradient(
    policy: TokenModel,
    rollout: Rollout,
    tokens: Sequence[Tokens],
    semantics: Semantics,
    configured: Setting,
    temperature: float,
) -> Gradient:
    slopes = gradient_of(semantics, tokens, rollout.advantages, configured)
    sequences = [[*row.prompt, *row.completion] for row in rollout.rows]
    weights = [
        np.concatenate([np.zeros(len(row.prompt) - 1), slope])
        for row, slope in zip(rollout.rows, slopes, strict=True)
    ]
    heat = 1.0 if semantics.cold else temperature
    return policy.gradient(sequences, weights, temperature=heat)


def pad_more(subject: RolloutSubject, trial: Trial, context: Context) -> Evidence:
    """The loss of one batch, and of the same batch with three more columns of padding."""
    opened = _open(subject, context, {"seed": trial.seed})
    rollout = opened.sample()
    move(opened.trainer, NOISE_SEED, NOISE)
    return {
        "as_it_is": evaluate(opened.trainer, rollout.inputs).loss,
        "wider": evaluate(opened.trainer, widened(rollout.inputs, 3)).loss,
    }


SPLITS = ((16, 1), (8, 2), (4, 4))
"""Completions a batch, and batches a step."""


def compare_splits(subject: RolloutSubject, trial: Trial, context: Context) -> Evidence:
    """The gradient of a first step over sixteen completions in one to four batches, and theory's."""
    known = compare(subject, trial, context)
    errors = known["gradient_errors"]
    right = [k for k in errors if k.startswith(CORRECT) and errors[k] < GRADIENT_TOLERANCE]
    names = [n for n in known["fitting"] if n in group_semantics.VARIANTS]
    if not right or not names:
        return {"known": False}
    splits = []
    for size, count in SPLITS:
        options = {
            "per_device_train_batch_size": size,
            "gradient_accumulation_steps": count,
            "num_iterations": 1,
            "seed": trial.seed,
        }
        opened = _open(subject, context, options)
        seen = train(opened.trainer)[0]
        expected = _first_gradient(opened, right[0], names[0])
        factor = along(seen, expected)
        splits.append(
            {"split": [size, count], "distance": distance(seen, expected), "factor": factor}
        )
    return {"known": True, "splits": splits, "semantics": right[0]}


def _first_gradient(opened: OpenRolloutTrainer, key: str, advantages: str) -> Gradient:
    """What theory says of the first step: on-policy, over everything that was sampled for it."""
    rows = [row for row, _ in opened.scored]
    prompts = list(dict.fromkeys(row.prompt for row in rows))
    order = [row for prompt in prompts for row in rows if row.prompt == prompt]
    values = dict(opened.scored)
    table = np.array([values[row] for row in order]).reshape(len(prompts), -1)
    made = group_semantics.VARIANTS[advantages](table).ravel()
    configured = _setting(opened)
    temperature = setting(opened.trainer, "temperature", 1.0)
    first = opened.reference
    tokens = [_tokens(row, first, first, first, temperature) for row in order]
    semantics = next(s for s in all_semantics(configured.beta, opened.loss_type) if s.key == key)
    rollout = Rollout(order, made, opened.scored, {})
    return _gradient(first, rollout, tokens, semantics, configured, temperature)


def watch_reference(subject: RolloutSubject, trial: Trial, context: Context) -> Evidence:
    """After three large steps: whose log-probabilities are called the reference's?"""
    options = {"max_steps": 3, "learning_rate": 0.5, "seed": trial.seed, "num_iterations": 1}
    opened = _open(subject, context, options)
    train(opened.trainer)
    rollout = opened.sample()
    stored = rollout.inputs.get("ref_per_token_logps")
    if stored is None:
        return {"stored": False}
    # A temperature that is left out is another mistake, which the loss shows.
    heats = (setting(opened.trainer, "temperature", 1.0), 1.0)
    off = {
        name: min(_largest_difference(model, rollout.rows, stored.tolist(), heat) for heat in heats)
        for name, model in (("first", opened.reference), ("current", opened.policy()))
    }
    return {"stored": True, "off": off}


def _largest_difference(
    model: TokenModel, rows: Sequence[Row], stored: Sequence[Sequence[float]], temperature: float
) -> float:
    """Between stored log-probabilities of completions and those of a model."""
    found = 0.0
    for row, table in zip(rows, stored, strict=True):
        own = model.log_probs([*row.prompt, *row.completion], temperature)[len(row.prompt) - 1 :]
        found = max(found, float(np.abs(own - np.array(table[: len(own)])).max()))
    return found


TARGET = 3 + 12
"""The token that is rewarded when a prompt is overfitted."""
OVERFIT_STEPS = 15


def overfit(subject: RolloutSubject, trial: Trial, context: Context) -> Evidence:
    """Reward one first token; how probable is it before and after?"""
    options = {
        "max_steps": OVERFIT_STEPS,
        "learning_rate": 0.01,
        "optim": "adamw_torch",
        "beta": 0.0,
        "seed": trial.seed,
        "num_iterations": 1,
        "num_generations": 8,
    }

    def first_token(row: Row) -> float:
        return float(row.completion[0] == TARGET) + 0.1 * float(TARGET in row.completion)

    opened = subject.open(PROMPTS, first_token, context.scratch, options)
    train(opened.trainer)
    ids = [row.prompt for row, _ in opened.scored]
    prompts = list(dict.fromkeys(ids))
    before, after = (
        float(np.mean([np.exp(model.log_probs([*p, TARGET])[-1]) for p in prompts]))
        for model in (opened.reference, opened.policy())
    )
    rewards = [value for _, value in opened.scored]
    quarter = max(1, len(rewards) // 4)
    return {
        "before": before,
        "after": after,
        "first_rewards": float(np.mean(rewards[:quarter])),
        "last_rewards": float(np.mean(rewards[-quarter:])),
    }
