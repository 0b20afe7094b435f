"""The HTML report: complete, self-contained, and safe whatever a name or a message holds."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from rlcheck.records import Diagnosis, Report, Result, Status, SubjectReport, Verdict
from rlcheck.reports import html, plots

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>$\\frac{"
FAULT = Diagnosis("late", 0.98, "late by one", "It is late.", "Shift it.", "the loop", ("1 vs 2",))


class Seen(HTMLParser):
    """Every tag with its attributes, and the text."""

    def __init__(self, document):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(document)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def document(*results, name="mine", notes=()):
    subject = SubjectReport(name, "double", Verdict.FAILED, results, (FAULT,), notes=notes)
    return html.render(Report("0.1.0", Verdict.FAILED, 1, 1.5, (subject,), run_id="r1", seed=7))


def result(check, status, message="why\nmore", **more):
    return Result(id="7f3a91", check=check, status=status, message=message, **more)


def test_it_tells_the_verdict_the_cause_the_fix_and_what_was_not_verified():
    failed = result("d/a", Status.FAILED, suspects={"late": 0.98}, reproducer="rlcheck replay 7f")
    seen = Seen(document(failed, result("d/b", Status.SKIPPED, "no values are exposed")))
    for words in (
        *("rlcheck: failed", "What to fix first", "late by one", "1 vs 2", "Shift it.", "the loop"),
        *("rlcheck replay 7f", "What was not verified", "no values are exposed", "numpy"),
    ):
        assert words in seen.text
    links = {a["href"][1:] for tag, a in seen.tags if tag == "a"}
    assert links == {a["id"] for _, a in seen.tags if "id" in a}


def test_nothing_in_it_runs_or_is_fetched():
    drawn = {"signals": {EVIL: {"steps": [0, 1], "values": [1, 2]}}}
    failed = result("d/a", Status.FAILED, EVIL, suspects={"late": 1.0}, evidence=drawn)
    text = document(failed, result(f"d/{EVIL}", Status.SKIPPED, EVIL), name=EVIL, notes=(EVIL,))
    seen = Seen(text)
    assert {tag for tag, _ in seen.tags}.isdisjoint({"script", "link", "iframe", "object"})
    for _, attributes in seen.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("src", "data:image/svg+xml;").startswith("data:image/svg+xml;")
        assert attributes.get("href", "#").startswith("#")
    assert EVIL in seen.text
    assert "default-src 'none'" in text


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ({"expected": [[1.0, 2.0]], "got": [[1.0, 3.0]]}, ["expected", "got"]),
        ({"posterior": {"correct": 0.1, "done-late": 0.9}}, ["done-late", "correct"]),
        ({"curves": [[[0, 20.0], [1000, 90.0]]], "solved": 475}, ["mean return", "solved"]),
        (
            {"signals": {"entropy": {"steps": [0, 5], "values": [1, "nan"]}}, "window": [3, 5]},
            ["entropy", "step", "alarm"],
        ),
        (
            {
                "signals": {"approx_kl": {"steps": [0, 5], "values": [1, 2]}},
                "healthy": {"approx_kl": [0.0, 0.05, "usual <b>"]},
            },
            ["approx_kl", "usual &lt;b"],
        ),
    ],
)  # fmt: skip
def test_evidence_is_drawn(evidence, words):
    svg = plots.evidence_svg(evidence)
    shown = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert all(any(word in text for text in shown) for word in words)
    assert svg == plots.evidence_svg(evidence)


@pytest.mark.parametrize(
    "evidence", [{}, {"expected": 3.0, "got": 4.0}, {"expected": [1, 2], "got": [1, 2, 3]}]
)
def test_what_no_picture_can_show_is_not_drawn(evidence):
    assert plots.evidence_svg(evidence) is None


def test_the_option_writes_the_file(rlcheck, folder):
    ran = rlcheck("run", "subjects.py:triple", "--as", "double", "--report", "html:out/a.html")
    assert ran.code == 1
    assert "double/tripled" in Seen((folder / "out/a.html").read_text()).text
