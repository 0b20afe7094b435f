"""V-trace: value targets and advantages of a policy from rollouts of another one.

    rho_t   = min(rho_clip, pi(a_t|s_t) / mu(a_t|s_t)),   c_t = min(c_clip, the same ratio)
    delta_t = rho_t * (r_t + gamma * (1 - terminated_t) * V(s_{t+1}) - V(s_t))
    v_t     = V(s_t) + sum_{k >= t} gamma^(k - t) * (c_t * ... * c_{k-1}) * delta_k
    A_t     = rho_t * (r_t + gamma * v_{t+1} - V(s_t))

with k up to the first end of an episode. At a cut v_{t+1} is V(s_{t+1}), and 0 after termination.
`log_probs` are those of the policy pi that learns, `old_log_probs` those of mu, which acted.

References: Espeholt et al. 2018, arXiv:1802.01561, eq. 1 and section 4.2; time limits: Pardo et al.
2018, arXiv:1712.00378.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from hypothesis import strategies as st

from property_tests import rollouts, vtrace_faults
from property_tests.framework.build import build
from property_tests.framework.generic import sensitivity
from property_tests.framework.models import Run, evaluate
from property_tests.framework.records import (
    Array,
    Case,
    Convention,
    Domain,
    FunctionContract,
    Mismatch,
    Outputs,
    Property,
)
from property_tests.rollout_properties import (
    column_independence,
    episode_independence,
    long_rollouts,
    scaling,
    truncation_cut,
)
from rlcheck.functions.binding import Facts, Parameter
from rlcheck.functions.calling import Output


def _log_ratios(facts: Facts) -> Array:
    return facts["log_probs"] - facts["old_log_probs"]


LOG_PROBS = Parameter(
    "log_probs",
    "TB",
    "log pi(a|s) of the policy that learns",
    aliases=(
        "log_prob", "logprobs", "new_log_probs", "target_log_probs", "target_action_log_probs",
        "log_pi", "logp", "current_log_probs", "learner_log_probs", "target_logprobs",
    ),
)  # fmt: skip
OLD_LOG_PROBS = Parameter(
    "old_log_probs",
    "TB",
    "log mu(a|s) of the policy that acted",
    aliases=(
        "old_log_prob", "old_logprobs", "old_logp", "behaviour_log_probs", "behavior_log_probs",
        "behaviour_action_log_probs", "behavior_action_log_probs", "behaviour_logp", "log_mu",
        "behavior_logp", "mu_log_probs", "actor_log_probs", "behaviour_logprobs",
        "behavior_logprobs",
    ),
)  # fmt: skip
LOG_RATIOS = Parameter(
    "log_ratios",
    "TB",
    "log_probs - old_log_probs",
    make=_log_ratios,
    aliases=("log_rhos", "log_rho", "log_ratio", "log_importance_weights"),
)
RATIOS = Parameter(
    "ratios",
    "TB",
    "exp(log_probs - old_log_probs)",
    make=lambda facts: np.exp(_log_ratios(facts)),
    aliases=("rhos", "rho", "ratio", "importance_weights", "is_weights", "rho_tm1"),
)
RHO_CLIP = Parameter(
    "rho_clip",
    "",
    "largest weight of a TD error and of an advantage",
    aliases=(
        "rho_bar", "clip_rho", "rho_max", "max_rho", "clip_rho_threshold", "rho_threshold",
        "rho_thresh", "rho_clip_threshold",
    ),
    hyper=True,
)  # fmt: skip
PG_RHO_CLIP = Parameter(
    "pg_rho_clip",
    "",
    "the same for advantages alone, here equal to rho_clip",
    make=lambda facts: facts["rho_clip"],
    aliases=("clip_pg_rho_threshold", "pg_rho_bar", "clip_pg_rho", "pg_clip"),
)
C_CLIP = Parameter(
    "c_clip",
    "",
    "largest weight of a trace",
    aliases=(
        "c_bar", "clip_c", "c_max", "max_c", "clip_c_threshold", "c_threshold", "c_thresh",
        "clip_cs_threshold", "cs_clip",
    ),
    hyper=True,
)  # fmt: skip
CLIPS = {"rho_clip": (1.0, 2.0, 0.5), "c_clip": (1.0, 0.5, 2.0)}


def oracle(
    log_probs: Array,
    old_log_probs: Array,
    rewards: Array,
    values: Array,
    next_values: Array,
    terminated: Array,
    truncated: Array,
    gamma: float,
    rho_clip: float,
    c_clip: float,
) -> tuple[Array, Array]:
    """Targets and advantages, [T, B] each, as the sum of products of the definition."""
    steps = len(rewards)
    ratios = np.exp(log_probs - old_log_probs)
    rho, c = np.minimum(rho_clip, ratios), np.minimum(c_clip, ratios)
    reached = np.where(terminated, 0.0, next_values)
    targets, advantages = values.astype(float), np.zeros(rewards.shape)
    for t, b in np.ndindex(*rewards.shape):
        for k in range(t, steps):
            delta = rho[k, b] * (rewards[k, b] + gamma * reached[k, b] - values[k, b])
            targets[t, b] += gamma ** (k - t) * np.prod(c[t:k, b]) * delta
            if terminated[k, b] or truncated[k, b]:
                break
    for t, b in np.ndindex(*rewards.shape):
        cut = terminated[t, b] or truncated[t, b] or t == steps - 1
        following = reached[t, b] if cut else targets[t + 1, b]
        advantages[t, b] = rho[t, b] * (rewards[t, b] + gamma * following - values[t, b])
    return targets, advantages


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """As `rollouts.rollout_domain`, with the ratio of the two policies."""
    rollouts.require(names, "rewards", "values")
    if not {"log_ratios", "ratios"} & names:
        rollouts.require(names, "log_probs", "old_log_probs")
    return rollouts.rollout_domain(names, conventions)


_PAIR = st.tuples(*[st.sampled_from((-1.0, -0.5, -2.0, -0.25, -1.5))] * 2)
_MOST = 18
"""Steps of the largest rollout, six rows of three columns."""


def cases(where: Domain) -> st.SearchStrategy[Case]:
    """Rollouts of a few steps, with log-probabilities under two policies beside each."""
    rollout = rollouts.rollouts({"gamma": rollouts.GAMMAS, **CLIPS})(where)
    pairs = st.lists(_PAIR, min_size=_MOST, max_size=_MOST)
    return st.tuples(rollout, pairs).map(lambda drawn: _with_pairs(*drawn))


def _with_pairs(case: Case, pairs: list[tuple[float, float]]) -> Case:
    shape = case["rewards"].shape
    both = np.array(pairs[: case["rewards"].size]).reshape(*shape, 2)
    return {"log_probs": both[..., 0], "old_log_probs": both[..., 1], **case}


def long_cases(where: Domain) -> st.SearchStrategy[Case]:
    """Rollouts of production length."""
    drawn = long_rollouts(rollouts.GAMMAS[2], {"rho_clip": 1.0, "c_clip": 1.0}).cases
    assert drawn is not None  # it has inputs of its own
    return drawn(where).map(_with_noise)


def _with_noise(case: Case) -> Case:
    rng = np.random.default_rng(case["rewards"].shape)
    both = -np.abs(rng.normal(size=(*case["rewards"].shape, 2))).round(2)
    return {"log_probs": both[..., 0], "old_log_probs": both[..., 1], **case}


def read(outputs: Outputs, facts: Facts) -> Outputs:
    """(targets, advantages), whichever of them the function returns first."""
    if facts["first"] == "targets" or len(outputs) < 2:
        return outputs
    return (outputs[1], outputs[0])


def tolerance(case: Case, epsilon: float) -> float:
    """Rounding error of the recursion: each step adds a TD error that weights may enlarge."""
    largest = max(float(np.abs(case[name]).max()) for name in ("rewards", "values", "next_values"))
    weight = max(1.0, float(case["rho_clip"])) * max(1.0, float(case["c_clip"]))
    decay = case["gamma"] * case["c_clip"]
    steps = len(case["rewards"])
    # Rounding in a weight is carried as far as the trace is; clips above 1 can make it grow.
    growth = max(1.0, decay) ** min(steps, 8)
    return float(16.0 * epsilon * (1.0 + 3.0 * largest) * weight * growth * min(steps, 100) ** 2)


def _clips_of_one(run: Run, case: Case) -> Case | None:
    """The case with clips that leave ratios of 1 alone; None where they are fixed below 1."""
    free = {name: 1.0 for name in CLIPS if run.fitted.domain.varies(name)}
    case = {**case, **free}
    return case if min(case[name] for name in CLIPS) >= 1.0 else None


def on_policy(run: Run, case: Case) -> Mismatch | None:
    """v_t is the discounted return with its bootstrap where both policies are one."""
    same = _clips_of_one(run, {**case, "old_log_probs": case["log_probs"]})
    if same is None:
        return None
    bootstrap = case["next_values"] * ~case["terminated"]
    ended = case["terminated"] | case["truncated"]
    returns, following = np.zeros_like(case["rewards"]), bootstrap[-1]
    for t in reversed(range(len(returns))):
        following = np.where(ended[t], bootstrap[t], following)
        returns[t] = following = case["rewards"][t] + case["gamma"] * following
    return run.compare(same, returns, "on policy a target is the discounted return")


def nothing_trusted(run: Run, case: Case) -> Mismatch | None:
    """v_t = V(s_t) where the ratios are about 0."""
    never = {**case, "log_probs": np.full_like(case["log_probs"], -60.0)}
    message = "actions that the policy would never take should leave the value as it is"
    return run.compare(never, case["values"], message)


def no_trace(run: Run, case: Case) -> Mismatch | None:
    """v_t = V(s_t) + delta_t without traces."""
    case = {**case, "c_clip": 0.0}
    weight = np.minimum(case["rho_clip"], np.exp(_log_ratios(case)))
    error = case["rewards"] + case["gamma"] * case["next_values"] * ~case["terminated"]
    expected = case["values"] + weight * (error - case["values"])
    return run.compare(case, expected, "with c_clip = 0 a target looks one step ahead")


def _end(case: Case, bootstrap: Array) -> Array:
    weight = np.minimum(case["rho_clip"], np.exp(_log_ratios(case)))
    return case["values"] + weight * (case["rewards"] + bootstrap - case["values"])


def terminal_step(run: Run, case: Case) -> Mismatch | None:
    """v_t = V(s_t) + rho_t * (r_t - V(s_t)) where t terminates."""
    message = "nothing follows a terminal step: its TD error is reward minus value"
    return run.compare(case, _end(case, 0.0 * case["values"]), message, where=case["terminated"])


def truncated_step(run: Run, case: Case) -> Mismatch | None:
    """v_t = V(s_t) + rho_t * (r_t + gamma * V(s_{t+1}) - V(s_t)) where t is cut."""
    expected = _end(case, case["gamma"] * case["next_values"])
    message = "a truncated step keeps the value of the state that it reached, before the reset"
    return run.compare(case, expected, message, where=case["truncated"] & ~case["terminated"])


def ratio_only(run: Run, case: Case) -> Mismatch | None:
    """The same constant on both log-probabilities changes nothing."""
    shifted = {name: case[name] - 0.75 for name in ("log_probs", "old_log_probs")}
    message = "both policies equally much less likely should change nothing"
    return run.compare({**case, **shifted}, run(case), message)


def unclipped_ratio(run: Run, case: Case) -> Mismatch | None:
    """Above both clips the ratio has no effect."""
    far = {**case, "log_probs": np.full_like(case["log_probs"], -0.1)}
    one, other = (
        {**far, "old_log_probs": np.full_like(case["log_probs"], level)} for level in (-3.0, -4.0)
    )
    return run.compare(other, run(one), "a ratio beyond both clips should count as the clips")


def advantages_agree(run: Run, case: Case) -> Mismatch | None:
    """The second output is the definition's."""
    expected = evaluate(run.contract.oracle, run.facts(case))[1]
    message = "the advantages depart from the definition"
    return run.compare(case, expected, message, got=run.outputs(case)[1])


