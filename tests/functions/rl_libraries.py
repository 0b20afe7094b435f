"""Functions of TorchRL and rlax as subjects, and loops in the style of CleanRL written from scratch."""

from __future__ import annotations

import functools
import warnings

import torch

GAMMA, LAM = 0.9, 0.5
"""For the vectorised estimators of TorchRL, which raise where gamma or lambda is 0 (docs/findings.md)."""

# --- TorchRL: [T, B] is [time, features] to it ----------------------------------------------------


def torchrl(name):
    """A function of TorchRL's value estimators."""
    from torchrl.objectives.value import functional

    return getattr(functional, name)


def torchrl_gae(rewards: torch.Tensor, values, next_values, dones, terminated, gamma, lam):
    estimate = torchrl("generalized_advantage_estimate")
    return estimate(gamma, lam, values, next_values, rewards, dones, terminated)


def torchrl_vec_gae(rewards: torch.Tensor, values, next_values, dones, terminated):
    estimate = torchrl("vec_generalized_advantage_estimate")
    return estimate(GAMMA, LAM, values, next_values, rewards, dones, terminated)


def torchrl_td_lambda(rewards: torch.Tensor, next_values, dones, terminated, gamma, lam):
    estimate = torchrl("td_lambda_return_estimate")
    return estimate(gamma, lam, next_values, rewards, dones, terminated)


def torchrl_vec_td_lambda(rewards: torch.Tensor, next_values, dones, terminated):
    estimate = torchrl("vec_td_lambda_return_estimate")
    return estimate(GAMMA, LAM, next_values, rewards, dones, terminated)


def torchrl_td_lambda_advantage(
    rewards: torch.Tensor, values, next_values, dones, terminated, gamma, lam
):
    estimate = torchrl("td_lambda_advantage_estimate")
    return estimate(gamma, lam, values, next_values, rewards, dones, terminated)


def torchrl_td0(rewards: torch.Tensor, next_values, terminated, gamma):
    columns = (x[:, None] for x in (next_values, rewards, terminated))
    return torchrl("td0_return_estimate")(gamma, *columns)[:, 0]


def torchrl_td1(rewards: torch.Tensor, next_values, dones, terminated, gamma):
    return torchrl("td1_return_estimate")(gamma, next_values, rewards, dones, terminated)


def torchrl_vec_td1(rewards: torch.Tensor, next_values, dones, terminated):
    return torchrl("vec_td1_return_estimate")(GAMMA, next_values, rewards, dones, terminated)


def torchrl_reward2go(rewards: torch.Tensor, dones):
    return torchrl("reward2go")(rewards, dones, GAMMA)


def torchrl_vtrace(
    rewards: torch.Tensor,
    values,
    next_values,
    dones,
    terminated,
    log_pi,
    log_mu,
    gamma,
    rho_clip,
    c_clip,
):
    return torchrl("vtrace_advantage_estimate")(
        gamma, log_pi, log_mu, values, next_values, rewards, dones, terminated, rho_clip, c_clip
    )


# --- rlax: one trajectory or one transition at a time, discounts that are 0 at an end -------------


