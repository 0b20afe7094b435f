"""Records of the second set: value-based agents with networks."""

# ruff: noqa: E501 (edits quote whole lines of source)

from benchmarks.unseen.record import Record

NETWORK_RECORDS = [
    Record("w-numpy-dqn", "w_numpy_dqn.py", "NumpyDQN"),
    Record(
        "w-numpy-dqn-alias", "w_numpy_dqn.py", "NumpyDQN", ("target-is-online",),
        "the target keeps references to the online arrays, and Adam writes in place (corpus TGT-13)",
        (("self.p = {k: v.copy() for k, v in other.p.items()}", "self.p = other.p"),),
    ),
    Record(
        "w-numpy-dqn-int-rewards", "w_numpy_dqn.py", "NumpyDQN", ("reward-clipped",),
        "the reward column is an array of whole numbers",
        (("self.mem_r = np.zeros(capacity)", "self.mem_r = np.zeros(capacity, dtype=np.int64)"),),
    ),
    Record(
        "w-numpy-dqn-pointer", "w_numpy_dqn.py", "NumpyDQN", ("batch-misaligned", "done-late", "next-observation-stale"),
        "next state and end are written after the pointer moved",
        (("        self.mem_s2[i], self.mem_done[i] = s2, done\n        self.ptr = (self.ptr + 1) % self.capacity\n",
          "        self.ptr = (self.ptr + 1) % self.capacity\n        self.mem_s2[self.ptr], self.mem_done[self.ptr] = s2, done\n"),),
    ),
    Record(
        "w-numpy-dqn-half-saved", "w_numpy_dqn.py", "NumpyDQN", ("save-load-lossy",),
        "loading writes both networks into the target",
        (("(self.net if net == \"net\" else self.target).p[key]", "(self.target if net else self.net).p[key]"),),
    ),
    Record("w-c51", "w_c51.py", "make_agent"),
    Record("w-c51-double", "w_c51.py", "make_double"),
    Record(
        "w-c51-support", "w_c51.py", "make_agent", ("reward-clipped",),
        "rewards are clipped to [-1, 1] as for Atari",
        (("tz = reward[:, None]", "tz = reward.clamp(-1, 1)[:, None]"),),
    ),
    Record(
        "w-c51-no-mask", "w_c51.py", "make_agent", ("terminal-bootstrap", "terminal-as-truncation"),
        "the atoms are not masked at the end",
        (("self.cfg[\"gamma\"] * (1.0 - done[:, None]) * z[None]", "self.cfg[\"gamma\"] * z[None]"),),
    ),
    Record(
        "w-c51-never-synced", "w_c51.py", "make_agent", ("target-never-updated",),
        "the counter is compared with a remainder that it never has",
        (("self.t % self.cfg[\"target_every\"] == 0", "self.t % self.cfg[\"target_every\"] == self.cfg[\"target_every\"]"),),
    ),
    Record("w-prioritized", "w_prioritized.py", "make_agent"),
    Record(
        "w-prioritized-same-array", "w_prioritized.py", "make_agent", ("next-observation-stale",),
        "obs is pushed twice",
        (("self.replay.push(obs, act, rew, nxt, term)", "self.replay.push(obs, act, rew, obs, term)"),),
    ),
    Record(
        "w-prioritized-soft-wrong-way", "w_prioritized.py", "make_agent", ("target-never-updated", "critic-not-trained", "does-not-learn"),
        "the weights flow from the target into the online network",
        (("pt.lerp_(p, self.cfg.tau)", "p.lerp_(pt, self.cfg.tau)"),),
    ),
    Record(
        "w-prioritized-broadcast", "w_prioritized.py", "make_agent", ("batch-misaligned", "critic-not-trained", "does-not-learn"),
        "(B, 1) minus (B,): every value is fitted to all targets (corpus PGL-21)",
        (("        current = self.q(obs).gather(1, act[:, None]).squeeze(1)\n        error = target - current\n        loss = (w * F.smooth_l1_loss(current, target, reduction=\"none\")).mean()",
          "        current = self.q(obs).gather(1, act[:, None])\n        error = (target[:, None] - current).squeeze(1)\n        loss = (w * (current - target) ** 2).mean()"),),
    ),
    Record(
        "w-prioritized-merged-end", "w_prioritized.py", "make_agent", ("truncation-as-terminal",),
        "pushes term or trunc",
        (("self.replay.push(obs, act, rew, nxt, term)", "self.replay.push(obs, act, rew, nxt, term or trunc)"),),
    ),
    Record("w-nstep-dqn", "w_nstep_dqn.py", "make_agent"),
    Record("w-nstep-dqn-instant", "w_nstep_dqn.py", "make_instant"),
    Record("w-nstep-dqn-steady", "w_nstep_dqn.py", "make_steady"),
    Record(
        "w-nstep-dqn-gamma-once", "w_nstep_dqn.py", "make_agent",
        ("n-step-returns/bootstrap-discounted-once", "discount-ignored", "overestimation"),
        "the bootstrap is discounted with gamma, not gamma ** n (corpus TDQ-17)",
        (("0.0 if terminated else self.gamma ** len(self.window)", "0.0 if terminated else self.gamma"),),
    ),
    Record(
        "w-nstep-dqn-window-kept", "w_nstep_dqn.py", "make_agent", ("truncation-bootstraps-reset", "n-step-returns/truncation-ignored"),
        "a time limit does not close the window, so it runs on into the next episode (corpus TDQ-21)",
        (("        if terminated or truncated:\n            while self.window:", "        if terminated:\n            while self.window:"),),
    ),
    Record(
        "w-nstep-dqn-end-ignored", "w_nstep_dqn.py", "make_agent", ("terminal-bootstrap", "terminal-as-truncation"),
        "what is left at the end is flushed as if the episode went on",
        (("yield self._oldest(next_state, terminated)", "yield self._oldest(next_state, False)  # flushed"),),
    ),
    Record("w-qrdqn", "w_qrdqn.py", "make_agent"),
    Record(
        "w-qrdqn-max-per-quantile", "w_qrdqn.py", "make_agent", ("overestimation",),
        "the maximum over actions is taken quantile by quantile (corpus TDQ-02)",
        (("            best = nxt.mean(dim=2).argmax(dim=1)\n            nxt = nxt[torch.arange(len(best)), best]\n", "            nxt = nxt.max(dim=1).values\n"),),
    ),
    Record(
        "w-qrdqn-mean-over-actions", "w_qrdqn.py", "make_agent", ("max-replaced-by-mean",),
        "averages over the wrong axis",
        (("            best = nxt.mean(dim=2).argmax(dim=1)\n            nxt = nxt[torch.arange(len(best)), best]\n", "            nxt = nxt.mean(dim=1)\n"),),
    ),
    Record(
        "w-qrdqn-unseeded", "w_qrdqn.py", "make_agent", ("seed-ignored",),
        "a generator without a seed",
        (("self.gen = torch.Generator().manual_seed(seed)", "self.gen = torch.Generator()\n        self.gen.seed()"),),
    ),
    Record("w-noisy", "w_noisy.py", "make_agent"),
    Record(
        "w-noisy-never-drawn", "w_noisy.py", "make_agent", ("no-exploration",),
        "the noise is never drawn: it stays 0",
        (("            eps.copy_(x.sign() * x.abs().sqrt())", "            eps = x.sign() * x.abs().sqrt()"),),
    ),
    Record(
        "w-noisy-double-mask", "w_noisy.py", "make_agent", ("terminal-as-truncation", "terminal-bootstrap"),
        "a Python `not` in place of the mask's inversion, decided for the batch as a whole",
        (("self.gamma * ahead * ~cols[\"terminated\"]", "self.gamma * ahead * (not cols[\"terminated\"].all())"),),
    ),
    Record("w-munchausen", "w_munchausen.py", "make_munchausen"),
    Record("w-soft-q", "w_munchausen.py", "make_soft"),
    Record(
        "w-soft-q-wrong-sign", "w_munchausen.py", "make_soft", ("reward-sign-flipped",),
        "rewards are stored as costs",
        (("self.R.append(float(rew))", "self.R.append(-float(rew))"),),
    ),
    Record(
        "w-munchausen-current-state", "w_munchausen.py", "make_munchausen", ("next-observation-stale", "batch-misaligned"),
        "the soft value is taken at the current states",
        (("self.soft_value(self.old(n))", "self.soft_value(self.old(s))"),),
    ),
]  # fmt: skip
