"""Records of value-based agents: DQN in three styles, tables, discrete SAC."""

# ruff: noqa: E501 (edits quote whole lines of source)

from benchmarks.unseen.record import Record

DEQUE_DQN = [
    Record("deque-dqn", "deque_dqn.py", "make_agent"),
    Record("deque-dqn-small", "deque_dqn.py", "make_small"),
    Record(
        "deque-dqn-no-mask", "deque_dqn.py", "make_agent", ("terminal-bootstrap",),
        "the target lacks (1 - done)",
        (("self.gamma * (1 - dones) * next_q", "self.gamma * next_q"),),
    ),
    Record(
        "deque-dqn-merged-end", "deque_dqn.py", "make_agent", ("truncation-as-terminal",),
        "stores terminated or truncated",
        (("next_obs, terminated))", "next_obs, terminated or truncated))"),),
    ),
    Record(
        "deque-dqn-same-state", "deque_dqn.py", "make_agent", ("next-observation-stale",),
        "obs is appended in place of next_obs",
        (("(obs, action, reward, next_obs, terminated)", "(obs, action, reward, obs, terminated)"),),
    ),
    Record(
        "deque-dqn-target-loads-itself", "deque_dqn.py", "make_agent", ("target-never-updated",),
        "the target network loads its own weights (corpus TGT-10)",
        (("                    self.target.load_state_dict(self.online.state_dict())",
          "                    self.target.load_state_dict(self.target.state_dict())"),),
    ),
    Record(
        "deque-dqn-target-alias", "deque_dqn.py", "make_agent", ("target-is-online",),
        "the target is another name of the online network (corpus TDQ-26)",
        (("self.target = QNetwork(n_inputs, self.n_actions, hidden)", "self.target = self.online"),),
    ),
    Record(
        "deque-dqn-mean", "deque_dqn.py", "make_agent", ("max-replaced-by-mean",),
        "mean over the next actions",
        ((".max(dim=1).values", ".mean(dim=1)"),),
    ),
    Record(
        "deque-dqn-gamma-typed-in", "deque_dqn.py", "make_agent",
        ("discount-hard-coded", "option-ignored"), "0.99 where self.gamma should stand",
        (("rewards + self.gamma *", "rewards + 0.99 *"),),
    ),
    Record(
        "deque-dqn-argmin", "deque_dqn.py", "make_agent", ("train-eval-mismatch",),
        "predict takes the worst action",
        (("return int(self.q_values(observation).argmax())",
          "return int(self.q_values(observation).argmin())"),),
    ),
    Record(
        "deque-dqn-never-explores", "deque_dqn.py", "make_agent", ("no-exploration",),
        "epsilon is overwritten with 0 before the first step",
        (("self.epsilon = max(0.05, 1.0 - step / (0.3 * total_timesteps))", "self.epsilon = 0.0"),),
    ),
]  # fmt: skip

ARRAY_DQN = [
    Record("array-dqn", "array_dqn.py", "make_agent"),
    Record(
        "array-dqn-reset-observation", "array_dqn.py", "make_agent",
        ("truncation-bootstraps-reset",), "stores the observation after the autoreset (RBUF-01)",
        (('infos["final_obs"][i] if ended else next_obs[i]', "next_obs[i]"),),
    ),
    Record(
        "array-dqn-reward-next-row", "array_dqn.py", "make_agent", ("reward-late", "batch-misaligned"),
        "the reward is written one row further on",
        (("self.rewards[i] = reward", "self.rewards[(i + 1) % self.size] = reward"),),
    ),
    Record(
        "array-dqn-broadcast", "array_dqn.py", "make_agent",
        ("batch-misaligned", "observation-ignored"), "[B, 1] against [B] (corpus PGL-21, PGL-67)",
        (("gather(1, actions.unsqueeze(1)).squeeze(1)\n        loss", "gather(1, actions.unsqueeze(1))\n        loss"),),
    ),
    Record(
        "array-dqn-tau-swapped", "array_dqn.py", "make_agent", ("target-is-online",),
        "tau weighs the old target instead of the online network",
        (("self.tau * fast.data + (1 - self.tau) * slow.data",
          "(1 - self.tau) * fast.data + self.tau * slow.data"),),
    ),
    Record(
        "array-dqn-stores-greedy", "array_dqn.py", "make_agent", ("action-not-executed",),
        "stores the greedy action where a random one was executed",
        (("self.buffer.push(obs[i], actions[i],", "self.buffer.push(obs[i], self.predict(obs)[0][i],"),),
    ),
    Record(
        "array-dqn-done-late", "array_dqn.py", "make_agent", ("done-late",),
        "the flag of the step before is stored",
        (("        for step in range(0, total_timesteps, self.n_envs):",
          "        before = np.zeros(self.n_envs, bool)\n        for step in range(0, total_timesteps, self.n_envs):"),
         ("rewards[i], last, terminated[i])\n", "rewards[i], last, before[i])\n            before = terminated\n")),
    ),
]  # fmt: skip

