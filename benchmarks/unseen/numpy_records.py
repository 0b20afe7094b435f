"""Records of agents in plain NumPy: cheap to train, and they show little or nothing of themselves."""

# ruff: noqa: E501 (edits quote whole lines of source)

from benchmarks.unseen.record import Record

PPO, AC, Q = "numpy_ppo.py", "numpy_actor_critic.py", "numpy_replay.py"
BOOTSTRAP = ("terminal-bootstrap", "terminal-as-truncation")

NUMPY_PPO = [
    Record("numpy-ppo", PPO, "make_agent"),
    Record("numpy-ppo-short-trace", PPO, "make_short_trace"),
    Record("numpy-ppo-no-scaling", PPO, "make_agent", note="advantages are not normalised", edits=(("        adv = (adv - adv.mean()) / (adv.std() + 1e-8)\n", ""),)),
    Record("numpy-ppo-curious", PPO, "make_agent", note="a larger entropy bonus", edits=(("ent_coef=0.01", "ent_coef=0.04"),)),
    Record("numpy-ppo-monte-carlo", PPO, "make_agent", note="lambda is 1", edits=(("lam=0.95", "lam=1.0"),)),
    Record("numpy-ppo-no-mask", PPO, "make_agent", BOOTSTRAP, "bootstraps at true ends", (("0.0 if terminated else self.values(obs)", "self.values(obs)"),)),
    Record("numpy-ppo-merged-end", PPO, "make_agent", ("truncation-as-terminal",), "drops the value at a time limit", (("0.0 if terminated else self.values(obs)", "0.0 if terminated or truncated else self.values(obs)"),)),
    Record("numpy-ppo-trace-runs-on", PPO, "make_agent", BOOTSTRAP, "the trace is not cut at ends (GAE-15)", (('running * ~data["end"][t]', "running"),)),
    Record("numpy-ppo-trace-cut-late", PPO, "make_agent", ("done-late",), "the trace is cut by the flag of the step before", (('running * ~data["end"][t]', 'running * ~data["end"][t - 1]'),)),
    Record("numpy-ppo-reset-value", PPO, "make_agent", ("truncation-bootstraps-reset",), "the value at a time limit is that of the reset observation (RBUF-01)", (
        ('                data["next_val"][t, i] = 0.0 if terminated else self.values(obs)\n', ""),
        ("if terminated or truncated else obs\n", 'if terminated or truncated else obs\n                data["next_val"][t, i] = 0.0 if terminated else self.values(self.current[i])\n'))),
    Record("numpy-ppo-axes", PPO, "make_agent", ("env-axis-mixed", "batch-misaligned"), "observations are flattened environment-major, advantages time-major", (('obs = data["obs"].reshape(-1, len(self.w))', 'obs = data["obs"].swapaxes(0, 1).reshape(-1, len(self.w))'), ('act = data["act"].reshape(-1)', 'act = data["act"].T.reshape(-1)'))),
    Record("numpy-ppo-rewards-shifted", PPO, "make_agent", ("reward-late",), "the reward of the row before", (('data["rew"][t, i] = reward', 'data["rew"][(t + 1) % T, i] = reward'),)),
    Record("numpy-ppo-sign", PPO, "make_agent", ("advantage-sign-flipped",), "descends", (("d_logits = -weight", "d_logits = weight"),)),
    Record("numpy-ppo-entropy-sign", PPO, "make_agent", ("entropy-sign-flipped",), "penalises entropy", (("+ self.ent_coef * p", "- self.ent_coef * p"),)),
    Record("numpy-ppo-ratio", PPO, "make_agent", ("ratio-inverted",), "old over new", (("ratio = p[np.arange(n), a] / old[batch]", "ratio = old[batch] / p[np.arange(n), a]"),)),
    Record("numpy-ppo-clip-unused", PPO, "make_agent", ("clip-missing", "option-ignored"), "the clip never acts", (("weight = ratio * adv[batch] * kept", "weight = ratio * adv[batch]"),)),
    Record("numpy-ppo-old-is-new", PPO, "make_agent", ("old-log-prob-recomputed", "option-ignored"), "old probabilities are taken anew in every epoch (PGL-65)", (("ratio = p[np.arange(n), a] / old[batch]", "old = self.action_probabilities(obs)[rows, act]\n                ratio = p[np.arange(n), a] / old[batch]"),)),
    Record("numpy-ppo-critic-on-advantage", PPO, "make_agent", ("critic-not-trained",), "the critic is fitted to advantages", (("target = (adv + values).reshape(-1)", "target = adv.reshape(-1)"),)),
    Record("numpy-ppo-critic-still", PPO, "make_agent", ("critic-not-trained",), "the critic's step is missing", (("                self.value_adam.step(self.w, x.T @ error / n)\n", ""),)),
    Record("numpy-ppo-gamma", PPO, "make_agent", ("discount-hard-coded", "option-ignored"), "0.99 in delta", (('delta = data["rew"] + self.gamma *', 'delta = data["rew"] + 0.99 *'),)),
    Record("numpy-ppo-gamma-missing", PPO, "make_agent", ("discount-ignored", "option-ignored"), "no gamma in delta and trace", (('delta = data["rew"] + self.gamma *', 'delta = data["rew"] +'), ("self.gamma * self.lam * running", "self.lam * running"))),
    Record("numpy-ppo-blind", PPO, "make_agent", ("observation-ignored",), "the mean of the batch's observations is what the policy sees", (("p = softmax(x @ self.W)", "p = softmax((0 * x + x.mean(0)) @ self.W)"), ("self.policy_adam.step(self.W, x.T @ d_logits / n)", "self.policy_adam.step(self.W, (0 * x + x.mean(0)).T @ d_logits / n)"), ("return softmax(np.asarray(obs, float) @ self.W)", "return softmax((0 * np.asarray(obs, float) + 1 / len(self.w)) @ self.W)"))),
    Record("numpy-ppo-seeds", PPO, "make_agent", ("envs-share-seed",), "all environments get one seed", (("env.reset(seed=self.seed + 1000 * i)", "env.reset(seed=self.seed + 0 * i)"),)),
    Record("numpy-ppo-greedy-rollout", PPO, "make_agent", ("no-exploration",), "rollouts take the most probable action", (("self.predict(self.current, deterministic=False)", "self.predict(self.current)"),)),
    Record("numpy-ppo-stale-obs", PPO, "make_agent", ("observation-stale",), "the policy acts on the observation of the step before", (('data["act"][t] = self.predict(self.current, deterministic=False)', 'data["act"][t] = self.predict(data["obs"][max(t - 1, 0)], deterministic=False)'),)),
    Record("numpy-ppo-stores-other-action", PPO, "make_agent", ("action-not-executed",), "another sample is executed than stored", (('env.step(int(data["act"][t, i]))', "env.step(int(self.predict(self.current[i], deterministic=False)))"),)),
]  # fmt: skip

