import numpy as np
import pytest
from implementations import (
    CORRECT,
    FAULTY,
    Estimator,
    changes_rewards,
    chapter_gae,
    last_row_missing,
    merged_flags,
    not_finite,
    prints,
    raises_on_one_step,
    returns_none,
)

import rlcheck
from property_tests.gae import CONTRACT
from rlcheck.contracts import Options
from rlcheck.errors import BindingError
from rlcheck.records import Context, More, Result, Settings, Status


def results_of(raw, *, select=None, examples=60, **options):
    """Bind and run the checks one after another, as the engine does."""
    bound = CONTRACT.bind(raw, Options(**options))
    context = Context(Settings(max_examples=examples), bound.facts)
    found = {}
    for check in CONTRACT.checks:
        if select and check.name.split("/")[1] not in select:
            continue
        reason = check.applies(bound.facts, context.settings)
        if reason:
            found[check.name] = Result("", check.name, Status.SKIPPED, reason)
            continue
        wanted = check.judge([], context)
        assert isinstance(wanted, More)
        evidence = check.trial(bound.subject, wanted.trials[0], context)
        outcome = check.judge([(wanted.trials[0], evidence)], context)
        found[check.name] = Result(
            "", check.name, outcome.status, outcome.message,
            evidence=outcome.evidence, suspects=outcome.suspects,
        )  # fmt: skip
    return bound, found


@pytest.mark.parametrize("name", CORRECT)
def test_correct_implementations_pass(name):
    _, results = results_of(CORRECT[name])
    wrong = {n: r.message for n, r in results.items() if r.status not in ("passed", "skipped")}
    assert not wrong
    assert sum(r.status is Status.PASSED for r in results.values()) >= 10


@pytest.mark.parametrize("fault", FAULTY)
def test_faulty_implementations_are_caught_and_named(fault):
    select = {"agrees-with-the-definition"}
    _, results = results_of(FAULTY[fault], select=select)
    diagnosis = CONTRACT.diagnose(list(results.values()))
    assert diagnosis[0].fault == f"gae/{fault}"
    assert diagnosis[0].probability > 0.9 or fault == "lambda-missing"


def test_counterexample_is_minimal_and_shown_as_a_table():
    _, results = results_of(merged_flags, select={"truncation-keeps-the-final-value"})
    result = results["gae/truncation-keeps-the-final-value"]
    assert np.array(result.evidence["inputs"]["rewards"]).shape == (1, 1)
    assert "expected" in result.message
    assert "<- first difference" in result.message


def test_the_reproducer_runs_on_its_own(capsys):
    _, results = results_of(merged_flags, select={"truncation-keeps-the-final-value"})
    exec(results["gae/truncation-keeps-the-final-value"].evidence["script"], {})
    assert capsys.readouterr().out.strip() == "[[0.]]"


def test_same_seed_same_counterexample():
    select = {"agrees-with-the-definition"}
    first, second = (results_of(merged_flags, select=select)[1] for _ in range(2))
    name = "gae/agrees-with-the-definition"
    assert first[name].evidence == second[name].evidence


def test_random_state_of_the_program_is_left_alone():
    np.random.seed(3)
    expected = np.random.RandomState(3).random()
    results_of(chapter_gae, select={"agrees-with-the-definition"})
    assert np.random.random() == expected


def test_what_a_function_cannot_express_is_skipped_with_the_reason():
    bound, results = results_of(chapter_gae)
    assert bound.dialect["layout"] == "single"
    assert bound.dialect["arrays"] == "list"
    skipped = results["gae/truncation-keeps-the-final-value"]
    assert skipped.status is Status.SKIPPED
    assert "time limit" in skipped.message


def test_one_flag_for_two_facts_is_noted():
    bound = CONTRACT.bind(CORRECT["torch, float32"], Options())
    assert any("truncation cannot be told from termination" in note for note in bound.notes)
    assert any("float32" in note for note in bound.notes)


def test_changed_inputs_are_a_finding():
    _, results = results_of(changes_rewards, select={"inputs-unchanged"})
    result = results["gae/inputs-unchanged"]
    assert result.status is Status.FAILED
    assert "`rewards`" in result.message
    assert result.suspects == {"gae/inputs-changed": 0.99}


@pytest.mark.parametrize(
    ("raw", "status", "text"),
    [
        (returns_none, "failed", "it returned None, expected advantages of shape"),
        (last_row_missing, "failed", "advantages should have shape"),
        (not_finite, "failed", "finite numbers expected"),
        (raises_on_one_step, "error", "ValueError: a rollout needs two steps"),
    ],
)
def test_malformed_answers_are_told_apart(raw, status, text):
    _, results = results_of(raw, select={"returns-what-it-should"})
    result = results["gae/returns-what-it-should"]
    assert result.status == status
    assert text in result.message


def test_a_function_that_always_raises_is_refused():
    def broken(rewards, values, next_value, gamma, lam):
        raise KeyError("nothing works")

    with pytest.raises(
        BindingError, match=r"cannot be called as 'gae'.*KeyError.*was given rewards"
    ):
        CONTRACT.bind(broken, Options())


