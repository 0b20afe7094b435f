"""Double DQN in plain JAX: parameters in a pytree, one jitted update, Adam by hand."""

from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np


def init_params(key, sizes):
    params = []
    for n_in, n_out in pairwise(sizes):
        key, sub = jax.random.split(key)
        w = jax.random.normal(sub, (n_in, n_out)) * jnp.sqrt(2.0 / n_in)
        params.append({"w": w, "b": jnp.zeros(n_out)})
    return params


def apply(params, x):
    for layer in params[:-1]:
        x = jax.nn.relu(x @ layer["w"] + layer["b"])
    return x @ params[-1]["w"] + params[-1]["b"]


def loss_fn(params, target_params, batch, gamma):
    obs, action, reward, next_obs, discount = batch
    best = jnp.argmax(apply(params, next_obs), axis=-1)
    q_next = jnp.take_along_axis(apply(target_params, next_obs), best[:, None], axis=-1)[:, 0]
    target = jax.lax.stop_gradient(reward + gamma * discount * q_next)
    q = jax.vmap(lambda row, a: row[a])(apply(params, obs), action)
    return jnp.mean(jnp.square(q - target))


@partial(jax.jit, static_argnames=("lr",))
def update(params, target_params, opt, batch, gamma, lr):
    grads = jax.grad(loss_fn)(params, target_params, batch, gamma)
    step, m, v = opt
    step = step + 1
    m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, grads)
    v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, v, grads)

    def move(p, a, b):
        return p - lr * (a / (1 - 0.9**step)) / (jnp.sqrt(b / (1 - 0.999**step)) + 1e-8)

    return jax.tree.map(move, params, m, v), (step, m, v)


@jax.jit
def act(key, params, obs, epsilon):
    k1, k2 = jax.random.split(key)
    q = apply(params, obs)
    random = jax.random.randint(k1, (), 0, q.shape[-1])
    return jnp.where(jax.random.uniform(k2) < epsilon, random, jnp.argmax(q))


class JaxDoubleDQN:
    def __init__(self, env, *, seed, gamma, lr=1e-3, hidden=64, batch_size=64, copy_every=100):
        self.env, self.gamma, self.lr, self.seed = env, gamma, lr, seed
        self.batch_size, self.copy_every = batch_size, copy_every
        self.key, sub = jax.random.split(jax.random.PRNGKey(seed))
        self.params = init_params(
            sub, (env.observation_space.shape[0], hidden, int(env.action_space.n))
        )
        self.target_params = self.params
        zeros = jax.tree.map(jnp.zeros_like, self.params)
        self.opt = (jnp.zeros(()), zeros, zeros)
        self.np_rng = np.random.default_rng(seed)
        self.transitions = []
        self.t = 0

    def sample(self):
        rows = self.np_rng.integers(len(self.transitions), size=self.batch_size)
        return tuple(np.stack(c) for c in zip(*(self.transitions[i] for i in rows), strict=True))

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.seed if self.t == 0 else None)
        for _ in range(total_timesteps):
            self.key, sub = jax.random.split(self.key)
            epsilon = max(0.05, 1.0 - self.t / 1500)
            action = int(act(sub, self.params, jnp.asarray(obs), epsilon))
            next_obs, reward, terminated, truncated, _ = self.env.step(action)
            discount = 0.0 if terminated else 1.0
            row = (obs, action, reward, next_obs, discount)
            kinds = (np.float32, np.int32, np.float32, np.float32, np.float32)
            self.transitions.append(tuple(np.array(x, k) for x, k in zip(row, kinds, strict=True)))
            obs = next_obs
            if terminated or truncated:
                obs, _ = self.env.reset()
            self.t += 1
            if self.t >= 200:
                self.params, self.opt = update(
                    self.params, self.target_params, self.opt, self.sample(), self.gamma, self.lr
                )
            if self.t % self.copy_every == 0:
                self.target_params = self.params
        return self

    def q_values(self, obs):
        return np.asarray(apply(self.params, jnp.asarray(obs, dtype=jnp.float32)))

    def predict(self, obs, deterministic=True):
        return self.q_values(obs).argmax(-1)


def make_agent(env, *, seed, gamma):
    return JaxDoubleDQN(env, seed=seed, gamma=gamma)
