"""Advantage actor-critic in plain JAX, one file: `python script_jax.py --env-id CartPole-v1`."""

import argparse

import gymnasium as gym
import jax
import jax.numpy as jnp
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--env-id", default="CartPole-v1")
parser.add_argument("--total-timesteps", type=int, default=20_000)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--gamma", type=float, default=0.99)
parser.add_argument("--lr", type=float, default=3e-3)
parser.add_argument("--horizon", type=int, default=128)
parser.add_argument("--entropy", type=float, default=0.01)
args = parser.parse_args()

HIDDEN, DECAY = 64, 0.95


def init(key, n_in, n_actions):
    k = jax.random.split(key, 4)
    return {
        "w1": jax.random.normal(k[0], (n_in, HIDDEN)) / np.sqrt(2.0),
        "b1": jnp.zeros(HIDDEN),
        "pi": jax.random.normal(k[1], (HIDDEN, n_actions)) * 0.01,
        "wv": jax.random.normal(k[2], (n_in, HIDDEN)) / np.sqrt(2.0),
        "bv": jnp.zeros(HIDDEN),
        "v": jax.random.normal(k[3], (HIDDEN,)) * 0.1,
    }


def logits_of(params, obs):
    return jnp.tanh(obs @ params["w1"] + params["b1"]) @ params["pi"]


def value_of(params, obs):
    return jnp.tanh(obs @ params["wv"] + params["bv"]) @ params["v"]


@jax.jit
def act(params, key, obs):
    key, sub = jax.random.split(key)
    return key, jax.random.categorical(sub, logits_of(params, obs))


def lambda_returns(rewards, next_values, terminated, ended):
    def step(carry, row):
        reward, next_value, end, cut = row
        bootstrap = next_value * (1 - end)
        blended = jnp.where(cut, bootstrap, (1 - DECAY) * bootstrap + DECAY * carry)
        g = reward + args.gamma * blended
        return g, g

    rows = (rewards, next_values, terminated, ended)
    return jax.lax.scan(step, next_values[-1], rows, reverse=True)[1]


def loss_fn(params, batch):
    obs, actions, rewards, next_obs, terminated, ended = batch
    values = value_of(params, obs)
    next_values = jax.lax.stop_gradient(value_of(params, next_obs))
    targets = lambda_returns(rewards, next_values, terminated, ended)
    advantages = jax.lax.stop_gradient(targets - values)
    log_p = jax.nn.log_softmax(logits_of(params, obs))
    taken = jnp.take_along_axis(log_p, actions[:, None], axis=1)[:, 0]
    policy_loss = -jnp.mean(taken * advantages)
    entropy = -jnp.mean(jnp.sum(jnp.exp(log_p) * log_p, axis=-1))
    value_loss = jnp.mean((targets - values) ** 2)
    return policy_loss + 0.5 * value_loss - args.entropy * entropy


@jax.jit
def update(params, first, second, count, batch):
    grads = jax.grad(loss_fn)(params, batch)
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, grads)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, grads)
    m_scale, v_scale = 1 / (1 - 0.9**count), 1 / (1 - 0.999**count)
    params = jax.tree.map(
        lambda p, m, v: p - args.lr * m * m_scale / (jnp.sqrt(v * v_scale) + 1e-8),
        params, first, second,
    )  # fmt: skip
    return params, first, second


env = gym.make(args.env_id)
key, sub = jax.random.split(jax.random.PRNGKey(args.seed))
params = init(sub, env.observation_space.shape[0], int(env.action_space.n))
first, second = jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params)

obs, _ = env.reset(seed=args.seed)
for iteration in range(max(1, args.total_timesteps // args.horizon)):
    rows = []
    for _ in range(args.horizon):
        key, action = act(params, key, obs)
        nxt, reward, terminated, truncated, _ = env.step(int(action))
        ended = terminated or truncated
        rows.append((obs, int(action), float(reward), nxt, float(terminated), ended))
        obs = env.reset()[0] if ended else nxt
    batch = tuple(jnp.asarray(np.array(column)) for column in zip(*rows, strict=True))
    params, first, second = update(params, first, second, iteration + 1.0, batch)
env.close()