def test_output_of_the_function_is_kept_off_the_terminal(capsys):
    results_of(prints, select={"worked-example"})
    assert capsys.readouterr().out == ""


def test_names_are_bound_by_hand():
    def strange(a, b, c, *, g, lam):
        return chapter_gae(a, b, c, g, lam)

    bind = {"rewards": "a", "values": "b", "last_value": "c", "gamma": "g"}
    _, results = results_of(strange, select={"worked-example"}, bind=bind)
    assert results["gae/worked-example"].status is Status.PASSED


def test_a_constant_stands_for_a_missing_hyper_parameter():
    def fixed(rewards, values, next_value, gamma):
        return chapter_gae(rewards, values, next_value, gamma, 0.95)

    _, results = results_of(fixed, constants={"lam": 0.95})
    assert results["gae/agrees-with-the-definition"].status is Status.PASSED
    assert results["gae/lam-matters"].status is Status.SKIPPED
    with pytest.raises(BindingError, match="--set lam=VALUE"):
        CONTRACT.bind(fixed, Options())


def test_unknown_parameters_are_named():
    def unknown(rewards, values, next_value, temperature, gamma, lam):
        return rewards

    with pytest.raises(BindingError, match=r"requires 'temperature'.*--bind temperature=PARAMETER"):
        CONTRACT.bind(unknown, Options())
    with pytest.raises(BindingError, match="is a class"):
        CONTRACT.bind(Estimator, Options())
    with pytest.raises(BindingError, match="without its object"):
        CONTRACT.bind(Estimator.forward, Options())
    with pytest.raises(BindingError, match="nothing that means 'values'"):
        CONTRACT.bind(lambda rewards, gamma, lam: rewards, Options())
    with pytest.raises(BindingError, match=r"no convention 'frist'; did you mean 'first'\?"):
        CONTRACT.bind(chapter_gae, Options(dialect={"frist": "returns"}))


def test_pinned_conventions_are_verified():
    _, results = results_of(
        chapter_gae, select={"agrees-with-the-definition"}, dialect={"first": "returns"}
    )
    assert results["gae/agrees-with-the-definition"].status is Status.FAILED


@pytest.mark.parametrize("bind", [{"r": "rewards"}, {"rewards": "r"}])
def test_names_are_bound_in_python_as_on_the_command_line(bind):
    def own(r, values, next_values, terminated, truncated, gamma, lam):
        return Estimator()(r, values, next_values, terminated, truncated, gamma, lam)

    assert rlcheck.check(own, "gae", bind=bind, max_examples=10).verdict == "passed"


def storage(rewards, value_preds, masks, gamma, gae_lambda):
    """Values and masks with a row more than rewards; masks are 0 where a row begins an episode."""
    assert len(value_preds) == len(masks) == len(rewards) + 1
    carry, out = 0.0, []
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * value_preds[t + 1] * masks[t + 1] - value_preds[t]
        carry = delta + gamma * gae_lambda * masks[t + 1] * carry
        out.insert(0, carry)
    return np.stack(out)


def storage_read_one_row_early(rewards, value_preds, masks, gamma, gae_lambda):
    assert len(masks) == len(rewards) + 1
    carry, out = 0.0, []
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * value_preds[t + 1] * masks[t] - value_preds[t]
        carry = delta + gamma * gae_lambda * masks[t] * carry
        out.insert(0, carry)
    return np.stack(out)


def test_flags_with_a_row_more_mark_the_rows_that_begin():
    report = rlcheck.check(storage, "gae", max_examples=20)
    assert report.verdict == "passed"
    assert report.dialect["values_length"] == "T+1 with flags"


def test_flags_with_a_row_more_read_one_row_early():
    report = rlcheck.check(storage_read_one_row_early, "gae", max_examples=20)
    assert report.diagnosis[0].fault == "gae/done-late"


def every_step(reward, value, next_value, terminated, truncated, gamma, lmbda):
    """`next_value` has a row for every step here; elsewhere it is the value after the last one."""
    carry, out = 0.0, []
    for t in reversed(range(len(reward))):
        delta = reward[t] + gamma * next_value[t] * (1 - terminated[t]) - value[t]
        carry = delta + gamma * lmbda * (1 - terminated[t]) * (1 - truncated[t]) * carry
        out.insert(0, carry)
    return np.stack(out)


def through_the_time_limit(reward, value, next_value, terminated, truncated, gamma, lmbda):
    return every_step(reward, value, next_value, terminated, 0 * truncated, gamma, lmbda)


def test_a_name_of_two_meanings_has_the_one_that_fits():
    assert rlcheck.check(every_step, "gae", max_examples=20).verdict == "passed"
    report = rlcheck.check(through_the_time_limit, "gae", max_examples=20)
    assert report.diagnosis[0].fault == "gae/truncation-ignored"
