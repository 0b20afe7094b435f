"""How updates of target networks are called: on modules, dicts and lists of parameters."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from property_tests.framework.records import Case
from property_tests.scenarios import Observation, Prepared
from rlcheck.contracts import Options
from rlcheck.errors import BindingError
from rlcheck.functions.arrays import Kind, describe
from rlcheck.functions.binding import Parameter, bind_signature, name_of
from rlcheck.functions.hints import installed
from rlcheck.functions.modules import make_module, make_tensor, named_tensors, set_tensors

PARAMETERS = {"weight": slice(0, 2), "bias": slice(2, 3)}
BUFFERS = {"running_mean": slice(3, 4)}
VOCABULARY = (
    Parameter(
        "target",
        "",
        "the network that follows",
        aliases=(
            "target_net",
            "target_network",
            "target_params",
            "target_model",
            "target_module",
            "ema",
            "ema_model",
            "ema_net",
            "ema_params",
            "averaged_model",
            "slow_params",
        ),
    ),
    Parameter(
        "online",
        "",
        "the network that learns",
        aliases=(
            "source",
            "params",
            "net",
            "network",
            "online_net",
            "online_network",
            "online_params",
            "local_model",
            "model",
            "module",
            "policy_net",
            "source_net",
        ),
    ),
    Parameter(
        "tau", "", "rate", aliases=("polyak", "rho", "step_size", "decay", "momentum"), hyper=True
    ),
)


Network = tuple[Any, Callable[[], dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class ModelSubject:
    """A model of the contract in a subject's place."""

    model: Callable[..., None]


@dataclass(frozen=True, slots=True)
class Form:
    """In which form a function takes the two networks.

    Args:
        make: numbers of one network -> (argument, what gives the named tensors behind it).
        buffers: whether there are any.
    """

    make: Callable[[np.ndarray], Network]
    buffers: bool


@dataclass(frozen=True, slots=True)
class Update:
    """A user's function and how it is called.

    Args:
        call: (target, online, tau) -> what it returns.
        form: of the two networks.
        returns: whether the new target is what it returns, as where arrays cannot be written to.
    """

    call: Callable[[Any, Any, float], Any]
    form: Form
    returns: bool = False


def _parts(numbers: np.ndarray, names: dict[str, slice]) -> dict[str, np.ndarray]:
    return {name: np.array(numbers[place]) for name, place in names.items()}


def _as_module(numbers: np.ndarray) -> Network:
    module = make_module(_parts(numbers, PARAMETERS), _parts(numbers, BUFFERS))
    return module, lambda: named_tensors(module)


def _as_tensors(numbers: np.ndarray) -> Network:
    tensors = {n: make_tensor(v) for n, v in _parts(numbers, PARAMETERS).items()}
    return tensors, lambda: tensors


def _as_list(numbers: np.ndarray) -> Network:
    parts = _parts(numbers, PARAMETERS)
    tensors = {name: make_tensor(value, trained=True) for name, value in parts.items()}
    return list(tensors.values()), lambda: tensors


def _as_arrays(numbers: np.ndarray) -> Network:
    arrays = _parts(numbers, PARAMETERS)
    return arrays, lambda: arrays


def _as_model_state(numbers: np.ndarray) -> Network:
    # A subject without buffers is compared with models without buffers.
    names = {n: place for n, place in (PARAMETERS | BUFFERS).items() if place.stop <= len(numbers)}
    arrays = _parts(numbers, names)
    return arrays, lambda: arrays


FORMS = (
    Form(_as_module, True),
    Form(_as_list, False),
    Form(_as_tensors, False),
    Form(_as_arrays, False),
)
RETURNS = "it returns the new target and leaves the old one as it was: use what it returns"
_PROBE: Case = {
    "tau": 0.25,
    "target": np.array([1.0, 2.0, 3.0, 4.0]),
    "online": np.array([[5.0, -1.0, 8.0, -2.0]]),
}