def advantages_follow(run: Run, case: Case) -> Mismatch | None:
    """A_t = rho_t * (r_t + gamma * v_{t+1} - V(s_t)) with the function's own targets."""
    targets, advantages = run.outputs(case)[:2]
    after = vtrace_faults.following_targets(SimpleNamespace(**case), targets)
    weight = np.minimum(case["rho_clip"], np.exp(_log_ratios(case)))
    expected = weight * (case["rewards"] + case["gamma"] * after - case["values"])
    message = "the advantages are not those of the targets returned beside them"
    return run.compare(case, expected, message, got=advantages)


_ADVANTAGES = {"output advantages": "it returns targets only"}
PROPERTIES = (
    Property(
        "on-policy-is-the-return",
        "Where both policies are one, a target is the discounted return with its bootstrap.",
        "All ratios are 1, the sum telescopes and V(s_t) cancels. It holds with a bootstrap that is "
        "not 0 and values that are not constant, where many tests are blind.",
        on_policy,
    ),
    Property(
        "unlikely-actions-change-nothing",
        "Where the policy would never take the action, the target is the value itself.",
        "All weights are about 0. With the ratio upside down they are at their clips instead.",
        nothing_trusted,
        references=("https://github.com/ray-project/ray/issues/4338",),
    ),
    Property(
        "without-traces-one-step",
        "With c_clip = 0 a target looks one step ahead.",
        "v_t = V(s_t) + rho_t * (r_t + gamma * V(s_{t+1}) - V(s_t)): rho alone counts.",
        no_trace,
        varies=("c_clip",),
    ),
    Property(
        "only-the-ratio-counts",
        "Both log-probabilities shifted by the same constant give the same targets.",
        "V-trace sees pi / mu only. A log-probability that is used by itself, or a quotient of "
        "logarithms, shows here.",
        ratio_only,
    ),
    Property(
        "clips-are-upper-bounds",
        "Ratios beyond both clips count as the clips.",
        "That bounds the variance: one action that mu hardly ever takes must not dominate.",
        unclipped_ratio,
    ),
    Property(
        "terminal-has-no-bootstrap",
        "Nothing follows a terminal step: v_t = V(s_t) + rho_t * (r_t - V(s_t)).",
        "A value that leaks through the end of an episode makes values drift upwards.",
        terminal_step,
        needs={"termination": rollouts.NO_TERMINATION},
    ),
    Property(
        "truncation-keeps-the-final-value",
        "A truncated step bootstraps from the state that it reached.",
        "With V of the last observation before the reset, and a trace that ends there.",
        truncated_step,
        needs={"truncation": rollouts.NO_TRUNCATION},
        references=("https://arxiv.org/abs/1712.00378",),
    ),
    truncation_cut(),
    episode_independence(),
    column_independence(),
    scaling(),
    sensitivity("gamma", 0.9, 0.5, "A discount without effect trains another objective."),
    sensitivity("rho_clip", 0.25, 2.0, "It decides which policy the targets evaluate."),
    sensitivity("c_clip", 0.25, 2.0, "It decides how far corrections reach back."),
    replace(long_rollouts(rollouts.GAMMAS[2], {}), cases=long_cases),
    Property(
        "advantages-follow-from-the-targets",
        "The advantages are rho * (r + gamma * v_{t+1} - V) with the targets beside them.",
        "They need v of the state reached, not V, and stop at the end of an episode as targets do.",
        advantages_follow,
        needs=_ADVANTAGES,
    ),
    Property(
        "advantages-agree-with-the-definition",
        "The advantages are those of the definition.",
        "They are what the policy is trained with.",
        advantages_agree,
        needs=_ADVANTAGES,
    ),
)


SPEC = FunctionContract(
    name="vtrace",
    title="V-trace targets and advantages",
    explanation=__doc__ or "",
    parameters=(
        LOG_PROBS,
        OLD_LOG_PROBS,
        LOG_RATIOS,
        RATIOS,
        rollouts.REWARDS,
        rollouts.VALUES,
        rollouts.NEXT_VALUES,
        rollouts.LAST_VALUE,
        *rollouts.FLAGS,
        rollouts.GAMMA,
        RHO_CLIP,
        PG_RHO_CLIP,
        C_CLIP,
    ),
    outputs=(Output("targets", "TB"), Output("advantages", "TB")),
    oracle=oracle,
    domain=domain,
    cases=cases,
    properties=PROPERTIES,
    faults=vtrace_faults.faults(oracle),
    conventions=(
        Convention("first", ("targets", "advantages"), "which of the two is returned first"),
        rollouts.VALUES_LENGTH,
    ),
    read=read,
    tolerance=tolerance,
    notes=rollouts.merged_flag_note,
    words=("vtrace", "v_trace"),
)
CONTRACT = build(SPEC)
