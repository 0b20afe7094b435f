"""A trial leaves nothing behind: the global state of the process is restored after it."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Restore = Callable[[], None]


@contextmanager
def preserved_state(*, process: bool = True) -> Iterator[None]:
    """Restore the global state of random, NumPy and torch, whatever happens inside.

    Only libraries that are loaded already are looked at: what nobody imported has no state to keep.

    Args:
        process: also restore working directory, environment variables, import path and arguments.
    """
    restores = [_python_random(), _numpy_random(), *_torch_state()]
    if process:
        restores.append(_process_state())
    try:
        yield
    finally:
        for restore in restores:
            restore()


def seed_globals(seed: int) -> None:
    """Seed the global generators, so that code that draws from them repeats from a trial's seed."""
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed % 2**32)
    if torch := _loaded_torch():
        torch.manual_seed(seed)


def _process_state() -> Restore:
    directory, environment = os.getcwd(), dict(os.environ)
    path, arguments = list(sys.path), list(sys.argv)

    def restore() -> None:
        os.chdir(directory)
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)
        sys.path[:] = path
        sys.argv[:] = arguments

    return restore


def _python_random() -> Restore:
    state = random.getstate()
    return lambda: random.setstate(state)


def _numpy_random() -> Restore:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return lambda: None
    state, errors = numpy.random.get_state(), numpy.geterr()

    def restore() -> None:
        numpy.random.set_state(state)
        numpy.seterr(**errors)

    return restore


def _torch_state() -> list[Restore]:
    torch = _loaded_torch()
    if torch is None:
        return []
    cpu, dtype = torch.get_rng_state(), torch.get_default_dtype()
    grad, threads = torch.is_grad_enabled(), torch.get_num_threads()
    algorithms = _algorithms(torch)

    def restore() -> None:
        torch.set_rng_state(cpu)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        # Setting them imports torch's compiler, which takes longer than most checks.
        if _algorithms(torch) != algorithms:
            deterministic, warn_only = algorithms
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)

    restores: list[Restore] = [restore]
    if torch.cuda.is_initialized():
        devices = torch.cuda.get_rng_state_all()
        restores.append(lambda: torch.cuda.set_rng_state_all(devices))
    return restores


def _algorithms(torch: Any) -> tuple[bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


def _loaded_torch():
    # A half-imported torch (a failed import leaves one) has no generator to speak of.
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "get_rng_state") else None
