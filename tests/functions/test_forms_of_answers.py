"""In which form a function answers, or which arrays it happens to run on, is no verdict by itself."""

import numpy as np
import pytest
from policy_checks import verdict

import rlcheck


def whole_numbers_in_a_list(P: list, R: list, gamma, sweeps):
    """Correct, and where nothing is ever earned the answer is a list of 0."""
    V = [0] * len(P)
    for _ in range(sweeps):
        new = []
        for p, r in zip(P, R, strict=True):
            totals = [
                sum(w * (x + gamma * v) for w, x, v in zip(ps, rs, V, strict=True) if w)
                for ps, rs in zip(p, r, strict=True)
            ]
            new.append(max(totals) or 0)
        V = new
    return V


def test_whole_numbers_in_a_list_are_numbers():
    assert verdict("value-iteration", whole_numbers_in_a_list, examples=20) == ((), "")


def whole_where_whole(P, R, gamma, sweeps):
    """Correct, and an array of integers wherever that loses nothing."""
    V = np.array(whole_numbers_in_a_list(P.tolist(), R.tolist(), gamma, sweeps), dtype=float)
    return V.astype(int) if (V == V.round()).all() else V


def test_integers_that_lose_nothing_pass():
    assert verdict("value-iteration", whole_where_whole, examples=20) == ((), "")


def truncating(P, R, gamma, sweeps):
    return np.array(whole_numbers_in_a_list(P.tolist(), R.tolist(), gamma, sweeps)).astype(int)


def test_lost_fractions_are_a_finding():
    failed, _ = verdict("value-iteration", truncating, examples=20)
    assert "returns-what-it-should" in failed


def never_below_zero(P: list, R: list, gamma, sweeps):
    V = [0] * len(P)
    for _ in range(sweeps):
        V = [
            max(
                [0]
                + [
                    sum(w * (x + gamma * v) for w, x, v in zip(ps, rs, V, strict=True))
                    for ps, rs in zip(p, r, strict=True)
                ]
            )
            for p, r in zip(P, R, strict=True)
        ]
    return V


def test_whole_numbers_in_a_list_do_not_hide_the_fault():
    failed, named = verdict("value-iteration", never_below_zero, examples=20)
    assert "constant-reward-is-a-geometric-sum" in failed
    assert named == "maximum-starts-at-zero"


def of_any_arrays(values, returns):
    """Without a name of any library in it: it runs on arrays and on tensors."""
    return ((values - returns) ** 2).sum() / len(values) * 0.7


def test_a_faulty_loss_that_runs_on_arrays_and_tensors_is_no_error():
    failed, _ = verdict("value-loss", of_any_arrays, wrt="values", examples=20)
    assert "agrees-with-the-definition" in failed
    assert "returns-what-it-should" not in failed  # where a call that raises is told


def right_of_any_arrays(values, returns):
    return ((values - returns) ** 2).sum() / len(values)


def test_a_correct_loss_that_runs_on_arrays_and_tensors_passes():
    assert verdict("value-loss", right_of_any_arrays, wrt="values", examples=20)[0] == ()


def runs_on(rewards, next_values, terminated, gamma):
    """Right for one transition, and for a batch a mistake that no list holds."""
    return np.cumsum(rewards) + gamma * next_values * (1.0 - terminated)


def one_transition(reward, next_q, done, gamma):
    return reward + (0.0 if done else gamma * max(next_q))


def test_a_function_of_rewards_is_judged_on_batches():
    failed, _ = verdict("td-target", runs_on, examples=20)
    assert "agrees-with-the-definition" in failed


def test_a_function_of_one_reward_is_not():
    assert verdict("q-learning-target", one_transition, examples=20) == ((), "")


def flat_list(advs):
    mean = sum(advs) / len(advs)
    variance = sum((a - mean) ** 2 for a in advs) / max(len(advs) - 1, 1)
    return (advs - mean) / (variance**0.5 + 1e-8)


def test_a_function_that_sums_its_argument_is_for_flat_ones():
    assert verdict("advantage-normalisation", flat_list, examples=20) == ((), "")


def advantages_as_a_column(logp, old_logp, adv, clip_coef):
    ratio = np.exp(logp - old_logp)
    adv = adv.reshape(-1, 1)
    return -np.minimum(ratio * adv, ratio.clip(1 - clip_coef, 1 + clip_coef) * adv).mean()


def test_a_loss_that_is_right_for_columns_only_says_so():
    report = rlcheck.check(advantages_as_a_column, "ppo-loss", max_examples=20)
    assert report.verdict == "passed"
    assert any("right for inputs of shape (N, 1) only" in note for note in report.notes)


def vtrace_of(keys):
    """A correct V-trace for complete episodes, in a dict with these keys."""

    def function(log_probs, old_log_probs, rewards, values, last_value, gamma, rho_clip, c_clip):
        ratio = np.exp(log_probs - old_log_probs)
        rho, c = np.minimum(ratio, rho_clip), np.minimum(ratio, c_clip)
        following = np.concatenate([values[1:], np.asarray(last_value)[None]])
        delta = rho * (rewards + gamma * following - values)
        carry, targets = 0.0, np.zeros_like(values)
        for t in reversed(range(len(values))):
            carry = delta[t] + gamma * c[t] * carry
            targets[t] = values[t] + carry
        ahead = np.concatenate([targets[1:], np.asarray(last_value)[None]])
        found = {"targets": targets, "advantages": rho * (rewards + gamma * ahead - values)}
        return {own: found.get(key, np.zeros(1)) for own, key in keys.items()}

    return function


@pytest.mark.parametrize(
    "keys",
    [
        {"vs": "targets", "advantages": "advantages"},
        {"pg_advantages": "advantages", "vs": "targets"},
        {"vtrace_targets": "targets", "adv": "advantages"},
        {"vs": "targets", "pg_adv": "advantages"},
    ],
)
def test_a_dict_whose_keys_are_partly_unknown_is_read_in_full(keys):
    assert rlcheck.check(vtrace_of(keys), "vtrace", max_examples=10).verdict == "passed"


def test_a_loss_is_found_among_its_metrics():
    def loss(values, returns):
        error = values - returns
        return {"mean_error": error.mean(), "critic_loss": (error**2).mean()}

    assert rlcheck.check(loss, "value-loss", max_examples=10).verdict == "passed"
