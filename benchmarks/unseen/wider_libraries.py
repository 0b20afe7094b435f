"""Records of the second set: JAX, TorchRL, Lightning, Stable-Baselines3 and its contributions, scripts."""

# ruff: noqa: E501 (edits quote whole lines of source)

from benchmarks.unseen.record import Record

JAX_AND_TORCH_RECORDS = [
    Record("w-jax-ddqn", "w_jax_ddqn.py", "make_agent"),
    Record(
        "w-jax-ddqn-same-key", "w_jax_ddqn.py", "make_agent", ("no-exploration",),
        "the split key is thrown away, so every step draws the same numbers (corpus SAC-37)",
        (("            self.key, sub = jax.random.split(self.key)\n            epsilon", "            _, sub = jax.random.split(self.key)\n            epsilon"),),
    ),
    Record(
        "w-jax-ddqn-online-value", "w_jax_ddqn.py", "make_agent", ("target-is-online",),
        "the target network chooses and the online network judges (corpus TDQ-06)",
        (("best = jnp.argmax(apply(params, next_obs), axis=-1)", "best = jnp.argmax(apply(target_params, next_obs), axis=-1)"),
         ("jnp.take_along_axis(apply(target_params, next_obs), best", "jnp.take_along_axis(apply(params, next_obs), best")),
    ),
    Record(
        "w-jax-ddqn-gamma-baked", "w_jax_ddqn.py", "make_agent", ("discount-hard-coded",),
        "the factory leaves gamma at a default of its own",
        (("return JaxDoubleDQN(env, seed=seed, gamma=gamma)", "return JaxDoubleDQN(env, seed=seed, gamma=0.99)"),),
    ),
    Record(
        "w-jax-ddqn-cut", "w_jax_ddqn.py", "make_agent", ("truncation-as-terminal",),
        "the discount is 0 behind either end",
        (("discount = 0.0 if terminated else 1.0", "discount = 0.0 if terminated or truncated else 1.0"),),
    ),
    Record("w-nfq", "w_nfq.py", "make_agent"),
    Record(
        "w-nfq-column", "w_nfq.py", "make_agent", ("next-observation-stale", "batch-misaligned"),
        "the successors are cut out of the wrong columns",
        (("data[:, d + 2 : 2 * d + 2], data", "data[:, :d], data"),),
    ),
    Record(
        "w-nfq-end-column", "w_nfq.py", "make_agent", ("done-late",),
        "the column of ends is rolled by one row",
        (("target = reward + self.gamma * (1 - terminal) *", "target = reward + self.gamma * (1 - np.roll(terminal, 1)) *"),),
    ),
    Record("w-torchrl-ppo", "w_torchrl_ppo.py", "make_agent"),
    Record(
        "w-torchrl-ppo-terminated", "w_torchrl_ppo.py", "make_agent", ("truncation-as-terminal",),
        "the entry `terminated` is filled with done (corpus GAE-09)",
        (("\"terminated\": torch.tensor([bool(terminated)])", "\"terminated\": torch.tensor([bool(terminated or truncated)])"),),
    ),
    Record(
        "w-torchrl-ppo-critic-loss-dropped", "w_torchrl_ppo.py", "make_agent", ("critic-not-trained",),
        "the critic's loss is computed and not added",
        (("loss = out[\"loss_objective\"] + out[\"loss_critic\"] + out[\"loss_entropy\"]", "loss = out[\"loss_objective\"] + out[\"loss_entropy\"]"),),
    ),
    Record(
        "w-torchrl-ppo-mode", "w_torchrl_ppo.py", "make_agent", ("no-exploration",),
        "the library's actors take the mode unless they are told to draw",
        (("            with set_exploration_type(ExplorationType.RANDOM):\n                td = self.actor(td)\n", "            td = self.actor(td)\n"),),
    ),
    Record("w-torchrl-dqn", "w_torchrl_dqn.py", "train"),
    Record(
        "w-torchrl-dqn-default-gamma", "w_torchrl_dqn.py", "train", ("discount-hard-coded",),
        "gamma is taken and never given to the loss, whose default is 0.99",
        (("    loss_module.make_value_estimator(gamma=gamma)\n", ""),),
    ),
    Record(
        "w-torchrl-dqn-no-update", "w_torchrl_dqn.py", "train", ("target-never-updated",),
        "the target's updater is built and never stepped",
        (("            updater.step()\n", ""),),
    ),
    Record("w-torchrl-sac", "w_torchrl_sac.py", "make_agent"),
    Record(
        "w-torchrl-sac-no-end", "w_torchrl_sac.py", "make_agent", ("terminal-bootstrap", "terminal-as-truncation"),
        "a row with done but without terminated: the end masks nothing",
        (("\"terminated\": torch.tensor([bool(terminated)])", "\"terminated\": torch.tensor([False])"),),
    ),
    Record("w-lightning", "w_lightning.py", "make_agent"),
    Record(
        "w-lightning-alias", "w_lightning.py", "make_agent", ("target-is-online",),
        "no copy is made of the network",
        (("self.target_net = copy.deepcopy(self.net)", "self.target_net = self.net"),),
    ),
    Record(
        "w-lightning-state-first", "w_lightning.py", "make_agent", ("batch-misaligned", "next-observation-stale"),
        "the state is overwritten before the row is stored",
        (("        self.memory.append((self.state, action, float(reward), bool(terminated), new_state))\n", "        self.state = new_state\n        self.memory.append((self.state, action, float(reward), bool(terminated), new_state))\n"),),
    ),
    Record(
        "w-lightning-random-forever", "w_lightning.py", "make_agent", ("terminal-bootstrap", "terminal-as-truncation"),
        "the masked values are written to a copy, which indexing with a mask makes",
        (("following[ends] = 0.0", "following[ends].zero_()"),),
    ),
]  # fmt: skip

