"""Mechanical mutants of the reference functions.

One operator, constant, comparison, index or pair of arguments of a function is changed at a time, and the
function's contract has to notice. A mutant that survives is either equivalent (it computes the same
on every input that the contract's words can express) or a gap of the contract.
"""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

SWAPPED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.And: ast.Or, ast.Or: ast.And, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
CALLED = {
    "min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "argmax": "argmin",
    "sum": "mean", "mean": "sum", "zeros_like": "ones_like", "ones_like": "zeros_like",
    "exp": "expm1", "log": "log1p", "logsigmoid": "sigmoid", "all": "any", "any": "all",
}  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A reference function and what it claims to be."""

    contract: str
    module: str
    function: str
    helpers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mutant:
    """One changed place: `number` counts the changes of a target, `what` says which it is."""

    target: Target
    number: int
    what: str


TARGETS = (
    Target("discounted-returns", "returns", "discounted_returns", ("_cuts", "_decay")),
    Target("n-step-returns", "returns", "n_step_returns", ("_cuts",)),
    Target("gae", "returns", "gae", ("_cuts", "_decay")),
    Target("lambda-returns", "returns", "lambda_returns"),
    Target("vtrace", "returns", "vtrace", ("_cuts", "_decay")),
    Target("td-target", "targets", "td_target"),
    Target("q-learning-target", "targets", "q_learning_target"),
    Target("sarsa-target", "targets", "sarsa_target"),
    Target("expected-sarsa-target", "targets", "expected_sarsa_target"),
    Target("double-q-target", "targets", "double_q_target"),
    Target("soft-q-target", "targets", "soft_q_target"),
    Target("dueling-q", "targets", "dueling_q"),
    Target("policy-gradient-loss", "losses", "policy_gradient_loss", ("_mean_per_seed",)),
    Target("ppo-loss", "losses", "ppo_loss", ("_mean_per_seed",)),
    Target("value-loss", "losses", "value_loss", ("_mean_per_seed",)),
    Target("advantage-normalisation", "losses", "normalise_advantages"),
    Target(
        "categorical-log-prob", "distributions", "categorical_log_prob", ("masked_log_softmax",)
    ),
    Target("entropy", "distributions", "categorical_entropy", ("masked_log_softmax",)),
    Target("gaussian-log-prob", "distributions", "gaussian_log_prob"),
    Target("tanh-gaussian-log-prob", "distributions", "tanh_gaussian_log_prob", ("tanh_log_det",)),
    Target("epsilon-schedule", "exploration", "epsilon_schedule"),
    Target("epsilon-greedy", "exploration", "epsilon_greedy", ("_random_best",)),
    Target("boltzmann", "exploration", "boltzmann", ("boltzmann_probabilities",)),
    Target("ucb", "exploration", "ucb", ("_random_best",)),
    Target("polyak-update", "polyak", "polyak_update"),
    Target("policy-evaluation", "dynamic_programming", "policy_evaluation", ("expected_rewards",)),
    Target("value-iteration", "dynamic_programming", "value_iteration", ("action_values",)),
    Target("tabular-update", "tabular", "q_learning_update", ("_moved",)),
    Target("tabular-update", "tabular", "sarsa_update", ("_moved",)),
    Target("token-log-probs", "llm.log_probs", "token_log_probs", ("spread", "kept_tokens")),
    Target("sequence-log-probs", "llm.log_probs", "sequence_log_probs"),
    Target("aggregate", "llm.losses", "aggregate"),
    Target("kl-estimate", "llm.kl", "kl_estimate"),
    Target("rlhf-token-rewards", "llm.rewards", "rlhf_token_rewards", ("last_token",)),
    Target("reward-model-loss", "llm.preferences", "reward_model_loss"),
    Target("dpo-loss", "llm.preferences", "dpo_loss"),
    Target("group-advantages", "llm.advantages", "group_advantages", ("_group_sum",)),
    Target("grpo-loss", "llm.losses", "grpo_loss", ("importance_ratios", "aggregate")),
)


def mutants(target: Target) -> list[Mutant]:
    """Every change of one place."""
    return [Mutant(target, number, what) for number, (what, _) in enumerate(_changed_trees(target))]


def build(mutant: Mutant) -> Callable[..., Any]:
    """The changed function, in a copy of its module's namespace."""
    target = mutant.target
    _, trees = list(_changed_trees(target))[mutant.number]
    module = importlib.import_module(f"reference_agents.{target.module}")
    namespace = dict(vars(module))
    for tree in trees:
        exec(compile(ast.fix_missing_locations(tree), f"<{mutant.what}>", "exec"), namespace)
    return namespace[target.function]


