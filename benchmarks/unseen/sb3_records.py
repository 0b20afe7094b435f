"""Records of Stable-Baselines3 with parts of one's own, and saved models."""

# ruff: noqa: E501 (edits quote whole lines of source)

from benchmarks.unseen.record import Record

SB3 = [
    Record("sb3-dqn-own-train", "sb3_pieces.py", "make_dqn"),
    Record("sb3-ppo-own-parts", "sb3_pieces.py", "make_ppo"),
    Record("sb3-a2c-callback", "sb3_pieces.py", "make_a2c"),
    Record("sb3-normalized-agent", "sb3_pieces.py", "make_normalized"),
    Record("sb3-vecnormalize-model", "sb3_pieces.py", "make_vecnormalize"),
    Record(
        "sb3-dqn-no-timeouts",
        "sb3_pieces.py",
        "make_dqn",
        ("truncation-as-terminal",),
        "the buffer passes no infos on, so that time limits are ends",
        (
            (
                "super().add(obs, next_obs, action, reward, done, infos)",
                "super().add(obs, next_obs, action, reward, done, [{} for _ in infos])",
            ),
        ),
    ),
    Record(
        "sb3-dqn-buffer-aliases",
        "sb3_pieces.py",
        "make_dqn",
        ("next-observation-stale",),
        "the buffer is given the same array twice",
        (("super().add(obs, next_obs, action", "super().add(obs, obs, action"),),
    ),
    Record(
        "sb3-dqn-target-selects",
        "sb3_pieces.py",
        "make_dqn",
        ("target-is-online",),
        "the online network is asked for the value too",
        (("self.q_net_target(data.next_observations)", "self.q_net(data.next_observations)"),),
    ),
    Record(
        "sb3-dqn-done-inverted",
        "sb3_pieces.py",
        "make_dqn",
        ("terminal-bootstrap", "discount-too-small", "critic-not-trained"),
        "the mask keeps the terminal rows and drops the others",
        (("(1 - data.dones) * self.gamma", "data.dones * self.gamma"),),
    ),
    Record(
        "sb3-ppo-last-row-unmasked",
        "sb3_pieces.py",
        "make_ppo",
        ("terminal-bootstrap",),
        "the last row of a rollout is never masked (corpus GAE-06)",
        (
            (
                "goes_on, next_values = 1.0 - dones.astype(np.float32), last_values",
                "goes_on, next_values = np.ones(self.n_envs, np.float32), last_values",
            ),
        ),
    ),
    Record(
        "sb3-ppo-starts-misread",
        "sb3_pieces.py",
        "make_ppo",
        ("done-late",),
        "episode_starts[t] is read as the end of step t",
        (
            (
                "            delta = self.rewards[t] +",
                "            goes_on = 1.0 - self.episode_starts[t]\n            delta = self.rewards[t] +",
            ),
        ),
    ),
    Record(
        "sb3-ppo-head-not-optimised",
        "sb3_pieces.py",
        "make_ppo",
        ("critic-not-trained",),
        "the value head is replaced after the optimiser was made",
        (
            (
                "        self.optimizer = self.optimizer_class(\n            self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs\n        )\n",
                "",
            ),
        ),
    ),
    Record(
        "sb3-ppo-extractor-blind",
        "sb3_pieces.py",
        "make_ppo",
        ("observation-ignored",),
        "the extractor normalises over the batch's only non-constant axis: the features are constant",
        (
            (
                "th.tanh(self.norm(self.linear(observations.flatten(1))))",
                "th.tanh(self.norm(self.linear(observations.flatten(1) * 0)))",
            ),
        ),
    ),
    Record(
        "sb3-ppo-wrapper-time-limit",
        "sb3_pieces.py",
        "make_ppo",
        ("truncation-as-terminal",),
        "the wrapper returns one flag for both (corpus ENV-14)",
        (
            (
                "return obs, reward, terminated, truncated, info",
                "return obs, reward, terminated or truncated, False, info",
            ),
        ),
    ),
    Record(
        "sb3-ppo-wrapper-score",
        "sb3_pieces.py",
        "make_ppo",
        ("batch-misaligned", "reward-late", "discount-ignored", "terminal-bootstrap"),
        "the wrapper returns the score so far as the reward",
        (
            (
                "return obs, reward, terminated, truncated, info",
                "return obs, self.score, terminated, truncated, info",
            ),
        ),
    ),
    Record(
        "sb3-ppo-wrapper-late",
        "sb3_pieces.py",
        "make_ppo",
        ("observation-stale",),
        "the wrapper returns the observation of the step before",
        (
            (
                "        return self.env.reset(**kwargs)",
                "        self.last, info = self.env.reset(**kwargs)\n        return self.last, info",
            ),
            ('        info["score"] = self.score', "        obs, self.last = self.last, obs"),
        ),
    ),
    Record(
        "sb3-a2c-callback-resets",
        "sb3_pieces.py",
        "make_a2c",
        ("observation-stale", "batch-misaligned", "next-observation-stale", "action-not-executed"),
        "the callback resets the training environment behind the model's back",
        (
            (
                "self.model.ent_coef = self.first",
                "self.training_env.reset()\n        self.model.ent_coef = self.first",
            ),
        ),
    ),
    Record(
        "sb3-a2c-callback-sign",
        "sb3_pieces.py",
        "make_a2c",
        ("entropy-sign-flipped",),
        "the callback sets a negative entropy coefficient",
        (("EntropyDecay(0.02, 0.0)", "EntropyDecay(-0.02, -0.02)"),),
    ),
    Record(
        "sb3-normalized-predict-raw",
        "sb3_pieces.py",
        "make_normalized",
        ("train-eval-mismatch",),
        "predict does not normalise",
        (("self.envs.normalize_obs(np.asarray(observation))", "np.asarray(observation)"),),
    ),
    Record("sb3-sac-own-train", "sb3_continuous.py", "make_sac"),
    Record("sb3-td3-own-train", "sb3_continuous.py", "make_td3"),
    Record(
        "sb3-sac-max",
        "sb3_continuous.py",
        "make_sac",
        ("overestimation",),
        "the larger critic is the target",
        (
            (
                "next_q = next_q.min(dim=1, keepdim=True).values\n                next_q = next_q - alpha",
                "next_q = next_q.max(dim=1, keepdim=True).values\n                next_q = next_q - alpha",
            ),
        ),
    ),
    Record(
        "sb3-sac-entropy-outside",
        "sb3_continuous.py",
        "make_sac",
        ("terminal-bootstrap",),
        "the entropy term is added outside the mask (corpus TDQ-01)",
        (
            (
                "next_q = next_q - alpha * next_log_prob.reshape(-1, 1)\n",
                "soft = alpha * next_log_prob.reshape(-1, 1)\n",
            ),
            (
                "* self.gamma * next_q\n            current",
                "* self.gamma * next_q - soft\n            current",
            ),
        ),
    ),
    Record(
        "sb3-sac-actor-sign",
        "sb3_continuous.py",
        "make_sac",
        ("advantage-sign-flipped",),
        "the actor descends Q",
        (("(alpha * log_prob - q_pi)", "(alpha * log_prob + q_pi)"),),
    ),
    Record(
        "sb3-sac-alpha-sign",
        "sb3_continuous.py",
        "make_sac",
        ("entropy-sign-flipped", "does-not-learn"),
        "the temperature loss has the wrong sign",
        (("alpha_loss = -(self.log_ent_coef", "alpha_loss = (self.log_ent_coef"),),
    ),
    Record(
        "sb3-td3-target-frozen",
        "sb3_continuous.py",
        "make_td3",
        ("target-never-updated",),
        "the critic's target is averaged with weight 0",
        (
            (
                "self.tau)\n                polyak_update(self.actor.parameters(), self.actor_target",
                "0.0)\n                polyak_update(self.actor.parameters(), self.actor_target",
            ),
        ),
    ),
    Record(
        "sb3-td3-flags-rolled",
        "sb3_continuous.py",
        "make_td3",
        ("batch-misaligned",),
        "the flags of the batch belong to the rows before them",
        (
            (
                "                next_q = next_q.min(dim=1, keepdim=True).values\n                target",
                "                next_q = next_q.min(dim=1, keepdim=True).values\n                data = data._replace(dones=data.dones.roll(1, 0))\n                target",
            ),
        ),
    ),
    Record(
        "sb3-td3-actor-from-target",
        "sb3_continuous.py",
        "make_td3",
        ("no-policy-gradient", "does-not-learn"),
        "the actor loss goes through the target actor",
        (
            (
                "data.observations, self.actor(data.observations)",
                "data.observations, self.actor_target(data.observations)",
            ),
        ),
    ),
]

