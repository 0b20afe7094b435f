"""The agents: whose file, which edits make the fault, and which names of it are right."""

from typing import NamedTuple


class Record(NamedTuple):
    """One agent. `truth` is empty for a correct one, else every name that says what is wrong."""

    name: str
    file: str
    attribute: str | None  # None: a script
    truth: tuple[str, ...] = ()
    note: str = ""
    edits: tuple[tuple[str, str], ...] = ()
    options: tuple[str, ...] = ()


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

RECORDS = DEQUE_DQN + ARRAY_DQN + TENSOR_PPO + REINFORCE