NSTEP_DQN = [
    Record("nstep-dqn", "nstep_dqn.py", "make_agent"),
    Record(
        "nstep-dqn-gamma-once",
        "nstep_dqn.py",
        "make_agent",
        ("discount-ignored", "discount-hard-coded"),
        "the bootstrap after n steps is discounted by gamma, not gamma^n (corpus TDQ-17)",
        (("self.gamma ** len(self.window)", "self.gamma"),),
    ),
    Record(
        "nstep-dqn-sum-undiscounted",
        "nstep_dqn.py",
        "make_agent",
        ("discount-ignored", "discount-hard-coded"),
        "the rewards inside the window are not discounted",
        (
            (
                "sum(self.gamma**k * reward for k, (_, _, reward) in enumerate(self.window))",
                "sum(reward for _, _, reward in self.window)",
            ),
        ),
    ),
    Record(
        "nstep-dqn-spills-over",
        "nstep_dqn.py",
        "make_agent",
        ("terminal-bootstrap", "terminal-as-truncation", "batch-misaligned"),
        "the window runs on into the next episode (corpus TDQ-21)",
        (
            (
                "            if terminated or truncated:\n                while self.window:\n                    self.emit(nxt, terminated)\n                obs, _ = self.env.reset()\n            elif len(self.window) == self.n:\n                self.emit(nxt, False)\n",
                "            if len(self.window) == self.n:\n                self.emit(nxt, terminated)\n            if terminated or truncated:\n                obs, _ = self.env.reset()\n",
            ),
        ),
    ),
]

TABULAR = [
    Record("table-q-function", "tabular.py", "train"),
    Record("table-sarsa", "tabular.py", "make_sarsa"),
    Record("table-double-q", "tabular.py", "make_double_q"),
    Record(
        "table-double-q-slow",
        "tabular.py",
        "make_double_q",
        note="written after a first look at the checks: acts at random, learns slowly",
        edits=(("alpha=0.2, epsilon=0.4", "alpha=0.02, epsilon=1.0"),),
    ),
    Record(
        "table-q-max-of-current",
        "tabular.py",
        "train",
        ("next-observation-stale",),
        "the maximum is taken in the current state",
        (("else Q[s2].max()", "else Q[s].max()"),),
    ),
    Record(
        "table-q-gamma-missing",
        "tabular.py",
        "train",
        ("discount-ignored", "option-ignored"),
        "no gamma in the target",
        (("(r + gamma * future - Q[s][a])", "(r + future - Q[s][a])"),),
    ),
    Record(
        "table-q-reward-sign",
        "tabular.py",
        "train",
        ("reward-sign-flipped",),
        "rewards are taken for costs",
        (("(r + gamma * future", "(-r + gamma * future"),),
    ),
    Record(
        "table-sarsa-terminal-kept",
        "tabular.py",
        "make_sarsa",
        ("terminal-bootstrap", "terminal-as-truncation"),
        "asks `truncated` where `terminated` is meant",
        (("if not terminated:", "if not truncated:"),),
    ),
    Record(
        "table-sarsa-gamma-twice",
        "tabular.py",
        "make_sarsa",
        ("discount-applied-twice",),
        "gamma squared",
        (("self.gamma * self.row(nxt)", "self.gamma**2 * self.row(nxt)"),),
    ),
    Record(
        "table-double-q-reward-clipped",
        "tabular.py",
        "make_double_q",
        ("reward-clipped",),
        "an Atari habit: the reward is cut to [-1, 1]",
        (("(reward + self.gamma * value", "(np.clip(reward, -1, 1) + self.gamma * value"),),
    ),
    Record(
        "table-double-q-seed-unused",
        "tabular.py",
        "make_double_q",
        ("seed-ignored",),
        "the generator is made without the seed",
        (("np.random.RandomState(seed)", "np.random.RandomState()"),),
    ),
]