NUMPY_ACTOR_CRITIC = [
    Record("numpy-actor-critic", AC, "make_actor_critic"),
    Record("numpy-reinforce", AC, "make_reinforce"),
    Record("numpy-actor-critic-slow", AC, "make_actor_critic", note="a slow actor", edits=(("actor_rate=0.25", "actor_rate=0.08"),)),
    Record("numpy-actor-critic-no-mask", AC, "make_actor_critic", BOOTSTRAP, "no mask", (("(0.0 if terminated else self.gamma * self.value[s2])", "self.gamma * self.value[s2]"),)),
    Record("numpy-actor-critic-merged", AC, "make_actor_critic", ("truncation-as-terminal",), "masks on either end", (("(0.0 if terminated else self.gamma", "(0.0 if terminated or truncated else self.gamma"),)),
    Record("numpy-actor-critic-wrong-next", AC, "make_actor_critic", ("next-observation-stale",), "V(s) in place of V(s')", (("self.gamma * self.value[s2]", "self.gamma * self.value[s]"),)),
    Record("numpy-actor-critic-delta-sign", AC, "make_actor_critic", ("advantage-sign-flipped",), "the actor's delta is value minus target", (("self.actor_rate * delta", "self.actor_rate * (self.value[s] - target)"),)),
    Record("numpy-actor-critic-clipped", AC, "make_actor_critic", ("reward-clipped",), "np.sign of the reward", (("target = reward +", "target = np.sign(reward) +"),)),
    Record("numpy-actor-critic-cost", AC, "make_actor_critic", ("reward-sign-flipped",), "rewards are costs", (("target = reward +", "target = -reward +"),)),
    Record("numpy-actor-critic-eval-worst", AC, "make_actor_critic", ("train-eval-mismatch",), "predict takes the least probable action", (("int(p.argmax()) if deterministic", "int(p.argmin()) if deterministic"),)),
    Record("numpy-actor-critic-next-key", AC, "make_actor_critic", ("batch-misaligned", "observation-stale", "does-not-learn"), "the preferences of the next state are changed", (("self.preferences[s] +=", "self.preferences[s2] +="),)),
    Record("numpy-reinforce-not-reset", AC, "make_reinforce", BOOTSTRAP, "the return is carried from episode to episode", (("        g = tail\n", "        g = tail + getattr(self, 'last', 0.0)\n"), ("-3.5, 3.5)\n", "-3.5, 3.5)\n        self.last = g\n"))),
    Record("numpy-reinforce-forwards", AC, "make_reinforce", ("reward-late", "batch-misaligned", "discount-too-small", "does-not-learn"), "rewards so far, not to go (GAE-31)", (("in reversed(episode)", "in episode"),)),
    Record("numpy-reinforce-gamma-lost", AC, "make_reinforce", ("discount-ignored", "option-ignored"), "no discount", (("g = reward + self.gamma * g", "g = reward + g"),)),
    Record("numpy-reinforce-baseline-sign", AC, "make_reinforce", ("advantage-sign-flipped", "batch-misaligned"), "adds the baseline and subtracts the return", (("(g - old) * score", "(old - g) * score"),)),
    Record("numpy-reinforce-reward-next", AC, "make_reinforce", ("reward-early",), "the reward of the step after", (("            g = reward + self.gamma * g\n", "            g, following = following + self.gamma * g, reward\n"), ("        g = tail\n", "        g, following = tail, 0.0\n"))),
    Record("numpy-reinforce-unseeded", AC, "make_reinforce", ("seed-ignored",), "global randomness", (("np.log(self.rng.random(self.n))", "np.log(np.random.default_rng().random(self.n))"),)),
]  # fmt: skip

