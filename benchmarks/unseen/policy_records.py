"""Records of policy-gradient agents: PPO in two styles, A2C, REINFORCE."""

# ruff: noqa: E501 (edits quote whole lines of source)

from benchmarks.unseen.record import Record

TENSOR_PPO = [
    Record("tensor-ppo", "tensor_ppo.py", "make_agent"),
    Record("tensor-ppo-plain", "tensor_ppo.py", "make_plain"),
    Record("tensor-ppo-curious", "tensor_ppo.py", "make_curious"),
    Record(
        "tensor-ppo-axes-mixed", "tensor_ppo.py", "make_agent", ("env-axis-mixed", "batch-misaligned"),
        "advantages and returns are flattened environment-major, the rest time-major",
        (("advantages = self.gae(rewards, values, dones, last_values)\n        returns = advantages + values",
          "advantages = self.gae(rewards, values, dones, last_values)\n        returns = (advantages + values).T\n        advantages = advantages.T"),),
    ),
    Record(
        "tensor-ppo-done-early", "tensor_ppo.py", "make_agent", ("done-early",),
        "GAE reads dones[t + 1] of flags that mark the end of a step (corpus GAE-02)",
        (("mask = 1.0 - dones[t]", "mask = 1.0 - dones[min(t + 1, self.n_steps - 1)]"),),
    ),
    Record(
        "tensor-ppo-gamma-lambda-swapped", "tensor_ppo.py", "make_agent",
        ("discount-hard-coded", "option-ignored"), "lambda discounts the value in delta, gamma does not",
        (("delta = rewards[t] + self.gamma * next_values", "delta = rewards[t] + self.lam * next_values"),),
    ),
    Record(
        "tensor-ppo-stale-returns", "tensor_ppo.py", "make_agent", ("critic-not-trained",),
        "returns = zero advantages + values (corpus GAE-05)",
        (("returns = advantages + values", "returns = torch.zeros_like(advantages) + values"),),
    ),
    Record(
        "tensor-ppo-entropy-penalty", "tensor_ppo.py", "make_agent", ("entropy-sign-flipped",),
        "the bonus is added to the loss (corpus PGL-15)",
        (("value_loss - self.ent_coef *", "value_loss + self.ent_coef *"),),
    ),
    Record(
        "tensor-ppo-ratio-inverted", "tensor_ppo.py", "make_agent", ("ratio-inverted",),
        "old minus new (corpus GAE-20)",
        (("log_ratio = pi.log_prob(actions[index]) - old_log_probs[index]",
          "log_ratio = old_log_probs[index] - pi.log_prob(actions[index])"),),
    ),
    Record(
        "tensor-ppo-actor-only-optimizer", "tensor_ppo.py", "make_agent", ("critic-not-trained",),
        "the optimiser lost the critic's parameters (corpus PPO-03)",
        (("torch.optim.Adam(self.parameters, lr=lr, eps=1e-5)",
          "torch.optim.Adam(self.actor.parameters(), lr=lr, eps=1e-5)"),),
    ),
    Record(
        "tensor-ppo-no-clip", "tensor_ppo.py", "make_agent", ("clip-missing", "option-ignored"),
        "the clipped surrogate is computed and never used",
        (("-torch.min(ratio * adv, clipped * adv).mean()", "-(ratio * adv).mean()"),),
    ),
    Record(
        "tensor-ppo-ratio-one", "tensor_ppo.py", "make_agent",
        ("old-log-prob-recomputed", "option-ignored"), "old log-probs are the current ones (corpus PGL-63)",
        (("log_ratio = pi.log_prob(actions[index]) - old_log_probs[index]",
          "log_ratio = pi.log_prob(actions[index]) - pi.log_prob(actions[index]).detach()"),),
    ),
    Record(
        "tensor-ppo-same-seeds", "tensor_ppo.py", "make_agent", ("envs-share-seed",),
        "every environment is reset with the same seed (corpus SEED-01)",
        (("self.envs.reset(seed=self.seed)", "self.envs.reset(seed=[self.seed] * self.n_envs)"),),
    ),
    Record(
        "tensor-ppo-last-value-before-step", "tensor_ppo.py", "make_agent",
        ("next-observation-stale", "observation-stale", "batch-misaligned"),
        "the rollout is closed with the value of the observation before its last step (corpus GAE-01)",
        (("last_values = torch.as_tensor(self.values(self.obs))", "last_values = values[-1]"),),
    ),
]  # fmt: skip

LIST_PPO = [
    Record("list-ppo", "list_ppo.py", "PPOAgent"),
    Record("list-ppo-narrow", "list_ppo.py", "make_narrow"),
    Record(
        "list-ppo-truncation-ends",
        "list_ppo.py",
        "PPOAgent",
        ("truncation-as-terminal",),
        "no value is kept at a time limit either (corpus GAE-08)",
        (("if not terminated:", "if not (terminated or truncated):"),),
    ),
    Record(
        "list-ppo-trace-runs-on",
        "list_ppo.py",
        "PPOAgent",
        ("terminal-bootstrap", "terminal-as-truncation"),
        "the trace is not cut at the end of an episode (corpus GAE-15)",
        (('            if step["end"]:\n                gae = 0.0\n', ""),),
    ),
    Record(
        "list-ppo-critic-fits-advantage",
        "list_ppo.py",
        "PPOAgent",
        ("critic-not-trained",),
        "the value is fitted to the advantage",
        (('smooth_l1_loss(value, data["ret"][idx])', 'smooth_l1_loss(value, data["adv"][idx])'),),
    ),
    Record(
        "list-ppo-negative-critic",
        "list_ppo.py",
        "PPOAgent",
        ("critic-not-trained",),
        "the value loss has the wrong sign",
        (("+ 0.5 * critic_loss", "- 0.5 * critic_loss"),),
    ),
    Record(
        "list-ppo-shuffled-advantages",
        "list_ppo.py",
        "PPOAgent",
        ("batch-misaligned",),
        "the minibatch's advantages are indexed by position, the rest by the permutation",
        (('adv = data["adv"][idx]', 'adv = data["adv"][start : start + self.minibatch]'),),
    ),
    Record(
        "list-ppo-predict-samples",
        "list_ppo.py",
        "PPOAgent",
        ("train-eval-mismatch",),
        "deterministic and random are exchanged in predict",
        (
            (
                "if deterministic:\n            return logits",
                "if not deterministic:\n            return logits",
            ),
        ),
    ),
]