STABLE_RECORDS = [
    Record("w-sb3-qrdqn", "w_contrib.py", "make_qrdqn"),
    Record(
        "w-sb3-qrdqn-greedy", "w_contrib.py", "make_qrdqn", ("no-exploration",),
        "exploration is switched off from the start",
        (("target_update_interval=200, exploration_fraction=0.4, batch_size=64,", "target_update_interval=200, batch_size=64, exploration_initial_eps=0.0,\n        exploration_final_eps=0.0,"),),
    ),
    Record("w-sb3-trpo", "w_contrib.py", "make_trpo"),
    Record(
        "w-sb3-trpo-unseeded", "w_contrib.py", "make_trpo", ("seed-ignored",),
        "the seed is not handed on",
        (("\"MlpPolicy\", env, seed=seed, gamma=gamma, n_steps=256, batch_size=256,", "\"MlpPolicy\", env, gamma=gamma, n_steps=256, batch_size=256,"),),
    ),
    Record("w-sb3-ars", "w_contrib.py", "make_ars", note="undiscounted, and blind to what lies behind a time limit, as is the method"),
    Record("w-sb3-maskable", "w_contrib.py", "make_maskable"),
    Record(
        "w-sb3-maskable-old-api", "w_contrib.py", "make_maskable", ("truncation-as-terminal",),
        "a wrapper merges the two ends, as the old interface did",
        (("        return np.ones(self.action_space.n, dtype=bool)\n", "        return np.ones(self.action_space.n, dtype=bool)\n\n    def step(self, action):\n        obs, reward, terminated, truncated, info = self.env.step(action)\n        return obs, reward, terminated or truncated, False, info\n"),),
    ),
    Record(
        "w-sb3-maskable-delayed-reward", "w_contrib.py", "make_maskable", ("reward-late",),
        "a wrapper hands out the reward of the step before",
        (("        return np.ones(self.action_space.n, dtype=bool)\n", "        return np.ones(self.action_space.n, dtype=bool)\n\n    last = 0.0\n\n    def step(self, action):\n        obs, reward, terminated, truncated, info = self.env.step(action)\n        reward, self.last = self.last, reward\n        return obs, reward, terminated, truncated, info\n"),),
    ),
    Record("w-sb3-recurrent", "w_contrib.py", "make_recurrent"),
    Record("w-sb3-nstep-buffer", "w_contrib.py", "make_nstep_dqn"),
    Record(
        "w-sb3-nstep-buffer-gamma", "w_contrib.py", "make_nstep_dqn", ("discount-hard-coded",),
        "the buffer keeps a discount of its own, 0.99",
        (("buffer = type(\"Buffer\", (NStepBuffer,), {\"gamma\": gamma})", "buffer = NStepBuffer"),),
    ),
    Record(
        "w-sb3-nstep-buffer-once", "w_contrib.py", "make_nstep_dqn",
        ("n-step-returns/bootstrap-discounted-once", "discount-ignored", "overestimation"),
        "the end of the window is discounted once, not n times (corpus TDQ-18)",
        (("dones=1 - (1 - ends.dones) * power,", "dones=ends.dones,"),),
    ),
    Record(
        "w-sb3-nstep-buffer-runs-on", "w_contrib.py", "make_nstep_dqn",
        ("n-step-returns/rewards-cross-ends", "terminal-bootstrap", "done-late"),
        "windows run over ends of episodes",
        (("going = going & (self.dones[j, 0] == 0) & (j != newest)", "going = going & (j != newest)"),),
    ),
    Record("w-sb3-double", "w_contrib.py", "make_double"),
    Record("w-sb3-double-class", "w_contrib.py", "DoubleDQN"),
    Record(
        "w-sb3-double-class-mean", "w_contrib.py", "DoubleDQN", ("max-replaced-by-mean",),
        "the mean over the next actions",
        (("following = self.q_net_target(data.next_observations).gather(1, chosen)", "following = self.q_net_target(data.next_observations).mean(1, keepdim=True)"),),
    ),
    Record(
        "w-sb3-double-undone", "w_contrib.py", "make_double", ("terminal-bootstrap", "terminal-as-truncation"),
        "the mask is built from a comparison that is always true",
        (("data.rewards + (1 - data.dones) * self.gamma * following", "data.rewards + (data.dones >= 0) * self.gamma * following"),),
    ),
    Record(
        "w-sb3-double-shape", "w_contrib.py", "DoubleDQN", ("critic-not-trained", "batch-misaligned", "does-not-learn"),
        "(B, 1) against (B,): broadcast to (B, B)",
        (("loss = F.mse_loss(current, target)", "loss = F.mse_loss(current, target.squeeze(1))"),),
    ),
    Record("w-sb3-scheduled", "w_contrib.py", "make_scheduled"),
    Record(
        "w-sb3-scheduled-negative", "w_contrib.py", "make_scheduled", ("entropy-sign-flipped",),
        "the schedule runs from 0 down to minus the coefficient",
        (("self.first * self.model._current_progress_remaining", "self.first * 10 * (self.model._current_progress_remaining - 1)"),),
    ),
    Record("w-sb3-towers", "w_sb3_own.py", "make_towers"),
    Record(
        "w-sb3-towers-blind", "w_sb3_own.py", "make_towers", ("observation-ignored", "does-not-learn"),
        "the policy's features are multiplied by 0, a leftover of an ablation",
        (("return self.policy_net(features)", "return self.policy_net(0 * features)"),),
    ),
    Record("w-sb3-penalty", "w_sb3_own.py", "make_penalty", note="PPO with a penalty on KL: there is no clip, and need not be"),
    Record("w-sb3-penalty-class", "w_sb3_own.py", "PenaltyPPO", note="as w-sb3-penalty"),
    Record(
        "w-sb3-penalty-ratio", "w_sb3_own.py", "make_penalty", ("ratio-inverted",),
        "the log-ratio is old minus new (corpus GAE-20)",
        (("log_ratio = log_prob - rows.old_log_prob", "log_ratio = rows.old_log_prob - log_prob"),),
    ),
    Record(
        "w-sb3-penalty-undetached", "w_sb3_own.py", "make_penalty", ("advantage-not-detached",),
        "advantages are computed again from values that carry gradients",
        (("                advantages = rows.advantages\n", "                advantages = rows.returns - values.flatten()\n"),),
    ),
    Record("w-sb3-epsilon-td3", "w_sb3_own.py", "make_epsilon_td3"),
    Record(
        "w-sb3-epsilon-td3-stored-raw", "w_sb3_own.py", "make_epsilon_td3", ("action-not-executed", "action-scale-wrong"),
        "the buffer gets actions in the units of the environment (corpus RBUF-08)",
        (("return self.policy.unscale_action(noisy), noisy", "return self.policy.unscale_action(noisy), self.policy.unscale_action(noisy)"),),
    ),
    Record(
        "w-sb3-epsilon-td3-noise-later", "w_sb3_own.py", "make_epsilon_td3", ("action-not-executed",),
        "the noise is added to what is stored and not to what is executed",
        (("return self.policy.unscale_action(noisy), noisy", "return unscaled, noisy"), ("self.draws.normal(0, 0.1, size", "self.draws.normal(0, 0.6, size")),
    ),
    Record("w-sb3-sac-hard-copy", "w_sb3_own.py", "make_sac"),
    Record("w-sb3-normalized", "w_contrib.py", "make_normalized"),
    Record(
        "w-sb3-normalized-raw", "w_contrib.py", "make_normalized", ("train-eval-mismatch",),
        "evaluates on observations as they come (corpus NORM-08)",
        (("normalized = self.venv.normalize_obs(np.asarray(observation))", "normalized = np.asarray(observation)"),),
    ),
]  # fmt: skip

