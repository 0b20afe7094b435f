"""Mechanical mutants of functions.

One operator, constant, comparison, index or pair of arguments of a function is changed at a time, and the
function's contract has to notice. A mutant that survives is either equivalent (it computes the same
on every input that the contract's words can express) or a gap of the contract.

Changes that are equivalent by construction are not made: exchanged arguments of a symmetric function, a
last axis by its number instead of -1, `strict` of a `zip`, and whatever stands in a check of the caller's
arguments. Those that are equivalent for a reason of their own are listed with it in
`benchmarks/equivalent_mutants/*.toml`.
"""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import textwrap
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

EQUIVALENT = Path(__file__).resolve().parent / "equivalent_mutants"

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
SYMMETRIC = frozenset(
    {"min", "max", "minimum", "maximum", "logaddexp", "equal", "allclose", "addcmul", "addcmul_"}
)
AXIS_FIRST = frozenset(
    {"gather", "squeeze", "unsqueeze", "log_softmax", "softmax", "select", "flip"}
)
"""Methods whose first argument is an axis."""


@dataclass(frozen=True)
class Target:
    """A function and what it claims to be.

    Args:
        contract: name of the contract.
        module: where the function is.
        function: its name.
        helpers: functions of the same module that it calls, mutated with it.
    """

    contract: str
    module: str
    function: str
    helpers: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Target:
        """`CONTRACT=module:function+helper+helper`."""
        contract, _, place = text.partition("=")
        module, _, names = place.partition(":")
        function, *helpers = names.split("+")
        return cls(contract, module, function, tuple(helpers))


@dataclass(frozen=True)
class Mutant:
    """One changed place: `number` counts the changes of a target, `what` says which it is."""

    target: Target
    number: int
    what: str


TARGETS = tuple(
    Target.parse(line)
    for line in """
discounted-returns=reference_agents.returns:discounted_returns+_cuts+_decay+_unset
n-step-returns=reference_agents.returns:n_step_returns+_cuts+_unset
gae=reference_agents.returns:gae+_cuts+_decay+_unset
lambda-returns=reference_agents.returns:lambda_returns
vtrace=reference_agents.returns:vtrace+_cuts+_decay+_unset
td-target=reference_agents.targets:td_target
q-learning-target=reference_agents.targets:q_learning_target
sarsa-target=reference_agents.targets:sarsa_target
expected-sarsa-target=reference_agents.targets:expected_sarsa_target
double-q-target=reference_agents.targets:double_q_target
soft-q-target=reference_agents.targets:soft_q_target
dueling-q=reference_agents.targets:dueling_q
policy-gradient-loss=reference_agents.losses:policy_gradient_loss+_mean_per_seed
ppo-loss=reference_agents.losses:ppo_loss+_mean_per_seed
value-loss=reference_agents.losses:value_loss+_mean_per_seed
advantage-normalisation=reference_agents.losses:normalise_advantages
categorical-log-prob=reference_agents.distributions:categorical_log_prob+masked_log_softmax
entropy=reference_agents.distributions:categorical_entropy+masked_log_softmax
gaussian-log-prob=reference_agents.distributions:gaussian_log_prob
tanh-gaussian-log-prob=reference_agents.distributions:tanh_gaussian_log_prob+tanh_log_det
epsilon-schedule=reference_agents.exploration:epsilon_schedule
epsilon-schedule=reference_agents.exploration:exponential_epsilon_schedule
epsilon-greedy=reference_agents.exploration:epsilon_greedy+_random_best
boltzmann=reference_agents.exploration:boltzmann+boltzmann_probabilities
ucb=reference_agents.exploration:ucb+_random_best
polyak-update=reference_agents.polyak:polyak_update
policy-evaluation=reference_agents.dynamic_programming:policy_evaluation+expected_rewards
value-iteration=reference_agents.dynamic_programming:value_iteration+action_values
value-iteration=reference_agents.dynamic_programming:policy_iteration+policy_evaluation+action_values
tabular-update=reference_agents.tabular:q_learning_update+_moved
tabular-update=reference_agents.tabular:sarsa_update+_moved
tabular-update=reference_agents.tabular:expected_sarsa_update+_moved
token-log-probs=reference_agents.llm.log_probs:token_log_probs+spread+kept_tokens
sequence-log-probs=reference_agents.llm.log_probs:sequence_log_probs
aggregate=reference_agents.llm.losses:aggregate
kl-estimate=reference_agents.llm.kl:kl_estimate
rlhf-token-rewards=reference_agents.llm.rewards:rlhf_token_rewards+last_token
reward-model-loss=reference_agents.llm.preferences:reward_model_loss
dpo-loss=reference_agents.llm.preferences:dpo_loss+_mean
group-advantages=reference_agents.llm.advantages:group_advantages+_group_sum
grpo-loss=reference_agents.llm.losses:grpo_loss+importance_ratios+aggregate
""".split()
)


