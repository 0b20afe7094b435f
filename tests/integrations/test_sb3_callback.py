"""`SB3Callback`: it sees what the logger writes, changes nothing, and can end a training."""

from __future__ import annotations

import warnings

import gymnasium
import pytest

import rlcheck

stable_baselines3 = pytest.importorskip("stable_baselines3")
torch = pytest.importorskip("torch")


def ppo(**settings):
    small = {"n_steps": 64, "n_epochs": 2, "seed": 3, "device": "cpu"}
    return stable_baselines3.PPO("MlpPolicy", "CartPole-v1", **{**small, **settings})


def callback(**options):
    from rlcheck.integrations import SB3Callback

    return SB3Callback(**options)


def test_it_knows_the_training_and_its_metrics():
    model, watching = ppo(), callback()
    model.learn(64 * 4, callback=watching)
    log = watching.watch._history.log()
    assert {"entropy", "approx_kl", "episode_return", "value_loss"} <= set(log.signals)
    assert log.signals["entropy"].values[-1] > 0.5  # SB3 logs its negative
    assert log.config["env_id"] == "CartPole-v1"
    assert log.config["num_actions"] == 2
    assert log.config["n_epochs"] == 2
    assert watching.watch._watching.total_steps == 64 * 4
    assert not model.logger.output_formats


def test_a_training_is_the_same_to_the_bit_with_and_without_it():
    trained = []
    for options in ({}, {"callback": callback()}):
        model = ppo()
        model.learn(64 * 14, **options)  # enough records for several looks
        trained.append(model.get_parameters()["policy"])
    assert trained[0].keys() == trained[1].keys()
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in trained[0])


def negated_buffer():
    """A rollout buffer whose advantages lose their sign on the way to the policy."""
    from stable_baselines3.common.buffers import RolloutBuffer

    class Negated(RolloutBuffer):
        def compute_returns_and_advantage(self, last_values, dones):
            super().compute_returns_and_advantage(last_values, dones)
            self.advantages *= -1.0

    return Negated


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["PPO", "A2C"])
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_updates_follow_the_advantages(algorithm, env_id):
    short = {"n_steps": 128, "n_epochs": 4} if algorithm == "PPO" else {}
    model = getattr(stable_baselines3, algorithm)(
        "MlpPolicy", env_id, seed=0, device="cpu", **short
    )
    watching = callback()
    model.learn(4096, callback=watching, log_interval=16 if algorithm == "A2C" else 1)
    log = watching.watch._history.log()
    correlations = log["advantage_logprob_correlation"].values
    assert len(correlations) >= 12
    assert correlations.mean() > 0.02
    both = log["value_target_mean"], log["value_mean"], log["td_error_mean"]
    targets, values, errors = (one.values for one in both)
    assert ((targets - values) * errors > 0).mean() > 0.8


def test_advantages_that_lose_their_sign_are_named():
    model, watching = ppo(n_steps=128, rollout_buffer_class=negated_buffer()), callback()
    with pytest.warns(rlcheck.TrainingWarning, match="policy-against-advantages"):
        model.learn(128 * 24, callback=watching)


def test_observations_of_several_parts_and_policies_with_more_inputs():
    from rlcheck.integrations.sb3_rollouts import Rollouts

    env = gymnasium.make("CartPole-v1")
    parts = gymnasium.wrappers.TransformObservation(
        env,
        lambda seen: {"place": seen[:2], "angle": seen[2:]},
        gymnasium.spaces.Dict(
            {name: gymnasium.spaces.Box(-9, 9, (2,)) for name in ("place", "angle")}
        ),
    )
    small = {"n_steps": 64, "n_epochs": 2, "seed": 3, "device": "cpu"}
    model = stable_baselines3.PPO("MultiInputPolicy", parts, **small)
    watching = callback()
    model.learn(256, callback=watching)
    assert "advantage_logprob_correlation" in watching.watch._history.log().signals

    class Masked(type(model.policy)):
        def evaluate_actions(self, obs, actions, action_masks=None):
            return super().evaluate_actions(obs, actions)

    model.policy.__class__ = Masked
    reader = Rollouts()
    reader.ended(model)
    model.policy.set_training_mode(False)
    reader.updated(model)
    assert reader.metrics() == {}


def test_a_policy_that_refuses_is_not_asked_again_and_the_training_goes_on():
    model, watching = ppo(), callback()

    def refuses(obs, actions):
        if not torch.is_grad_enabled():
            raise RuntimeError("asked outside of an update")
        return type(model.policy).evaluate_actions(model.policy, obs, actions)

    model.policy.evaluate_actions = refuses
    model.learn(64 * 4, callback=watching)
    assert model.num_timesteps == 64 * 4
    assert "advantage_logprob_correlation" not in watching.watch._history.log().signals


class Doomed:
    """Reports NaN for the loss from the start, whatever the model does."""

    def __new__(cls):
        from stable_baselines3.common.callbacks import BaseCallback

        class Recorder(BaseCallback):
            def _on_step(self):
                return True

            def _on_rollout_end(self):
                if self.num_timesteps > 64 * 3:
                    self.logger.record("train/loss", float("nan"))

        return Recorder()


def test_stop_ends_a_doomed_training_and_what_follows_still_runs():
    model, watching = ppo(), callback(on_failure="stop")
    with pytest.warns(rlcheck.TrainingWarning, match="training stopped: .*") as told:
        model.learn(64 * 40, callback=[Doomed(), watching])
    assert told[0].filename == __file__
    assert watching.watch.stopped
    assert list(watching.watch.warned) == ["training-log/not-finite"]
    assert model.num_timesteps < 64 * 10


def test_warn_goes_on_to_the_end():
    model, watching = ppo(), callback()
    with pytest.warns(rlcheck.TrainingWarning, match="not-finite"):
        model.learn(64 * 10, callback=[Doomed(), watching])
    assert model.num_timesteps == 64 * 10


def test_an_off_policy_model_and_a_second_training():
    model = stable_baselines3.DQN("MlpPolicy", "CartPole-v1", seed=0, learning_starts=50)
    watching = callback()
    with warnings.catch_warnings():
        warnings.simplefilter("error", rlcheck.TrainingWarning)
        model.learn(400, callback=watching)
        first = watching.watch
        model.learn(200, callback=watching, reset_num_timesteps=False)
    assert watching.watch is not first
    assert "episode_return" in first._history.log().signals
    assert watching.watch._watching.total_steps == 600


def test_misspelt_options_are_told_when_the_callback_is_made():
    with pytest.raises(rlcheck.errors.UsageError, match="on_failure"):
        callback(on_failure="abort")


def test_a_wrong_explained_variance_is_seen_by_recomputing_it(monkeypatch):
    """SB3 passes the values first; a training that swaps them logs another number."""
    from stable_baselines3.ppo import ppo as module

    right = module.explained_variance
    for model in (ppo(), stable_baselines3.A2C("MlpPolicy", "CartPole-v1", device="cpu")):
        watching = callback()
        model.learn(1024, callback=watching, log_interval=2)
        said = {one.check: one for one in watching.watch.report().subjects[0].results}
        assert said["training-log/explained-variance-is-what-it-says"].status == "passed"
    monkeypatch.setattr(
        module, "explained_variance", lambda values, returns: right(returns, values)
    )
    watching = callback()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rlcheck.TrainingWarning)
        ppo().learn(1024, callback=watching)
    assert "training-log/explained-variance-misreported" in watching.watch.warned
