"""n-step SARSA on a table, a constant epsilon of 0.1."""

import numpy as np


def train(env, *, total_timesteps, seed, gamma, n=3, alpha=0.2, epsilon=0.1):
    rng = np.random.RandomState(seed)
    n_states = int(np.prod(env.observation_space.shape))
    n_actions = int(env.action_space.n)
    Q = np.full((n_states, n_actions), 0.0)

    def index(obs):
        return int(np.argmax(obs))

    def policy(s):
        if rng.rand() < epsilon:
            return rng.randint(n_actions)
        return int(rng.choice(np.flatnonzero(Q[s] == np.max(Q[s]))))

    done_steps = 0
    first = True
    while done_steps < total_timesteps:
        obs, _ = env.reset(seed=seed if first else None)
        first = False
        S = [index(obs)]
        A = [policy(S[0])]
        R = [0.0]
        T = float("inf")
        terminated = False
        t = 0
        while True:
            if t < T:
                obs, reward, terminated, truncated, _ = env.step(A[t])
                done_steps += 1
                S.append(index(obs))
                R.append(float(reward))
                A.append(policy(S[-1]))
                if terminated or truncated or done_steps >= total_timesteps:
                    T = t + 1
            tau = t - n + 1
            if tau >= 0:
                end = min(tau + n, T)
                G = sum(gamma ** (i - tau - 1) * R[i] for i in range(tau + 1, end + 1))
                if end < T or not terminated:
                    G += gamma ** (end - tau) * Q[S[end], A[end]]
                Q[S[tau], A[tau]] += alpha * (G - Q[S[tau], A[tau]])
            if tau == T - 1:
                break
            t += 1

    def act(obs):
        obs = np.asarray(obs)
        if obs.ndim > 1:
            return Q[obs.argmax(axis=-1)].argmax(axis=-1)
        return int(Q[index(obs)].argmax())

    return act
