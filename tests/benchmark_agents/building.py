"""Builds an agent as its factory asks: with `env` or with `make_env`."""

from __future__ import annotations

import inspect

from tiny_problem import TinyProblem


def build(factory, *, seed=0, gamma=0.9, continuous=False, problem=TinyProblem, **options):
    names = inspect.signature(factory).parameters

    def make_env():
        return problem(continuous) if continuous else problem()

    subject = make_env if "make_env" in names else make_env()
    return factory(subject, seed=seed, gamma=gamma, **options)
