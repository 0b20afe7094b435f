"""The callbacks for transformers and Lightning, each in a training of its framework."""

from __future__ import annotations

import pytest

import rlcheck

torch = pytest.importorskip("torch")


class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, index):
        return {"x": torch.tensor([float(index % 7)]), "labels": torch.tensor([1.0])}


def test_a_transformers_trainer_is_stopped_by_its_own_means(tmp_path):
    transformers = pytest.importorskip("transformers")
    from rlcheck.integrations import TransformersCallback

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def forward(self, x, labels):
            return {"loss": ((self.layer(x) - labels) ** 2).mean()}

    class Logging(transformers.Trainer):
        def log(self, logs, *rest):
            broken = self.state.global_step > 4
            super().log({**logs, "entropy": float("nan") if broken else 0.5}, *rest)

    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=30,
        logging_steps=1,
        per_device_train_batch_size=4,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )
    watching = TransformersCallback(on_failure="stop")
    trainer = Logging(Model(), arguments, train_dataset=Rows(), callbacks=[watching])
    with pytest.warns(rlcheck.TrainingWarning, match="training stopped"):
        trainer.train()
    assert trainer.state.global_step == 7
    assert list(watching.watch.warned) == ["training-log/not-finite"]
    assert watching.watch._watching.total_steps == 30
    assert watching.watch._history.log().config["learning_rate"] == pytest.approx(5e-5)


def test_a_lightning_trainer_is_stopped_by_its_own_means(tmp_path):
    lightning = pytest.importorskip("lightning.pytorch")
    from rlcheck.integrations import LightningCallback

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def training_step(self, batch, index):
            loss = ((self.layer(batch["x"]) - batch["labels"]) ** 2).mean()
            self.log("entropy", float("nan") if self.global_step >= 4 else 0.5)
            self.log("train/loss", loss)
            return loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1e-3)

    watching = LightningCallback(on_failure="stop")
    trainer = lightning.Trainer(
        max_steps=30,
        log_every_n_steps=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        callbacks=[watching],
    )
    with pytest.warns(rlcheck.TrainingWarning, match="training stopped"):
        trainer.fit(Module(), torch.utils.data.DataLoader(Rows(), batch_size=4))
    assert list(watching.watch.warned) == ["training-log/not-finite"]
    assert trainer.global_step < 10
    assert watching.watch._watching.total_steps == 30


def test_a_name_that_does_not_exist():
    import rlcheck.integrations

    with pytest.raises(AttributeError, match="no attribute 'KerasCallback'"):
        _ = rlcheck.integrations.KerasCallback
