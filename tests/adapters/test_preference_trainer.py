"""`preference-trainer`: TRL's own DPO trainer is verified, and each planted mistake is named."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("trl")

from faulty_dpo import CORRECT, FAULTY

import rlcheck
from ladders.trainers.preference_links import VALUES, declared
from ladders.trainers.preference_semantics import VARIANTS, Scored, ScoredPair, predict
from rlcheck.errors import BindingError
from rlcheck.inference import infer_contract


def leading(report):
    return report.diagnosis[0].fault.partition("/")[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", CORRECT)
def test_correct_trainers_pass(name):
    report = rlcheck.check(CORRECT[name], "preference-trainer")
    assert report.verdict == "passed", [(r.check, r.message) for r in report.results]


@pytest.mark.slow
@pytest.mark.parametrize("trainer", FAULTY)
def test_every_mistake_is_caught_and_named(trainer):
    report = rlcheck.check(trainer, "preference-trainer")
    assert report.verdict == "failed"
    assert leading(report) == FAULTY[trainer]


def test_a_factory_without_options_is_checked_as_far_as_it_goes():
    import trl

    def make(model, train_dataset, tokenizer, output_dir):
        args = trl.DPOConfig(
            output_dir=output_dir, beta=0.3, loss_type=["hinge"], use_cpu=True, bf16=False,
            report_to=[],
        )  # fmt: skip
        return trl.DPOTrainer(
            model=model, args=args, train_dataset=train_dataset, processing_class=tokenizer
        )

    report = rlcheck.check(make, "preference-trainer")
    assert report.verdict == "passed"
    assert report.notes == ("its loss is the variant: hinge",)
    skipped = {r.check: r.message for r in report.results if r.status == "skipped"}
    assert skipped["preference-trainer/beta-takes-effect"] == "the factory does not name beta"


def test_what_is_no_trainer_is_refused_in_one_sentence():
    with pytest.raises(BindingError, match=r"names `model` and `train_dataset`, .*make takes"):
        rlcheck.check(lambda_named_make(), "preference-trainer")

    def returns_nothing(model, train_dataset):
        return object()

    report = rlcheck.check(returns_nothing, "preference-trainer", select=["*deterministic*"])
    assert report.verdict == "error"
    assert "returned a object without model, train_dataset" in report.results[0].message


@pytest.mark.slow
def test_a_loss_without_a_model_is_inconclusive_and_the_setting_named():
    from faulty_dpo import with_settings

    report = rlcheck.check(
        with_settings(loss_type=["aot"]), "preference-trainer", select=["*/loss-is*"]
    )
    assert report.verdict == "inconclusive"
    assert "configured with loss_type = aot" in report.results[0].message


def lambda_named_make():
    def make(config):
        return config

    return make


def test_the_derivative_of_every_semantics_is_that_of_its_value():
    random = np.random.default_rng(0)

    def side(length):
        return Scored(*(random.normal(size=length) - 2 for _ in range(3)))

    pairs = [ScoredPair(2, side(6), side(4)), ScoredPair(1, side(3), side(7))]
    extra = [declared([name], [1.0], 0.1) for name in VALUES]
    for semantics in (*VARIANTS, *(one for found in extra for one in found)):
        _, weights = predict(semantics, pairs, 0.3)
        numeric = [np.zeros_like(weight) for weight in weights]
        flat = [scored for pair in pairs for scored in (pair.chosen, pair.rejected)]
        for scored, slot in zip(flat, numeric, strict=True):
            for place in range(len(slot)):
                values = []
                for step in (1e-6, -1e-6):
                    scored.policy[place] += step
                    values.append(predict(semantics, pairs, 0.3)[0])
                    scored.policy[place] -= step
                slot[place] = (values[0] - values[1]) / 2e-6
        for weight, slot in zip(weights, numeric, strict=True):
            np.testing.assert_allclose(weight, slot, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "contract"),
    [
        ("DPOTrainer", "preference-trainer"),
        ("RewardTrainer", "preference-trainer"),
        ("GRPOTrainer", "rl-trainer"),
        ("RLOOTrainer", "rl-trainer"),
    ],
)
def test_a_trainer_is_not_taken_for_the_loss_that_it_is_called_after(name, contract):
    assert infer_contract(getattr(pytest.importorskip("trl"), name), name) == contract


def test_nor_is_a_factory_of_trainers():
    def make_dpo_trainer(model, train_dataset, processing_class, output_dir):
        raise NotImplementedError

    assert infer_contract(make_dpo_trainer, "make_dpo_trainer") == "preference-trainer"
