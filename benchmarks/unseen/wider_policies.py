"""Records of the second set: policy gradients and continuous actions."""

# ruff: noqa: E501 (edits quote whole lines of source)

from benchmarks.unseen.record import Record

CONTINUOUS_RECORDS = [
    Record("w-td3", "w_td3.py", "TD3"),
    Record(
        "w-td3-max", "w_td3.py", "TD3", ("overestimation",),
        "the larger of the two critics (corpus TDQ-13)",
        (("torch.min(target_q1, target_q2)", "torch.max(target_q1, target_q2)"),),
    ),
    Record(
        "w-td3-clean-action-stored", "w_td3.py", "TD3", ("action-not-executed",),
        "stores what the actor says, without the noise that was executed",
        (("self.buffer.add(state, action, next_state,", "self.buffer.add(state, self.select_action(state), next_state,"),),
    ),
    Record(
        "w-td3-not-done-inverted", "w_td3.py", "TD3", ("terminal-bootstrap", "terminal-as-truncation"),
        "the buffer's mask is always 1",
        (("self.not_done[self.ptr] = 1.0 - done", "self.not_done[self.ptr] = 1.0"),),
    ),
    Record(
        "w-td3-range", "w_td3.py", "TD3", ("action-scale-wrong",),
        "the actor forgets the range of the actions",
        (("return self.shift + self.scale * torch.tanh(self.before_tanh(state))", "return torch.tanh(self.before_tanh(state))"),),
    ),
    Record("w-ddpg-ou", "w_ddpg_ou.py", "make_agent"),
    Record(
        "w-ddpg-ou-env-units", "w_ddpg_ou.py", "make_agent", ("action-not-executed", "action-scale-wrong"),
        "executes without the mapping onto the bounds",
        (("self.env.step(self.to_env(action))", "self.env.step(np.float32(action))"),),
    ),
    Record(
        "w-ddpg-ou-noise-in-evaluation", "w_ddpg_ou.py", "make_agent", ("train-eval-mismatch",),
        "exploration noise stays on when it is asked for the deterministic action (corpus PGL-44)",
        (("self.policy(obs) if deterministic else self.act(obs)", "self.act(obs)"),),
    ),
    Record(
        "w-ddpg-ou-actor-climbs-down", "w_ddpg_ou.py", "make_agent", ("advantage-sign-flipped",),
        "the minus of the actor loss is missing",
        (("loss = -self.critic(torch.cat([obs, self.actor(obs)], -1)).mean()", "loss = self.critic(torch.cat([obs, self.actor(obs)], -1)).mean()"),),
    ),
    Record("w-sac-auto", "w_sac_auto.py", "SAC"),
    Record(
        "w-sac-auto-density", "w_sac_auto.py", "SAC", ("tanh-correction-missing",),
        "the log-density is that of the Gaussian before the tanh",
        (("normal.log_prob(u) - torch.log(self.scale * (1 - y.pow(2)) + 1e-6)", "normal.log_prob(u)"),),
    ),
    Record(
        "w-sac-auto-second-critic", "w_sac_auto.py", "SAC", ("critic-not-trained",),
        "the optimiser holds the first critic only",
        (("list(self.qf1.parameters()) + list(self.qf2.parameters())", "list(self.qf1.parameters())"),),
    ),
    Record(
        "w-sac-auto-entropy-sign", "w_sac_auto.py", "SAC", ("entropy-sign-flipped",),
        "the actor's loss takes the entropy for a cost",
        (("actor_loss = (alpha * logp - q_pi).mean()", "actor_loss = (-alpha * logp - q_pi).mean()"),),
    ),
    Record(
        "w-sac-auto-temperature-sign", "w_sac_auto.py", "SAC", ("entropy-sign-flipped",),
        "the temperature rises where the policy is too random (corpus SAC-21)",
        (("(-self.log_alpha.exp() * (logp + self.target_entropy))", "(self.log_alpha.exp() * (logp + self.target_entropy))"),),
    ),
    Record(
        "w-sac-auto-broadcast", "w_sac_auto.py", "SAC", ("critic-not-trained", "batch-misaligned", "does-not-learn"),
        "the targets are (N,), the values (N, 1): every value is fitted to all targets (corpus PGL-21)",
        (("next_q = rew + (1 - end) * self.gamma * (min_q - alpha * next_logp)", "next_q = (rew + (1 - end) * self.gamma * (min_q - alpha * next_logp)).view(-1)"),),
    ),
    Record("w-sac-ensemble", "w_sac_ensemble.py", "make_agent"),
    Record(
        "w-sac-ensemble-gamma", "w_sac_ensemble.py", "make_agent", ("discount-hard-coded",),
        "0.99 in the target line",
        (("b[\"rew\"] + self.gamma * b[\"cont\"]", "b[\"rew\"] + 0.99 * b[\"cont\"]"),),
    ),
    Record(
        "w-sac-ensemble-online", "w_sac_ensemble.py", "make_agent", ("target-is-online",),
        "the target reads the online critics (corpus TDQ-09)",
        (("q2 = self.critics_lag(", "q2 = self.critics("),),
    ),
    Record(
        "w-sac-ensemble-cut", "w_sac_ensemble.py", "make_agent", ("truncation-as-terminal",),
        "continuation is 0 behind a time limit",
        (("1.0 - terminated)", "1.0 - (terminated or truncated))"),),
    ),
    Record("w-ppo-box", "w_ppo_box.py", "make_agent"),
    Record(
        "w-ppo-box-reset-value", "w_ppo_box.py", "make_agent", ("truncation-bootstraps-reset",),
        "reads the observation that the autoreset returned (corpus RBUF-01)",
        (("                after[i] = info[\"final_obs\"][i]", "                after[i] = nxt[i]"),),
    ),
    Record(
        "w-ppo-box-axes", "w_ppo_box.py", "make_agent", ("env-axis-mixed", "batch-misaligned"),
        "observations are flattened environment by environment, the rest step by step (corpus RNN-02)",
        (("data = [b[k].flatten(0, 1) for k in (\"obs\", \"act\", \"logp\")]", "data = [b[\"obs\"].transpose(0, 1).flatten(0, 1), b[\"act\"].flatten(0, 1), b[\"logp\"].flatten(0, 1)]"),),
    ),
    Record(
        "w-ppo-box-max", "w_ppo_box.py", "make_agent", ("clip-missing",),
        "the larger of the two surrogates, so the clip never binds where it should",
        (("surrogate = torch.min(ratio * a,", "surrogate = torch.max(ratio * a,"),),
    ),
    Record("w-ppo-squashed", "w_ppo_squashed.py", "SquashedPPO"),
    Record(
        "w-ppo-squashed-half-correction", "w_ppo_squashed.py", "SquashedPPO", ("tanh-correction-missing", "old-log-prob-recomputed"),
        "only the new log-density is corrected for the tanh (corpus SAC-10)",
        (("logp.append(log_density(mu, log_std, u))", "logp.append(torch.distributions.Normal(mu, log_std.exp()).log_prob(u).sum(-1))"),),
    ),
    Record(
        "w-ppo-squashed-ratio", "w_ppo_squashed.py", "SquashedPPO", ("ratio-inverted",),
        "old over new (corpus GAE-20)",
        (("ratio = (new - old[i]).exp()", "ratio = (old[i] - new).exp()"),),
    ),
]  # fmt: skip