DISCRETE_SAC = [
    Record("discrete-sac", "discrete_sac.py", "make_agent"),
    Record(
        "discrete-sac-fixed-temperature",
        "discrete_sac.py",
        "make_agent",
        note="a temperature of 0.1 that is not learned, under a name of its own",
        edits=(
            ("self.log_alpha = torch.tensor(math.log(0.1), requires_grad=True)", "self.heat = 0.1"),
            ("        self.alpha_opt = torch.optim.Adam([self.log_alpha], lr=lr)\n", ""),
            ("alpha = self.log_alpha.exp().detach()", "alpha = self.heat"),
            (
                "        entropy = -(log_p.exp() * log_p).sum(-1).detach().mean()\n        self.step(self.alpha_opt, self.log_alpha * (entropy - self.target_entropy))\n",
                "",
            ),
        ),
    ),
    Record(
        "discrete-sac-max-of-critics",
        "discrete_sac.py",
        "make_agent",
        ("overestimation",),
        "the larger of two critics is the target (corpus TDQ-13)",
        (
            (
                "q = torch.min(self.q1_target(nxt), self.q2_target(nxt))",
                "q = torch.max(self.q1_target(nxt), self.q2_target(nxt))",
            ),
        ),
    ),
    Record(
        "discrete-sac-probs-as-log-probs",
        "discrete_sac.py",
        "make_agent",
        ("entropy-sign-flipped", "does-not-learn"),
        "softmax where log_softmax is meant (corpus SAC-19)",
        (("log_p = self.actor(obs).log_softmax(-1)", "log_p = self.actor(obs).softmax(-1)"),),
    ),
    Record(
        "discrete-sac-actor-sign",
        "discrete_sac.py",
        "make_agent",
        ("advantage-sign-flipped",),
        "the actor seeks low Q (corpus SAC-20)",
        (("(alpha * log_p - q)).sum", "(alpha * log_p + q)).sum"),),
    ),
    Record(
        "discrete-sac-temperature-sign",
        "discrete_sac.py",
        "make_agent",
        ("entropy-sign-flipped", "does-not-learn"),
        "the temperature rises while the entropy is too high (corpus SAC-21)",
        (
            (
                "self.log_alpha * (entropy - self.target_entropy)",
                "self.log_alpha * (self.target_entropy - entropy)",
            ),
        ),
    ),
    Record(
        "discrete-sac-target-from-online",
        "discrete_sac.py",
        "make_agent",
        ("target-is-online", "target-never-updated"),
        "the target is computed with the online critics; the slow copies are kept up and never read (corpus TDQ-09)",
        (
            (
                "q = torch.min(self.q1_target(nxt), self.q2_target(nxt))",
                "q = torch.min(self.q1(nxt), self.q2(nxt))",
            ),
        ),
    ),
]

VALUE_RECORDS = [*DEQUE_DQN, *ARRAY_DQN, *NSTEP_DQN, *TABULAR, *DISCRETE_SAC]
