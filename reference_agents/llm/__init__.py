"""Reinforcement learning of language models: pure functions, small policies, one file an algorithm.

Pure functions: `log_probs`, `chunked`, `losses`, `advantages`, `rewards`. Policies: `tabular`,
`transformer`, sampled by `sampling`. Algorithms: `sft`, `reward_model`, `rlhf`, `dpo`, `grpo`.

Everywhere `[B, T]` is aligned to the response, `log_probs[b, t] = log pi(y_t | x, y_<t)`, and a mask is
True where a token counts.
"""
