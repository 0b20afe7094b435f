"""Stable-Baselines3 PPO whose entropy coefficient has the wrong sign, watched while it trains.

    python examples/monitored_ppo.py                   the policy collapses; rlcheck says so and stops it
    python examples/monitored_ppo.py --ent-coef 0.01   the same training as it should be

Either writes a report, monitored_ppo.html.
"""

import argparse

from stable_baselines3 import PPO

from rlcheck.integrations import SB3Callback


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ent-coef", type=float, default=-2.0)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--on-failure", choices=["warn", "stop"], default="stop")
    parser.add_argument("--report", default="html:monitored_ppo.html")
    options = parser.parse_args()

    model = PPO(
        "MlpPolicy",
        "CartPole-v1",
        ent_coef=options.ent_coef,
        n_steps=256,
        n_epochs=4,
        learning_rate=1e-3,
        seed=0,
        device="cpu",
    )
    callback = SB3Callback(on_failure=options.on_failure, report_to=options.report)
    model.learn(options.steps, callback=callback)
    seen = ", ".join(callback.watch.warned) or "nothing"
    print(f"{model.num_timesteps:,} steps of {options.steps:,}; rlcheck saw: {seen}")


if __name__ == "__main__":
    main()