def mutants(target: Target) -> list[Mutant]:
    """Every change of one place."""
    seen: Counter[str] = Counter()
    found = []
    for number, (what, _) in enumerate(_changed_trees(target)):
        seen[what] += 1
        again = f" (place {seen[what]})" if seen[what] > 1 else ""
        found.append(Mutant(target, number, what + again))
    return found


def reason(mutant: Mutant) -> str:
    """Why the mutant is accepted as equivalent, "" where it is not."""
    for entry in _accepted():
        contracts = entry.get("contracts", [mutant.target.contract])
        if mutant.target.contract in contracts and mutant.what in entry["changes"]:
            return str(entry["reason"])
    return ""


@cache
def _accepted() -> list[dict[str, Any]]:
    files = sorted(EQUIVALENT.glob("*.toml"))
    return [entry for file in files for entry in tomllib.loads(file.read_text())["equivalent"]]


def build(mutant: Mutant) -> Callable[..., Any]:
    """The changed function, in a copy of its module's namespace."""
    target = mutant.target
    _, trees = list(_changed_trees(target))[mutant.number]
    module = importlib.import_module(target.module)
    namespace = dict(vars(module))
    for tree in trees:
        exec(compile(ast.fix_missing_locations(tree), f"<{mutant.what}>", "exec"), namespace)
    return namespace[target.function]


def original(target: Target) -> Callable[..., Any]:
    """The function as it is."""
    return getattr(importlib.import_module(target.module), target.function)


def _changed_trees(target: Target) -> Iterator[tuple[str, list[ast.Module]]]:
    """(what was changed, trees of the function and its helpers) for every change."""
    module = importlib.import_module(target.module)
    names = (target.function, *target.helpers)
    trees = [_tree(getattr(module, name)) for name in names]
    for place, name in enumerate(names):
        count = len(list(_places(trees[place])))
        for number in range(count):
            changed = [copy.deepcopy(tree) for tree in trees]
            node, apply = list(_places(changed[place]))[number]
            before = ast.unparse(node)
            apply()
            yield f"{name}: {before} -> {ast.unparse(node)}", changed


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
    axes = {id(axis) for node in ast.walk(tree) for axis in _axes(node)}
    for statement in function.body:  # type: ignore[attr-defined]
        for node in ast.walk(statement):
            if id(node) in guards:
                continue
            for apply in _changes(node, is_axis=id(node) in axes):
                yield node, apply


def _is_guard(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise):
        return True
    if isinstance(node, ast.keyword):
        return node.arg == "strict"
    if isinstance(node, ast.If):
        return any(isinstance(inner, ast.Raise) for inner in node.body)
    called = node.func if isinstance(node, ast.Call) else None
    return _name(called).startswith(("expect", "_expect"))


def _name(function: ast.AST | None) -> str:
    return str(getattr(function, "attr", getattr(function, "id", "")))


def _axes(node: ast.AST) -> Iterator[ast.AST]:
    """Parts of a node that are the number of an axis, or count from the last one."""
    if isinstance(node, ast.Call):
        yield from (word.value for word in node.keywords if word.arg in ("dim", "axis"))
        if _name(node.func) in AXIS_FIRST:
            yield from node.args[:1]
    if isinstance(node, ast.Subscript) and _name(node.value) == "shape":
        yield node.slice
        if isinstance(node.slice, ast.Slice) and node.slice.upper is not None:
            yield node.slice.upper


def _changes(node: ast.AST, *, is_axis: bool) -> Iterator[Callable[[], None]]:
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in SWAPPED:
        yield lambda: setattr(node, "op", SWAPPED[type(node.op)]())
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        yield lambda: setattr(node, "ops", [SWAPPED[type(node.ops[0])](), *node.ops[1:]])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not | ast.Invert):
        if not isinstance(node.op, ast.USub):
            yield lambda: _become(node, ast.BoolOp(ast.And(), [node.operand, node.operand]))
        elif not is_axis:
            yield lambda: _become(node, ast.BinOp(node.operand, ast.Mult(), ast.Constant(1)))
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
    name = _name(node.func)
    if name in CALLED:
        slot = "attr" if isinstance(node.func, ast.Attribute) else "id"
        yield lambda: setattr(node.func, slot, CALLED[name])
    if len(node.args) >= 2 and name not in SYMMETRIC:
        yield lambda: setattr(node, "args", [node.args[1], node.args[0], *node.args[2:]])


def _become(node: ast.AST, other: ast.AST) -> None:
    node.__class__ = other.__class__
    node.__dict__.clear()
    node.__dict__.update(other.__dict__)