def original(target: Target) -> Callable[..., Any]:
    """The function as it is."""
    return getattr(importlib.import_module(f"reference_agents.{target.module}"), target.function)


def _changed_trees(target: Target) -> Iterator[tuple[str, list[ast.Module]]]:
    """(what was changed, trees of the function and its helpers) for every change."""
    module = importlib.import_module(f"reference_agents.{target.module}")
    names = (target.function, *target.helpers)
    trees = [_tree(getattr(module, name)) for name in names]
    for place, name in enumerate(names):
        count = len(list(_places(trees[place])))
        for number in range(count):
            changed = [copy.deepcopy(tree) for tree in trees]
            node, apply = list(_places(changed[place]))[number]
            line = getattr(node, "lineno", 0)
            before = ast.unparse(node)
            apply()
            yield f"{name}:{line}: {before} -> {ast.unparse(node)}", changed


def _tree(function: Callable[..., Any]) -> ast.Module:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    body = tree.body[0].body  # type: ignore[attr-defined]
    is_text = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    if is_text and len(body) > 1:
        body.pop(0)
    return tree


def _places(tree: ast.Module) -> Iterator[tuple[ast.AST, Callable[[], None]]]:
    """(node, how to change it) of every place; a check of the caller's arguments is none."""
    guards = {id(inner) for node in ast.walk(tree) if _is_guard(node) for inner in ast.walk(node)}
    function = tree.body[0]
    for statement in function.body:  # type: ignore[attr-defined]
        for node in ast.walk(statement):
            if id(node) in guards:
                continue
            for apply in _changes(node):
                yield node, apply


def _is_guard(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise):
        return True
    if isinstance(node, ast.If):
        return any(isinstance(inner, ast.Raise) for inner in node.body)
    called = node.func if isinstance(node, ast.Call) else None
    name = getattr(called, "id", getattr(called, "attr", ""))
    return name.startswith(("expect", "_expect"))


def _changes(node: ast.AST) -> Iterator[Callable[[], None]]:
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in SWAPPED:
        yield lambda: setattr(node, "op", SWAPPED[type(node.op)]())
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        yield lambda: setattr(node, "ops", [SWAPPED[type(node.ops[0])](), *node.ops[1:]])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not | ast.Invert):
        dropped = ast.BinOp(node.operand, ast.Mult(), ast.Constant(1))
        if isinstance(node.op, ast.USub):
            yield lambda: _become(node, dropped)
        else:
            yield lambda: _become(node, ast.BoolOp(ast.And(), [node.operand, node.operand]))
    if isinstance(node, ast.Constant):
        yield from _constants(node)
    if isinstance(node, ast.Call):
        yield from _calls(node)


def _constants(node: ast.Constant) -> Iterator[Callable[[], None]]:
    if isinstance(node.value, bool):
        yield lambda: setattr(node, "value", not node.value)
    elif isinstance(node.value, int | float):
        yield lambda: setattr(node, "value", node.value + 1)


def _calls(node: ast.Call) -> Iterator[Callable[[], None]]:
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if name in CALLED:
        slot = "attr" if isinstance(node.func, ast.Attribute) else "id"
        yield lambda: setattr(node.func, slot, CALLED[name])
    if len(node.args) >= 2:
        yield lambda: setattr(node, "args", [node.args[1], node.args[0], *node.args[2:]])


def _become(node: ast.AST, other: ast.AST) -> None:
    node.__class__ = other.__class__
    node.__dict__.clear()
    node.__dict__.update(other.__dict__)
