import json
import os

import pytest

from benchmarks import detection_matrix as matrix
from benchmarks import detection_summary as summary


def stub(job):
    """Knows the truth, except about one agent that kills it and one that raises."""
    if job.name == "own-q-averages":
        os._exit(9)
    if job.name == "own-q-stops-at-timeouts":
        raise ValueError("broken agent")
    if job.kind == "correct":
        return {"verdict": "passed", "diagnosis": []}
    return {"verdict": "failed", "diagnosis": ["terminal-bootstrap"]}


@pytest.mark.parametrize(
    ("hits", "runs", "upper"), [(0, 40, 0.0722), (0, 300, 0.00994), (3, 3, 1.0), (1, 10, 0.3942)]
)
def test_the_upper_bound_is_clopper_pearson(hits, runs, upper):
    assert summary.Rate(hits, runs).upper() == pytest.approx(upper, abs=2e-4)
    assert summary.Rate(runs - hits, runs).lower() == pytest.approx(1 - upper, abs=2e-4)


def test_correct_runs_go_round_the_agents_until_there_are_enough():
    jobs = matrix.plan(seeds=1, only="own-*", budget="quick", correct_runs=17)
    correct = [job for job in jobs if job.kind == "correct"]
    assert len(correct) == 17
    assert {job.seed for job in correct} == {0, 1, 2}
    assert len(set(jobs)) == len(jobs)


def test_a_dead_worker_and_an_exception_cost_one_error_and_a_second_run_does_nothing(
    tmp_path, capsys
):
    arguments = ["--only", "own-q-*", "--seeds", "1", "--jobs", "1", "--out", str(tmp_path)]
    matrix.main(arguments, run=stub)
    runs = {run["name"]: run for run in matrix.stored(tmp_path / "detection.jsonl")}
    assert runs["own-q-bootstraps-always"]["verdict"] == "failed"
    assert runs["own-q-stops-at-timeouts"]["verdict"] == "error"
    assert "broken agent" in runs["own-q-stops-at-timeouts"]["message"]
    assert runs["own-q-averages"]["verdict"] == "error"
    assert "exit code 9" in runs["own-q-averages"]["message"]
    text = (tmp_path / "detection.md").read_text()
    assert "detected 3/5" in text
    assert "named first 1/5" in text
    assert "false alarms 0/1" in text
    before = (tmp_path / "detection.jsonl").read_text()
    matrix.main(arguments, run=stub)
    assert (tmp_path / "detection.jsonl").read_text() == before


def test_a_line_that_was_cut_off_is_run_again(tmp_path):
    path = tmp_path / "detection.jsonl"
    job = matrix.Job("correct", "own-sarsa", 0, "quick")
    path.write_text(json.dumps({"kind": "correct"})[:-4])
    runs = matrix.measure([job], path, workers=1, timeout=60, run=stub)
    assert [run["verdict"] for run in runs] == ["passed"]