SYNC_A2C = [
    Record("sync-a2c", "sync_a2c.py", "make_agent"),
    Record(
        "sync-a2c-sign",
        "sync_a2c.py",
        "make_agent",
        ("advantage-sign-flipped",),
        "the policy descends the advantage",
        (("actor_loss = -(log_probs", "actor_loss = (log_probs"),),
    ),
    Record(
        "sync-a2c-not-detached",
        "sync_a2c.py",
        "make_agent",
        ("critic-not-trained", "batch-misaligned", "overestimation"),
        "the advantage of the policy loss is not detached (corpus TDQ-28)",
        (("advantages.detach())", "advantages)"),),
    ),
    Record(
        "sync-a2c-sign-of-reward",
        "sync_a2c.py",
        "make_agent",
        ("reward-clipped",),
        "np.sign of the reward",
        (("returns = reward + self.gamma", "returns = np.sign(reward) + self.gamma"),),
    ),
    Record(
        "sync-a2c-obs-before",
        "sync_a2c.py",
        "make_agent",
        ("observation-stale",),
        "the actor sees the observation of the step before",
        (
            (
                "        dummy = np.zeros(n, bool)\n",
                "        dummy, seen = np.zeros(n, bool), obs\n",
            ),
            (
                "pi, value = self.net(obs)\n",
                "pi, value = self.net(seen)\n                seen = obs\n",
            ),
        ),
    ),
    Record(
        "sync-a2c-log-prob-summed",
        "sync_a2c.py",
        "make_agent",
        ("batch-misaligned",),
        "log-probabilities are summed over the environments before the product (corpus PGL-24)",
        (
            (
                "log_probs = torch.stack([pi.log_prob(action) for pi, action, *_ in rows])",
                "log_probs = torch.stack([pi.log_prob(action).sum().expand(len(action)) for pi, action, *_ in rows])",
            ),
        ),
    ),
]

REINFORCE = [
    Record("reinforce", "reinforce.py", "make_agent"),
    Record(
        "reinforce-not-reset", "reinforce.py", "make_agent",
        ("terminal-bootstrap", "terminal-as-truncation"),
        "the running return is not reset at the end of an episode",
        (("returns += self.returns_to_go(rewards)\n                rewards = []\n                episodes", "episodes"),
         ("self.update(observations, actions, returns)\n                    observations, actions, returns = [], [], []",
          "self.update(observations, actions, self.returns_to_go(rewards))\n                    observations, actions, returns, rewards = [], [], [], []")),
    ),
    Record(
        "reinforce-prefix-sums", "reinforce.py", "make_agent",
        ("reward-late", "batch-misaligned", "discount-too-small", "does-not-learn"),
        "rewards so far instead of rewards to go (corpus GAE-31)",
        (("in reversed(rewards):", "in rewards:"), ("returns.insert(0, g)", "returns.append(g)")),
    ),
    Record(
        "reinforce-detached", "reinforce.py", "make_agent", ("no-policy-gradient", "does-not-learn"),
        "the log-probability is detached",
        (("taken = log_p.gather(1, actions[:, None])[:, 0]",
          "taken = log_p.gather(1, actions[:, None])[:, 0].detach()"),),
    ),
    Record(
        "reinforce-sign", "reinforce.py", "make_agent", ("advantage-sign-flipped",),
        "baseline minus return",
        (("advantage = returns - baseline.detach()", "advantage = baseline.detach() - returns"),),
    ),
]  # fmt: skip

CORRECT_VARIANTS = [
    Record(
        "deque-dqn-scaled",
        "deque_dqn.py",
        "make_agent",
        note="rewards are scaled by 0.1 inside, and the values back again",
        edits=(
            ("(obs, action, reward, next_obs", "(obs, action, 0.1 * reward, next_obs"),
            ("dtype=torch.float32)).numpy()", "dtype=torch.float32)).numpy() * 10.0"),
        ),
    ),
    Record(
        "array-dqn-elu-bigger-tau",
        "array_dqn.py",
        "make_agent",
        note="another network, tau 0.05",
        edits=(("nn.Tanh()", "nn.ELU()"), ("tau=0.01", "tau=0.05")),
    ),
    Record(
        "list-ppo-returns-only",
        "list_ppo.py",
        "PPOAgent",
        note="lambda 1, no entropy bonus",
        edits=(("gae_lambda=0.95", "gae_lambda=1.0"), ("c2=0.01", "c2=0.0")),
    ),
    Record(
        "reinforce-plain-mean",
        "reinforce.py",
        "make_agent",
        note="advantages are normalised",
        edits=(
            (
                "        entropy = -(log_p.exp()",
                "        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-6)\n        entropy = -(log_p.exp()",
            ),
        ),
    ),
]

POLICY_RECORDS = [*TENSOR_PPO, *LIST_PPO, *SYNC_A2C, *REINFORCE, *CORRECT_VARIANTS]