POLICY_RECORDS = [
    Record("w-clean-ppo", "w_clean_ppo.py", "make_agent"),
    Record("w-clean-ppo-plain", "w_clean_ppo.py", "make_plain"),
    Record(
        "w-clean-ppo-done-shift", "w_clean_ppo.py", "make_agent", ("done-late", "terminal-bootstrap"),
        "writes the terminations of the step before",
        (("            terminations[step] = torch.as_tensor(term, dtype=torch.float32)\n", "            if step + 1 < self.num_steps:\n                terminations[step + 1] = torch.as_tensor(term, dtype=torch.float32)\n"),),
    ),
    Record(
        "w-clean-ppo-masks-both", "w_clean_ppo.py", "make_agent", ("truncation-as-terminal",),
        "delta is masked with the end of either kind (corpus GAE-08)",
        (("delta = rewards[t] + self.gamma * nextvalues * (1.0 - terminations[t])", "delta = rewards[t] + self.gamma * nextvalues * (1.0 - ends[t])"),),
    ),
    Record(
        "w-clean-ppo-actor-left-out", "w_clean_ppo.py", "make_agent", ("no-policy-gradient", "does-not-learn"),
        "the optimiser is given the critic only (corpus PPO-03)",
        (("optim.Adam(self.agent.parameters(), lr=learning_rate", "optim.Adam(self.agent.critic.parameters(), lr=learning_rate"),),
    ),
    Record(
        "w-clean-ppo-fresh-actions", "w_clean_ppo.py", "make_agent", ("batch-misaligned", "no-policy-gradient", "does-not-learn"),
        "the new log-probabilities are of newly drawn actions: the stored ones are not handed over",
        (("                    b_obs[mb], b_actions[mb]\n", "                    b_obs[mb]\n"),),
    ),
    Record(
        "w-clean-ppo-dummy-step", "w_clean_ppo.py", "make_agent", ("truncation-bootstraps-reset", "batch-misaligned"),
        "rows that only reset an environment are trained on as if they were steps (corpus NORM-05)",
        (("keep = resets.flatten() == 0", "keep = resets.flatten() >= 0"),),
    ),
    Record(
        "w-clean-ppo-entropy", "w_clean_ppo.py", "make_agent", ("entropy-sign-flipped",),
        "plus in place of minus before the bonus (corpus PGL-15)",
        (("loss = pg_loss - self.ent_coef * entropy.mean()", "loss = pg_loss + self.ent_coef * entropy.mean()"),),
    ),
    Record("w-a2c-nets", "w_a2c_nets.py", "train"),
    Record(
        "w-a2c-nets-sign", "w_a2c_nets.py", "train", ("advantage-sign-flipped",),
        "value minus return",
        (("advantage = returns - values.detach()", "advantage = values.detach() - returns"),),
    ),
    Record(
        "w-a2c-nets-window-runs-on", "w_a2c_nets.py", "train", ("truncation-bootstraps-reset", "n-step-returns/truncation-ignored"),
        "a window is not closed by a time limit, so it sums the next episode's rewards (corpus TDQ-21)",
        (("            if terminals[k] or cuts[k]:\n", "            if terminals[k]:\n"),),
    ),
    Record(
        "w-a2c-nets-value-state", "w_a2c_nets.py", "train", ("next-observation-stale", "batch-misaligned"),
        "the bootstrap is the value of the window's last state, not of the one behind it (corpus GAE-01)",
        (("following.append(torch.as_tensor(obs, dtype=torch.float32))", "following.append(s)"),),
    ),
    Record("w-reinforce-average", "w_reinforce_avg.py", "Reinforce"),
    Record(
        "w-reinforce-average-sign", "w_reinforce_avg.py", "Reinforce", ("advantage-sign-flipped",),
        "descends the return",
        (("loss = -(log_pi *", "loss = (log_pi *"),),
    ),
    Record(
        "w-reinforce-average-order", "w_reinforce_avg.py", "Reinforce", ("discounted-returns/time-reversed", "batch-misaligned"),
        "the returns are left in reversed order",
        (("return torch.stack(xs), acts, returns[::-1]", "return torch.stack(xs), acts, returns"),),
    ),
    Record("w-norm-ppo", "w_norm_ppo.py", "make_agent"),
    Record(
        "w-norm-ppo-centred-rewards", "w_norm_ppo.py", "make_agent", ("reward-mean-subtracted",),
        "rewards are centred as well as scaled",
        (("rew = np.stack(m[\"rew\"]) / self.scale", "rew = np.stack(m[\"rew\"])\n        rew = (rew - rew.mean()) / (rew.std() + 1e-8)"),),
    ),
    Record(
        "w-norm-ppo-raw-in-evaluation", "w_norm_ppo.py", "make_agent", ("train-eval-mismatch",),
        "predict does not normalise what it is shown (corpus NORM-08)",
        (("        logits = self.actor(self.normalize(obs))\n", "        logits = self.actor(torch.as_tensor(np.asarray(obs), dtype=torch.float32))\n"),),
    ),
    Record(
        "w-norm-ppo-alias", "w_norm_ppo.py", "make_agent", ("batch-misaligned", "observation-ignored", "does-not-learn"),
        "the list of observations holds the same array again and again, for it is written in place (corpus PGL-53)",
        (("            obs = self.raw.copy()\n", "            obs = self.raw\n"),
         ("            act = torch.multinomial(log_pi.exp(), 1)\n            after, self.raw, rew, term, end = self.step_all(act[:, 0].tolist())\n",
          "            act = torch.multinomial(log_pi.exp(), 1)\n            after, self.raw[:], rew, term, end = self.step_all(act[:, 0].tolist())\n")),
    ),
    Record(
        "w-norm-ppo-last-env", "w_norm_ppo.py", "make_agent", ("batch-misaligned", "env-axis-mixed"),
        "the loop leaves every environment the reward of the last one",
        (("            after[i], rew[i], terminated", "            after[i], rew[:], terminated"),),
    ),
    Record("w-gru-ppo", "w_gru_ppo.py", "make_agent"),
    Record(
        "w-gru-ppo-leak", "w_gru_ppo.py", "make_agent", ("recurrent-state-leak",),
        "the state is kept over the ends of episodes, in the rollout and in the update",
        (("self.h = h * (1 - end)[:, None]", "self.h = h"), ("            h = h * (1 - b[\"end\"][t, envs])[:, None]\n", "")),
    ),
    Record(
        "w-gru-ppo-old-recomputed", "w_gru_ppo.py", "make_agent", ("old-log-prob-recomputed", "clip-missing"),
        "the old log-probabilities are the present ones, detached (corpus PGL-63)",
        (("ratio = (dist.log_prob(b[\"act\"][:, envs]) - b[\"logp\"][:, envs]).exp()", "logp = dist.log_prob(b[\"act\"][:, envs])\n                ratio = (logp - logp.detach()).exp()"),),
    ),
    Record("w-ac-traces", "w_ac_traces.py", "make_agent"),
    Record(
        "w-ac-traces-kept", "w_ac_traces.py", "make_agent", ("terminal-bootstrap", "done-late"),
        "the traces are made once for all and run on over ends",
        (("        steps = 0\n        while steps < total_timesteps:\n", "        steps = 0\n        z_w, z_theta = np.zeros_like(self.w), np.zeros_like(self.theta)\n        while steps < total_timesteps:\n"),
         ("            self.seed = None\n            z_w, z_theta = np.zeros_like(self.w), np.zeros_like(self.theta)\n", "            self.seed = None\n")),
    ),
    Record(
        "w-ac-traces-gradient-of-another", "w_ac_traces.py", "make_agent", ("action-permuted",),
        "the gradient is that of the action before the one that was done",
        (("grad[:, a] += x", "grad[:, a - 1] += x"),),
    ),
    Record(
        "w-ac-traces-acts-late", "w_ac_traces.py", "make_agent", ("observation-stale",),
        "acts on the observation of the step before",
        (("                x = self.features(obs)\n                p = softmax(x @ self.theta)\n                a = int(self.rng.choice(len(p), p=p))\n",
          "                x = self.features(obs)\n                seen = x if self.seen is None else self.seen\n                a = int(self.rng.choice(self.theta.shape[1], p=softmax(seen @ self.theta)))\n                p, self.seen = softmax(x @ self.theta), x\n"),
         ("        self.rng = np.random.default_rng([seed, 7])\n", "        self.rng, self.seen = np.random.default_rng([seed, 7]), None\n")),
    ),
    Record("w-cross-entropy", "w_evolution.py", "CrossEntropyMethod"),
    Record("w-evolution", "w_evolution.py", "EvolutionStrategy"),
    Record(
        "w-cross-entropy-worst", "w_evolution.py", "CrossEntropyMethod", ("reward-sign-flipped", "advantage-sign-flipped"),
        "the elite are the lowest scores",
        (("np.argsort(scores)[-self.elite :]", "np.argsort(scores)[: self.elite]"),),
    ),
]  # fmt: skip