NUMPY_REPLAY = [
    Record("numpy-replay", Q, "make_agent"),
    Record("numpy-replay-nstep", Q, "make_nstep"),
    Record("numpy-replay-slow-target", Q, "make_agent", note="a target that is refreshed rarely", edits=(("target_every=100, double=False", "target_every=600, double=False"),)),
    Record("numpy-replay-no-mask", Q, "make_agent", BOOTSTRAP, "no mask", (("0.0 if terminated else self.gamma **", "self.gamma **"),)),
    Record("numpy-replay-merged", Q, "make_agent", ("truncation-as-terminal",), "masks on either end", (("self.remember((obs, action, float(reward)), nxt, terminated,", "self.remember((obs, action, float(reward)), nxt, terminated or truncated,"),)),
    Record("numpy-replay-reset-obs", Q, "make_agent", ("truncation-bootstraps-reset",), "stores the observation after the reset", (("            self.remember((obs, action, float(reward)), nxt, terminated, terminated or truncated)\n            obs = nxt\n            if terminated or truncated:\n                obs, _ = self.env.reset()\n", "            before, obs = obs, nxt\n            if terminated or truncated:\n                obs, _ = self.env.reset()\n            self.remember((before, action, float(reward)), obs, terminated, terminated or truncated)\n"),)),
    Record("numpy-replay-mean", Q, "make_agent", ("max-replaced-by-mean",), "expected value under a uniform policy", (("discounts * judged[np.arange(16), chosen]", "discounts * judged.mean(1)"),)),
    Record("numpy-replay-target-never", Q, "make_agent", ("target-never-updated",), "the target weights are copied once", (("if t % self.target_every == 0:", "if t == self.target_every * 0:"),)),
    Record("numpy-replay-target-alias", Q, "make_agent", ("target-is-online",), "no copy", (("                self.target_weights = self.weights.copy()", "                self.target_weights = self.weights"),)),
    Record("numpy-replay-actions", Q, "make_agent", ("action-permuted",), "the action's complement is stored", (("self.remember((obs, action, float(reward))", "self.remember((obs, 1 - action, float(reward))"),)),
    Record("numpy-replay-aliased-obs", Q, "make_agent", ("next-observation-stale", "observation-stale", "batch-misaligned", "observation-ignored"), "one array is overwritten in place, so that obs and next obs are the same (PGL-53)", (("        obs, _ = self.env.reset(seed=self.seed)\n", "        obs = np.array(self.env.reset(seed=self.seed)[0])\n"), ("            obs = nxt\n            if", "            obs[:] = nxt\n            if"), ("                obs, _ = self.env.reset()\n", "                obs[:] = self.env.reset()[0]\n"))),
    Record("numpy-replay-late-copy", Q, "make_agent", ("reward-late",), "the reward of the step before is stored", (("self.remember((obs, action, float(reward))", "earned, self.kept = getattr(self, 'kept', 0.0), float(reward)\n            self.remember((obs, action, earned)"),)),
    Record("numpy-replay-rewards-centred", Q, "make_agent", ("reward-mean-subtracted",), "the batch's mean is subtracted from the rewards", (("target = gains + discounts", "target = gains - gains.mean() + discounts"),)),
    Record("numpy-replay-gamma-half", Q, "make_agent", ("discount-too-small", "discount-hard-coded", "option-ignored"), "0.5 from an experiment", (("self.gamma ** len(self.recent)", "0.5 ** len(self.recent)"),)),
    Record("numpy-replay-no-exploration", Q, "make_agent", ("no-exploration",), "epsilon is compared the wrong way round at 0", (("if self.rng.random() < epsilon:", "if self.rng.random() < -epsilon:"),)),
    Record("numpy-replay-nstep-gamma-once", Q, "make_nstep", ("discount-ignored", "discount-hard-coded"), "gamma in place of gamma^n (TDQ-17)", (("self.gamma ** len(self.recent)", "self.gamma"),)),
    Record("numpy-replay-nstep-plain-sum", Q, "make_nstep", ("discount-ignored", "discount-hard-coded"), "rewards in the window are summed without discount", (("g = reward + self.gamma * g", "g = reward + g"),)),
    Record("numpy-replay-nstep-spills", Q, "make_nstep", (*BOOTSTRAP, "batch-misaligned"), "windows run on into the next episode (TDQ-21)", (("(ended or len(self.recent) == self.n_step)", "(len(self.recent) == self.n_step)"),)),
]  # fmt: skip

NUMPY_RECORDS = [*NUMPY_PPO, *NUMPY_ACTOR_CRITIC, *NUMPY_REPLAY]
