"""Records of the second set: tables, linear methods, models."""

# ruff: noqa: E501 (edits quote whole lines of source)

from benchmarks.unseen.record import Record

TABLE_RECORDS = [
    Record("w-mc-control", "w_mc_control.py", "MonteCarloControl"),
    Record(
        "w-mc-control-forwards", "w_mc_control.py", "MonteCarloControl", ("discounted-returns/prefix-sum", "batch-misaligned", "does-not-learn"),
        "the return is summed from the front, so a step is paid for the past (corpus GAE-31)",
        (("for t in reversed(range(len(visited))):", "for t in range(len(visited)):"),),
    ),
    Record(
        "w-mc-control-cut-is-end", "w_mc_control.py", "MonteCarloControl", ("truncation-as-terminal",),
        "nothing is added behind a time limit",
        (("tail = 0.0 if terminated else", "tail = 0.0 if terminated or truncated else"),),
    ),
    Record(
        "w-mc-control-tail-always", "w_mc_control.py", "MonteCarloControl", ("terminal-as-truncation", "terminal-bootstrap"),
        "the estimate of the last observation is added behind true ends too",
        (("tail = 0.0 if terminated else float(", "tail = float("),),
    ),
    Record("w-nstep-sarsa", "w_nstep_sarsa.py", "train"),
    Record(
        "w-nstep-sarsa-end-is-cut", "w_nstep_sarsa.py", "train", ("terminal-bootstrap", "terminal-as-truncation"),
        "every window closes with Q, also behind a true end",
        (("                if end < T or not terminated:\n                    G += gamma", "                if end <= T:\n                    G += gamma"),),
    ),
    Record(
        "w-nstep-sarsa-next-reward", "w_nstep_sarsa.py", "train", ("reward-late",),
        "the sum starts at R[tau], the reward of the step before (off by one)",
        (("gamma ** (i - tau - 1) * R[i] for i in range(tau + 1, end + 1)", "gamma ** (i - tau) * R[i] for i in range(tau, end)"),),
    ),
    Record(
        "w-nstep-sarsa-global-random", "w_nstep_sarsa.py", "train", ("seed-ignored",),
        "draws from NumPy's global generator, which nobody seeds",
        (("rng = np.random.RandomState(seed)", "rng = np.random"),),
    ),
    Record("w-sarsa-lambda", "w_sarsa_lambda.py", "make_agent"),
    Record("w-sarsa-lambda-long", "w_sarsa_lambda.py", "make_long"),
    Record(
        "w-sarsa-lambda-no-mask", "w_sarsa_lambda.py", "make_agent", ("terminal-bootstrap", "terminal-as-truncation"),
        "the end masks nothing",
        (("following = 0.0 if terminated else self.table[s2, a2]", "following = self.table[s2, a2]"),),
    ),
    Record(
        "w-sarsa-lambda-over", "w_sarsa_lambda.py", "make_agent", ("truncation-as-terminal",),
        "masks with terminated or truncated",
        (("following = 0.0 if terminated else", "following = 0.0 if terminated or truncated else"),),
    ),
    Record(
        "w-sarsa-lambda-gamma-default", "w_sarsa_lambda.py", "make_agent", ("discount-hard-coded",),
        "the factory forgets to hand gamma on, so the class's 0.95 stands",
        (("return SarsaLambda(env, seed=seed, gamma=gamma)\n\n\ndef make_long", "return SarsaLambda(env, seed=seed)\n\n\ndef make_long"),),
    ),
    Record("w-dyna", "w_dyna.py", "make_dyna"),
    Record("w-sweeping", "w_dyna.py", "make_sweeping"),
    Record(
        "w-dyna-model-forgets-ends", "w_dyna.py", "make_dyna", ("terminal-bootstrap", "terminal-as-truncation"),
        "the model does not know that an episode ended",
        (("self.gamma * self.value(s2) if bootstrap else 0.0", "self.gamma * self.value(s2)"),),
    ),
    Record(
        "w-sweeping-reset-observation", "w_dyna.py", "make_sweeping", ("truncation-bootstraps-reset",),
        "resets before it reads the next observation (corpus RBUF-01)",
        (("            self.observe(s, a, float(r), self.state(obs), not terminated)\n            self.plan()\n            if terminated or truncated:\n                obs, _ = self.env.reset()\n",
          "            if terminated or truncated:\n                obs, _ = self.env.reset()\n            self.observe(s, a, float(r), self.state(obs), not terminated)\n            self.plan()\n"),),
    ),
    Record(
        "w-dyna-int-rewards", "w_dyna.py", "make_dyna", ("reward-clipped",),
        "rewards are cast to whole numbers",
        (("self.observe(s, a, float(r),", "self.observe(s, a, int(r),"),),
    ),
    Record("w-double-q", "w_double_q.py", "DoubleQ"),
    Record("w-expected-sarsa", "w_double_q.py", "ExpectedSarsa"),
    Record(
        "w-double-q-gamma-squared", "w_double_q.py", "DoubleQ", ("discount-applied-twice",),
        "gamma is multiplied into the bootstrap and once more into the target",
        (("bootstrap = self.row(second, next_obs)[best]", "bootstrap = self.gamma * self.row(second, next_obs)[best]"),),
    ),
    Record(
        "w-expected-sarsa-uniform", "w_double_q.py", "ExpectedSarsa", ("max-replaced-by-mean",),
        "the greedy action gets no probability of its own in the expectation",
        (("probs = np.full(self.num_actions, eps / self.num_actions)\n            probs[q.argmax()] += 1.0 - eps", "probs = np.full(self.num_actions, 1.0 / self.num_actions)"),),
    ),
    Record(
        "w-double-q-stale-state", "w_double_q.py", "DoubleQ", ("next-observation-stale", "batch-misaligned"),
        "the current state is used for the next one",
        (("self.update(self.obs, action, reward, next_obs, term)", "self.update(self.obs, action, reward, self.obs, term)"),),
    ),
    Record("w-watkins-script", "w_watkins.py", None),
    Record(
        "w-watkins-script-cut", "w_watkins.py", None, ("truncation-as-terminal",),
        "a time limit counts as an end",
        (("gamma * (not end) * q[s2]", "gamma * (not (end or cut)) * q[s2]"),),
    ),
    Record(
        "w-watkins-script-trace-kept", "w_watkins.py", None, ("terminal-bootstrap", "done-late"),
        "the trace is not cleared, so the next episode pays for the one before",
        (("            s = x.argmax()\n            e[:] = 0\n", "            s = x.argmax()\n"),),
    ),
    Record("w-lspi", "w_lspi.py", "LSPI"),
    Record(
        "w-lspi-alive-everywhere", "w_lspi.py", "LSPI", ("terminal-bootstrap", "terminal-as-truncation"),
        "the features of the state behind an end are not blanked",
        (("f2 = self.phi(s2, a2) * alive[:, None]", "f2 = self.phi(s2, a2)"),),
    ),
    Record(
        "w-lspi-behaviour-action", "w_lspi.py", "LSPI", ("max-replaced-by-mean",),
        "the next action is the one of the data, shuffled by exploration, so the behaviour is evaluated",
        (("a2 = self.q_values(s2).argmax(axis=1)", "a2 = self.rng.integers(self.k, size=len(s2))"),),
    ),
    Record("w-tile", "w_tile.py", "make_agent"),
    Record(
        "w-tile-same-code", "w_tile.py", "make_agent", ("next-observation-stale", "batch-misaligned"),
        "the target reads the tiles of the state that was left",
        (("self.q(self.code(obs)).max()", "self.q(active).max()"),),
    ),
    Record(
        "w-tile-update-without-action", "w_tile.py", "make_agent", ("action-permuted", "batch-misaligned"),
        "the error of the action that was taken is written to the greedy one",
        (("error = target - self.q(active)[a]\n", "error = target - self.q(active)[a]\n            a = int(self.q(active).argmax())\n"),),
    ),
    Record("w-model-vi", "w_model_vi.py", "make_agent"),
    Record(
        "w-model-vi-end-known-late", "w_model_vi.py", "make_agent", ("truncation-as-terminal",),
        "time limits are counted as ends of the model",
        (("[self.END if terminated else self.name(obs)]", "[self.END if terminated or truncated else self.name(obs)]"),),
    ),
    Record(
        "w-model-vi-undiscounted", "w_model_vi.py", "make_agent", ("discount-ignored",),
        "value iteration without the discount",
        (("self.gamma * ahead) / n", "ahead) / n"),),
    ),
]  # fmt: skip
