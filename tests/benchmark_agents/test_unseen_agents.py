"""The unseen agents differ from their correct files by the edits of their records alone."""

import ast
from collections import Counter

import pytest

from benchmarks.unseen.record import Record
from benchmarks.unseen.records import RECORDS
from benchmarks.unseen.run import FOLDER, judged, written


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_every_edit_matches_once_and_gives_a_module(record, tmp_path):
    source = written(record, tmp_path).read_text()
    ast.parse(source)
    assert (source != (FOLDER / record.file).read_text()) == bool(record.edits)


def test_names_are_unique_and_a_fault_is_explained():
    assert max(Counter(record.name for record in RECORDS).values()) == 1
    assert all(record.note and record.edits for record in RECORDS if record.truth)


def test_an_edit_that_does_not_match_is_refused(tmp_path):
    record = Record("x", "tabular.py", "train", edits=(("no such text", ""),))
    with pytest.raises(ValueError, match="matches 0 times"):
        written(record, tmp_path)


@pytest.mark.parametrize(
    ("truth", "verdict", "named", "word"),
    [
        ((), "passed", [], "passed"),
        ((), "failed", [["done-late", 0.9]], "ACCUSED"),
        (("done-late",), "failed", [["done-late", 0.9]], "named"),
        (("done-early",), "failed", [["done-late", 0.9]], "MISNAMED"),
        (("done-early",), "passed", [], "MISSED"),
        (("done-early",), "inconclusive", [], "inconclusive"),
        (("done-early",), "error", [], "error"),
    ],
)
def test_an_answer_is_judged_by_the_truth(truth, verdict, named, word):
    assert judged({"truth": truth, "verdict": verdict, "named": named}) == word