def eagerly(function):
    """Without tracing, which JAX would repeat for every shape of a batch."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        import jax

        with jax.disable_jit(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*args, **kwargs)

    return call


@eagerly
def rlax_td_learning(rewards, next_values, terminated, gamma):
    import jax
    import rlax

    zero = 0.0 * rewards
    return jax.vmap(rlax.td_learning)(zero, rewards, gamma * (1.0 - terminated), next_values)


def _of_actions(name, rewards, terminated, gamma, next_q_values, *more):
    import jax
    import jax.numpy as jnp
    import rlax

    nothing, first = 0.0 * next_q_values, jnp.zeros(len(rewards), int)
    discounts = gamma * (1.0 - terminated)
    return jax.vmap(getattr(rlax, name))(nothing, first, rewards, discounts, next_q_values, *more)


@eagerly
def rlax_q_learning(rewards, next_q_values, terminated, gamma):
    import jax  # noqa: F401 (a sign that it takes JAX arrays)

    return _of_actions("q_learning", rewards, terminated, gamma, next_q_values)


@eagerly
def rlax_sarsa(rewards, next_q_values, next_actions, terminated, gamma):
    import jax  # noqa: F401

    return _of_actions("sarsa", rewards, terminated, gamma, next_q_values, next_actions)


@eagerly
def rlax_expected_sarsa(rewards, next_q_values, next_action_probabilities, terminated, gamma):
    import jax  # noqa: F401

    probabilities = next_action_probabilities
    return _of_actions("expected_sarsa", rewards, terminated, gamma, next_q_values, probabilities)


@eagerly
def rlax_double_q_learning(rewards, next_q_online, next_q_target, terminated, gamma):
    import jax  # noqa: F401

    return _of_actions(
        "double_q_learning", rewards, terminated, gamma, next_q_target, next_q_online
    )


@eagerly
def rlax_lambda_returns(rewards, next_values, dones, gamma, lam):
    import jax.numpy as jnp
    import rlax

    return rlax.lambda_returns(rewards, jnp.asarray(gamma * (1.0 - dones)), next_values, lam)


@eagerly
def rlax_discounted_returns(rewards, last_value, dones, gamma):
    import jax.numpy as jnp
    import rlax

    return rlax.discounted_returns(rewards, jnp.asarray(gamma * (1.0 - dones)), last_value)


@eagerly
def rlax_n_step_returns(rewards, next_values, dones, gamma, n):
    import jax.numpy as jnp
    import rlax

    discounts = jnp.asarray(gamma * (1.0 - dones))
    return rlax.n_step_bootstrapped_returns(rewards, discounts, next_values, n)


@eagerly
def rlax_truncated_gae(rewards, values, dones, gamma, lam):
    """With the value after the last step among the values."""
    import jax.numpy as jnp
    import rlax

    discounts = jnp.asarray(gamma * (1.0 - dones))
    return rlax.truncated_generalized_advantage_estimation(rewards, discounts, lam, values)


@eagerly
def rlax_vtrace(rewards, values, next_values, discounts, rhos, gamma, rho_clip):
    """Its traces are clipped at 1."""
    import jax  # noqa: F401
    import rlax

    found = rlax.vtrace_td_error_and_advantage(
        values, next_values, rewards, discounts, rhos, 1.0, rho_clip, rho_clip
    )
    return found.errors + values, found.pg_advantage


@eagerly
def rlax_clipped_surrogate(log_probs, old_log_probs, advantages, clip_epsilon):
    import jax.numpy as jnp
    import rlax

    return rlax.clipped_surrogate_pg_loss(
        jnp.exp(log_probs - old_log_probs), advantages, clip_epsilon
    )


@eagerly
def rlax_entropy(logits):
    import jax  # noqa: F401
    import rlax

    return rlax.softmax().entropy(logits)


@eagerly
def rlax_log_prob(logits, actions):
    import jax  # noqa: F401
    import rlax

    return rlax.softmax().logprob(actions, logits)


@eagerly
def rlax_gaussian(mean, log_std, actions):
    import jax.numpy as jnp
    import rlax

    return rlax.gaussian_diagonal().logprob(actions, mean, jnp.exp(log_std))


# --- The loops of single-file implementations ------------------------------------------------------


def single_file_ppo(rewards: torch.Tensor, values, dones, next_value, next_done, gamma, gae_lambda):
    """Flags that mark the start of a step."""
    advantages, carried = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        last = t == len(rewards) - 1
        alive = 1.0 - (next_done if last else dones[t + 1]).to(rewards.dtype)
        following = next_value if last else values[t + 1]
        delta = rewards[t] + gamma * following * alive - values[t]
        advantages[t] = carried = delta + gamma * gae_lambda * alive * carried
    return advantages, advantages + values


def single_file_returns(rewards: torch.Tensor, dones, next_value, gamma):
    returns, following = torch.zeros_like(rewards), next_value
    for t in reversed(range(len(rewards))):
        following = rewards[t] + gamma * following * (~dones[t])
        returns[t] = following
    return returns


def single_file_dqn(rewards: torch.Tensor, next_q_values, dones, gamma):
    best, _ = next_q_values.max(dim=1)
    return rewards.flatten() + gamma * best * (1 - dones.flatten().float())


def single_file_double_dqn(rewards: torch.Tensor, next_q_online, next_q_target, dones, gamma):
    best = next_q_online.argmax(dim=1, keepdim=True)
    return rewards + gamma * next_q_target.gather(1, best).squeeze(1) * (1 - dones.float())


def single_file_td3(rewards: torch.Tensor, next_values, dones, gamma):
    return rewards.flatten() + (1 - dones.flatten().float()) * gamma * next_values.view(-1)


def single_file_sac(rewards: torch.Tensor, next_q1, next_q2, next_log_probs, dones, gamma, alpha):
    soft = torch.min(next_q1, next_q2) - alpha * next_log_probs
    return rewards.flatten() + (1 - dones.flatten().float()) * gamma * soft.view(-1)
