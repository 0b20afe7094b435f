"""Reports for programs: where they go and what is in them."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET

from rlcheck.records import (
    Diagnosis,
    Report,
    Result,
    Status,
    SubjectReport,
    Verdict,
)
from rlcheck.reports import annotations, junit, markdown
from rlcheck.reports import json as json_report
from rlcheck.reports.values import short, strict


def result(check: str, status: Status, message: str = "why\nmore", **more) -> Result:
    return Result(id="7f3a91", check=check, status=status, message=message, **more)


def report(*results: Result, diagnosis=(), verdict=Verdict.FAILED) -> Report:
    subject = SubjectReport("a | b", "double", verdict, results, diagnosis)
    return Report("0.1.0", verdict, 1, 1.5, (subject,), run_id="r1", seed=7)


FAULT = Diagnosis("late", 0.98, "late by one", "It is late.", "Shift it.", "the loop", ("1 vs 2",))


def test_json_has_exactly_the_fields_of_schema_1():
    failed = result("d/a", Status.FAILED, suspects={"late": 0.98}, seeds=(0, 1), reproducer="r")
    read = json.loads(json_report.render(report(failed, diagnosis=(FAULT,))))
    head = {"schema", "version", "verdict", "exit_code", "duration_s", "subjects"}
    assert head <= set(read)
    assert (read["schema"], read["verdict"], read["exit_code"]) == (1, "failed", 1)
    subject = read["subjects"][0]
    fields = {"name", "contract", "verdict", "dialect", "gamma", "notes", "results", "diagnosis"}
    assert set(subject) == fields
    fields = {"id", "check", "status", "seeds", "duration_s", "message", "evidence", "reproducer"}
    assert fields <= set(subject["results"][0])
    assert subject["results"][0]["seeds"] == [0, 1]
    fields = {"fault", "probability", "title", "explanation", "fix", "where", "proof", "references"}
    assert set(subject["diagnosis"][0]) == fields


def test_json_is_strict():
    evidence = {"nan": math.nan, "list": [math.inf, (-math.inf, 1)], 3: None}
    text = json_report.render(report(result("d/a", Status.FAILED, evidence=evidence)))

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    read = json.loads(text, parse_constant=refuse)
    assert read["subjects"][0]["results"][0]["evidence"] == {
        "nan": "nan",
        "list": ["inf", ["-inf", 1]],
        "3": None,
    }


def test_numbers_of_other_libraries_become_json():
    import numpy as np

    assert strict({"a": np.float32(1.5), "b": np.array([[1, 2]]), "c": {4}}) == {
        "a": 1.5,
        "b": [[1, 2]],
        "c": [4],
    }


def test_people_are_shown_at_most_8_by_8():
    grid = [[float(column) for column in range(50)] for _ in range(50)]
    assert short(grid).count("... 42 more") == 9
    assert short({str(key): key for key in range(20)}).endswith('"...": "12 more"}')
    assert short(1 / 3) == "0.333333"


def test_junit_maps_every_status():
    results = [result(f"d/{status}", status) for status in Status]
    suite = ET.fromstring(junit.render(report(*results)).encode()).find("testsuite")
    assert suite is not None
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "8",
        "failures": "2",
        "errors": "1",
        "skipped": "4",
    }
    found = {
        case.get("name"): [(child.tag, child.get("message")) for child in case]
        for case in suite.iter("testcase")
    }
    assert found["d/passed"] == []
    assert found["d/failed"] == [("failure", "why")]
    assert found["d/xpassed"] == [("failure", "xpassed: why")]
    assert found["d/inconclusive"] == [("skipped", "inconclusive: why")]
    assert found["d/skipped"] == [("skipped", "why")]


def test_junit_survives_what_a_subject_printed():
    text = junit.render(report(result("d/a", Status.ERROR, "\x1b[31mred\x00 <&> \ud800")))
    assert "?[31mred? &lt;&amp;&gt; ?" in text
    ET.fromstring(text.encode())


def test_markdown_is_short_and_names_the_fix():
    failed = result("d/a", Status.FAILED, suspects={"late": 0.98}, reproducer="rlcheck replay 7f")
    text = markdown.render(report(failed, diagnosis=(FAULT,)))
    assert "| `a \\| b` | double | **failed** | 1 failed |" in text
    assert "`late`: late by one (98 %)" in text
    assert "1 vs 2" in text
    assert "- **Fix**: Shift it." in text
    assert "`rlcheck replay 7f`" in text


def test_json_without_path_leaves_stdout_to_programs(rlcheck):
    ran = rlcheck("run", "subjects.py:triple", "--as", "double", "--report", "json")
    read = json.loads(ran.out)
    assert read["verdict"] == "failed"
    assert read["subjects"][0]["diagnosis"][0]["fault"] == "double/tripled"
    assert "FAILED  subjects.py:triple" in ran.err
    assert ran.code == read["exit_code"] == 1


def test_several_files_at_once(rlcheck, folder):
    files = ("--report", "json:out/a.json", "--report", "junit:b.xml", "--report", "markdown:c.md")
    ran = rlcheck("run", "subjects.py:double", "--as", "double", *files)
    assert ran.code == 0
    assert "Verified" in ran.out
    assert json.loads((folder / "out/a.json").read_text())["verdict"] == "passed"
    assert ET.parse(folder / "b.xml").getroot().get("tests") == "4"
    assert (folder / "c.md").read_text().startswith("## rlcheck: passed\n")


def test_the_job_summary_is_appended_to(rlcheck, folder, monkeypatch):
    summary = folder / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    rlcheck("run", "subjects.py:double", "--as", "double")
    assert summary.read_text().startswith("before\n## rlcheck: passed")


def test_a_lost_report_does_not_hide_the_verdict(rlcheck, folder, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder))
    ran = rlcheck("run", "subjects.py:double", "--as", "double")
    assert ran.code == 0
    assert "Warning: the markdown report could not be written" in ran.err


def test_annotations_on_github(rlcheck, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    ran = rlcheck("run", "subjects.py:triple", "--as", "double")
    (line,) = [line for line in ran.err.splitlines() if line.startswith("::error")]
    assert line.startswith("::error title=rlcheck subjects.py%3Atriple%3A double/tripled::")
    assert "%0AFix%3A" not in line
    assert "%0AFix: " in line


def test_annotations_beyond_what_github_shows_are_counted():
    failures = [result(f"d/{n}", Status.FAILED, f"message {n}") for n in range(14)]
    told = annotations.lines(report(*failures))
    assert len(told) == annotations.MOST
    assert told[-1] == "::warning title=rlcheck::5 more in the job summary"