ZIP = [
    Record("zip-dqn", "saved_zip.py", "make_dqn"),
    Record("zip-ppo", "saved_zip.py", "make_ppo"),
    Record(
        "zip-dqn-gamma-of-the-file",
        "saved_zip.py",
        "make_dqn",
        ("discount-hard-coded", "option-ignored"),
        "gamma is not handed on, the file holds the default",
        (
            (
                '"MlpPolicy", env, gamma=gamma, seed=seed, learning_rate=1e-3, learning_starts',
                '"MlpPolicy", env, seed=seed, learning_rate=1e-3, learning_starts',
            ),
        ),
    ),
    Record(
        "zip-dqn-acts-with-the-file",
        "saved_zip.py",
        "make_dqn",
        ("train-eval-mismatch", "does-not-learn"),
        "predict asks the model that was loaded, not the trained one",
        (("self.acting = self.model", 'self.acting = algorithm.load(path, device="cpu")'),),
    ),
    Record(
        "zip-dqn-saves-another",
        "saved_zip.py",
        "make_dqn",
        ("save-load-lossy",),
        "save writes the untrained model",
        (
            (
                "self.model.save(path)",
                'self.algorithm("MlpPolicy", self.env, policy_kwargs={"net_arch": [64]}).save(path)',
            ),
        ),
    ),
    Record(
        "zip-dqn-rate-zero",
        "saved_zip.py",
        "make_dqn",
        ("no-exploration",),
        "the loaded model goes on with the exploration of a finished training",
        (
            (
                "self.model.set_random_seed(seed)",
                "self.model.set_random_seed(seed)\n        self.model.exploration_schedule = lambda left: 0.0",
            ),
        ),
    ),
]

SB3_RECORDS = [*SB3, *ZIP]
