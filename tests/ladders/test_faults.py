"""The catalogue of agent-level faults is complete and every record is filled in."""

import re

import pytest

from ladders import beliefs
from ladders.exam import design
from ladders.faults import FAULTS

NAMES = """
terminal-bootstrap truncation-as-terminal terminal-as-truncation truncation-bootstraps-reset
discount-ignored discount-too-small discount-hard-coded discount-applied-twice
reward-late reward-early reward-clipped reward-sign-flipped reward-mean-subtracted
observation-ignored observation-stale next-observation-stale action-permuted action-not-executed
done-late done-early advantage-sign-flipped batch-misaligned target-never-updated target-is-online
max-replaced-by-mean overestimation no-exploration no-policy-gradient critic-not-trained
advantage-not-detached
entropy-sign-flipped old-log-prob-recomputed ratio-inverted clip-missing train-eval-mismatch
env-axis-mixed recurrent-state-leak action-scale-wrong tanh-correction-missing seed-ignored
envs-share-seed option-ignored save-load-lossy does-not-learn
""".split()

LINK = re.compile(r"^https://\S+$")
BUG = "https://github.com/"
PAPER = "https://arxiv.org/abs/"


def test_catalogue_holds_every_name_once():
    assert sorted(fault.name for fault in FAULTS) == sorted(NAMES)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
class TestRecord:
    def test_no_field_is_empty(self, fault):
        assert fault.title
        assert fault.explanation
        assert fault.fix
        assert fault.where
        assert fault.references

    def test_title_is_one_line_that_ends_in_a_stop(self, fault):
        assert "\n" not in fault.title
        assert fault.title.endswith(".")
        assert len(fault.title) <= 90

    def test_explanation_has_two_to_five_sentences(self, fault):
        assert 2 <= len(re.findall(r"[.?](?: |$)", fault.explanation)) <= 5

    def test_no_words_are_glued_at_line_joins(self, fault):
        for text in (fault.explanation, fault.fix, fault.where):
            assert "  " not in text
            assert not re.search(r"[a-z],[a-z]{3}|[a-z]\.[A-Z]", text)

    def test_references_are_links_and_one_is_a_paper(self, fault):
        assert all(LINK.match(reference) for reference in fault.references)
        assert len(set(fault.references)) == len(fault.references)
        assert any(reference.startswith(PAPER) for reference in fault.references)


def test_nearly_every_fault_cites_a_real_bug():
    without = {f.name for f in FAULTS if not any(r.startswith(BUG) for r in f.references)}
    assert without == {"discount-too-small", "max-replaced-by-mean"}


def test_every_fault_with_a_fixed_point_is_in_the_catalogue():
    exam = design(0.9)
    predicted = {belief.fault for belief in exam.beliefs}
    assert predicted - {beliefs.CORRECT, beliefs.NOT_LEARNED} <= {f.name for f in FAULTS}


def test_no_two_faults_share_a_text():
    for texts in ([f.title for f in FAULTS], [f.explanation for f in FAULTS]):
        assert len(set(texts)) == len(texts)
