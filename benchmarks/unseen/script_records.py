"""Records of scripts of one file."""

# ruff: noqa: E501 (edits quote whole lines of source)

from benchmarks.unseen.record import Record

SCRIPTS = [
    Record("script-ppo", "script_ppo.py", None),
    Record("script-q", "script_q.py", None),
    Record("script-dqn", "script_dqn.py", None),
    Record("script-jax", "script_jax.py", None),
    Record(
        "script-ppo-truncated-only",
        "script_ppo.py",
        None,
        ("terminal-bootstrap", "terminal-as-truncation"),
        "next_done is truncated alone",
        (("torch.Tensor(np.logical_or(terminated, truncated))", "torch.Tensor(truncated)"),),
    ),
    Record(
        "script-ppo-wrong-row",
        "script_ppo.py",
        None,
        ("done-late",),
        "the flag of step t, which starts an episode there, cuts step t",
        (("nextnonterminal = 1.0 - dones[t + 1]", "nextnonterminal = 1.0 - dones[t]"),),
    ),
    Record(
        "script-ppo-seed-fixed",
        "script_ppo.py",
        None,
        ("seed-ignored",),
        "--seed is parsed and never used",
        (
            (
                "    random.seed(args.seed)\n    np.random.seed(args.seed)\n    torch.manual_seed(args.seed)\n",
                "    args.seed = random.randrange(2**31)\n",
            ),
        ),
    ),
    Record(
        "script-ppo-truncation-dropped",
        "script_ppo.py",
        None,
        ("truncation-as-terminal",),
        "no bootstrap at a time limit",
        (("rewards[step, idx] += args.gamma * agent.get_value(final)[0]", "pass"),),
    ),
    Record(
        "script-q-sarsa-key",
        "script_q.py",
        None,
        ("observation-stale", "observation-ignored", "next-observation-stale", "does-not-learn"),
        "the state is not moved on within an episode",
        (("    state = next_state\n", ""),),
    ),
    Record(
        "script-q-gamma-default",
        "script_q.py",
        None,
        ("discount-hard-coded", "option-ignored"),
        "0.99 in the target",
        (("reward + args.gamma *", "reward + 0.99 *"),),
    ),
    Record(
        "script-q-merged",
        "script_q.py",
        None,
        ("truncation-as-terminal",),
        "masks on either end",
        (("best_next * (1 - terminated)", "best_next * (1 - (terminated or truncated))"),),
    ),
    Record(
        "script-dqn-frozen-target",
        "script_dqn.py",
        None,
        ("target-never-updated",),
        "the copy sits behind a condition that never holds (corpus TGT-06)",
        (
            (
                "if global_step % args.target_network_frequency == 0:",
                "if global_step % args.target_network_frequency == 0 and done:",
            ),
            (
                "        obs = next_obs\n        if",
                "        obs, done = next_obs, False\n        if",
            ),
        ),
    ),
    Record(
        "script-dqn-columns-swapped",
        "script_dqn.py",
        None,
        ("batch-misaligned", "next-observation-stale", "observation-stale", "does-not-learn"),
        "sample() hands the columns back in another order",
        (("s_obs, s_next, s_actions", "s_next, s_obs, s_actions"),),
    ),
    Record(
        "script-dqn-no-mask",
        "script_dqn.py",
        None,
        ("terminal-bootstrap",),
        "no mask",
        ((" * (1 - s_dones)", ""),),
    ),
    Record(
        "script-jax-sign",
        "script_jax.py",
        None,
        ("advantage-sign-flipped",),
        "the policy loss lacks its minus",
        (("policy_loss = -jnp.mean(", "policy_loss = jnp.mean("),),
    ),
    Record(
        "script-jax-carry-leaks",
        "script_jax.py",
        None,
        ("terminal-bootstrap", "terminal-as-truncation"),
        "the lambda carry crosses ends, the bootstrap does not (corpus GAE-04)",
        (
            (
                "jnp.where(cut, bootstrap, (1 - DECAY) * bootstrap + DECAY * carry)",
                "(1 - DECAY) * bootstrap + DECAY * carry",
            ),
        ),
    ),
    Record(
        "script-jax-entropy",
        "script_jax.py",
        None,
        ("entropy-sign-flipped",),
        "the entropy is penalised",
        (("- args.entropy * entropy", "+ args.entropy * entropy"),),
    ),
]

SCRIPT_RECORDS = [*SCRIPTS]