WIDER_SCRIPTS = [
    Record("w-script-sac", "w_script_sac.py", None),
    Record(
        "w-script-sac-no-mask", "w_script_sac.py", None, ("terminal-bootstrap", "terminal-as-truncation"),
        "the end masks the reward's bootstrap in the name only",
        (("args.gamma * (1 - end) * (q2 - args.alpha * logp2)", "args.gamma * (q2 - args.alpha * logp2)"),),
    ),
    Record(
        "w-script-sac-sign", "w_script_sac.py", None, ("entropy-sign-flipped",),
        "the temperature enters with the wrong sign, in the actor and in the target",
        (("p.add_argument(\"--alpha\", type=float, default=0.05)", "p.add_argument(\"--alpha\", type=float, default=-0.05)"),),
    ),
    Record("w-script-vec", "w_script_vec.py", None),
    Record(
        "w-script-vec-cut", "w_script_vec.py", None, ("truncation-as-terminal",),
        "the mask is that of either end",
        (("ahead = torch.where(ends[t] > 0, nexts[t], target) * (1 - terms[t])", "ahead = target * (1 - ends[t])"),),
    ),
    Record(
        "w-script-vec-sum-of-environments", "w_script_vec.py", None, ("batch-misaligned", "env-axis-mixed"),
        "rewards are rolled by one environment",
        (("rewards.append(torch.as_tensor(reward, dtype=torch.float32))", "rewards.append(torch.as_tensor(np.roll(reward, 1), dtype=torch.float32))"),),
    ),
    Record(
        "w-script-vec-undetached", "w_script_vec.py", None, ("advantage-not-detached",),
        "the policy's loss trains the critic (corpus TDQ-28)",
        (("advantage.detach()).mean()", "advantage).mean()"),),
    ),
    Record(
        "w-script-vec-same-seeds", "w_script_vec.py", None, ("envs-share-seed",),
        "every environment is given the same seed (corpus SEED-01)",
        (("seed=[args.seed + i for i in range(args.num_envs)]", "seed=[args.seed] * args.num_envs"),),
    ),
    Record("w-script-sb3", "w_script_sb3.py", None),
    Record(
        "w-script-sb3-gamma", "w_script_sb3.py", None, ("discount-hard-coded",),
        "the flag is parsed and not used",
        (("        \"gamma\": args.gamma,\n", "        \"gamma\": 0.99,\n"),),
    ),
]  # fmt: skip