def prepare(raw: Any, options: Options) -> Prepared:
    """The function in the first form under which it runs and the target changes.

    Raises:
        BindingError: its parameters cannot be bound, or it runs in no form.
    """
    if isinstance(raw, ModelSubject):
        return Prepared(raw, frozenset({"buffers"}))
    signature = bind_signature(
        raw,
        VOCABULARY,
        contract="polyak-update",
        bind=options.bind,
        constants=options.constants,
    )
    own = {parameter.name: name for name, parameter in signature.arguments.items()}
    missing = [parameter.name for parameter in VOCABULARY if parameter.name not in own]
    if missing:
        raise BindingError(
            f"{name_of(raw)} must take `target`, `online` and `tau`, which rlcheck varies; say which "
            f"parameter means {missing[0]!r} with --bind {missing[0]}=PARAMETER"
        )

    def call(target: Any, online: Any, tau: float) -> Any:
        facts = {"target": target, "online": online, "tau": tau}
        arguments = {name: facts[word] for word, name in own.items()}
        positional = [arguments.pop(name) for name in signature.positional]
        return raw(*positional, **arguments, **signature.extra)

    # Without torch, only dicts of arrays are left.
    forms = FORMS if installed(Kind.TORCH) else FORMS[-1:]
    running, reason = [], ""
    for form, returns in itertools.product(forms, (False, True)):
        update = Update(call, form, returns)
        try:
            shown = play(update, _PROBE)
        except Exception as error:
            reason = reason or f"{type(error).__name__}: {error}"
            continue
        moved = not np.array_equal(shown["target_after"][0, :3], _PROBE["target"][:3])
        touched = not np.array_equal(shown["online_after"], shown["online_set"])
        running.append((moved or touched, update))
    if not running:
        raise BindingError(
            f"{name_of(raw)} runs neither on modules nor on lists of parameters or dicts of arrays "
            f"as `target` and `online`: {reason}"
        )
    chosen = next((update for changes, update in running if changes), running[0][1])
    notes: tuple[str, ...] = (
        () if chosen.form.buffers else ("it takes parameters only: buffers were not tested",)
    )
    notes += (RETURNS,) if chosen.returns else ()
    can = frozenset({"buffers"} if chosen.form.buffers else ())
    return Prepared(chosen, can, notes)


def play(subject: Update | ModelSubject, facts: Case) -> Observation:
    """The target after every update, and after the online network was changed once more."""
    if isinstance(subject, ModelSubject):
        form, returns = Form(_as_model_state, True), False
        conventions = (facts["tau_weighs"], facts["buffers"])

        def by_model(target: Any, online: Any, tau: float) -> Any:
            subject.model(target, online, tau, *conventions)

        call: Callable[[Any, Any, float], Any] = by_model
    else:
        form, call, returns = subject.form, subject.call, subject.returns
    target, target_tensors = form.make(facts["target"])
    online, online_tensors = form.make(facts["online"][0])
    after, kept = [], []
    for numbers in facts["online"]:
        if returns:  # what learns in such a program is replaced, never written to
            online, online_tensors = form.make(numbers)
        _set(online_tensors(), numbers)
        returned = call(target, online, float(facts["tau"]))
        if returns:
            target, target_tensors = _returned(returned, target_tensors())
        after.append(_read(target_tensors()))
        kept.append(_read(online_tensors()))
    _set(online_tensors(), facts["online"][-1] + 100.0)
    return {
        "target_after": np.array(after),
        "online_after": np.array(kept),
        "online_set": np.array(facts["online"])[:, : len(kept[0])],
        "target_later": _read(target_tensors()),
    }


def _returned(returned: Any, before: dict[str, Any]) -> Network:
    """What was returned, as the next target, and its tensors by name.

    Raises:
        TypeError: it is no such network as the one that was handed in.
    """
    if isinstance(returned, tuple) and returned and isinstance(returned[0], (dict, list)):
        returned = returned[0]
    if isinstance(returned, dict) and returned.keys() == before.keys():
        return returned, lambda: returned
    if isinstance(returned, (list, tuple)) and len(returned) == len(before):
        named = dict(zip(before, returned, strict=True))
        return list(returned), lambda: named
    raise TypeError(f"it returned {describe(returned)}, not a network like the target")


def _set(tensors: dict[str, Any], numbers: np.ndarray) -> None:
    """Writes numbers into the network, in place, as an optimiser does."""
    places = (PARAMETERS | BUFFERS).items()
    set_tensors(tensors, _parts(numbers, {n: place for n, place in places if n in tensors}))


def _read(tensors: dict[str, Any]) -> np.ndarray:
    order = [name for name in (*PARAMETERS, *BUFFERS) if name in tensors]
    values = [tensors[name] for name in order]
    arrays = [v.detach().numpy() if hasattr(v, "detach") else np.asarray(v) for v in values]
    return np.concatenate([np.array(array, dtype=float).reshape(-1) for array in arrays])


def predict(model: Any, facts: Case) -> Observation:
    """What an update with this semantics shows."""
    return play(ModelSubject(model), facts)
