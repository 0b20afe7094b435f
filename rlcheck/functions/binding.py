"""Binds a user's function to a contract by the names of its parameters."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rlcheck.errors import BindingError
from rlcheck.functions.layouts import Axes, Layout
from rlcheck.functions.spelling import Spellings
from rlcheck.suggest import did_you_mean

Facts = Mapping[str, Any]
"""Canonical inputs of a contract by name, with the declared conventions beside them; for a
parameter's `make` also `bound`, the contract's names of everything that the function takes."""

GUARD = 1e-3
"""Defaults below are no hyper-parameters of learning."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One word of a contract's vocabulary: an argument that a function may name.

    Args:
        name: the contract's own name.
        axes: letters of its axes, "" for a number.
        meaning: half a sentence for messages.
        make: canonical inputs -> the argument; None takes the canonical input of this name.
        aliases: other names under which functions ask for the same thing.
        hyper: whether it is a hyper-parameter, which `--set` may state.
        default: value of a hyper-parameter where a function does not take it; None asks for `--set`.
        flags: whether it is true or false, so that functions may want 0 and 1.
        carries: hyper-parameters whose value it holds, so that a function needs no word for them.
        perhaps: another word of the contract that its aliases may mean as well.
    """

    name: str
    axes: str = ""
    meaning: str = ""
    make: Callable[[Facts], Any] | None = None
    aliases: tuple[str, ...] = ()
    hyper: bool = False
    default: Any = None
    flags: bool = False
    carries: tuple[str, ...] = ()
    perhaps: str = ""

    def value(self, facts: Facts) -> Any:
        """The argument for these canonical inputs."""
        return facts[self.name] if self.make is None else self.make(facts)

    def describe(self, layout: Layout = Layout.AS_WRITTEN) -> str:
        """`rewards [T, B] (...)`."""
        shape = f" {Axes(self.axes).written(layout)}" if self.axes else ""
        return f"{self.name}{shape}" + (f" ({self.meaning})" if self.meaning else "")


@dataclass(frozen=True, slots=True)
class Signature:
    """How a function's own parameters correspond to a contract's.

    Args:
        arguments: the function's parameter -> the contract's.
        positional: parameters that can be passed by position only, in order.
        extra: further arguments, the same in every call (`--set device=cpu`).
        fixed: hyper-parameters of the contract that the function does not name, and their values.
        defaulted: parameters left at their defaults.
        optional: those of `arguments` that have a default, and that default.
        negated: those of `arguments` that are minus what the contract's are.
    """

    arguments: Mapping[str, Parameter]
    positional: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    defaulted: tuple[str, ...] = ()
    optional: Mapping[str, Any] = field(default_factory=dict)
    negated: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        """The contract's names of everything that the function takes."""
        return frozenset(parameter.name for parameter in self.arguments.values())

    @property
    def known(self) -> frozenset[str]:
        """The contract's names of everything that the function, or the call, has a value for."""
        carried = (name for parameter in self.arguments.values() for name in parameter.carries)
        return self.names.union(self.fixed, carried)


def bind_signature(
    raw: Any,
    vocabulary: Sequence[Parameter],
    *,
    contract: str,
    bind: Mapping[str, str],
    constants: Mapping[str, Any],
) -> Signature:
    """Match the parameters of `raw` with the words of a contract.

    Args:
        raw: a function, a bound method, a module or any other callable.
        vocabulary: what the contract can provide.
        contract: its name, for messages.
        bind: contract name -> the function's own name.
        constants: values given by `--set`.

    Raises:
        BindingError: `raw` cannot be called with what the contract provides.
    """
    parameters = _parameters(raw, contract)
    words = _meanings(parameters, vocabulary, bind, contract)
    chosen = _nearest(words, parameters, constants)
    arguments: dict[str, Parameter] = {}
    extra: dict[str, Any] = {}
    defaulted: list[str] = []
    for name, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name in constants:
            extra[name] = constants[name]
        elif name in chosen:
            arguments[name] = words[name].word
        elif parameter.default is not parameter.empty:
            defaulted.append(name)
        else:
            word = words[name].word if name in words else None
            given = {words[n].word.name for n in chosen} | {*constants, *bind, *bind.values()}
            free = [each for each in vocabulary if each.name not in given]
            raise BindingError(_unknown(raw, name, word, free, contract))
    known = {parameter.name for parameter in vocabulary if parameter.hyper}
    named = {word.name for word in arguments.values()}
    fixed = {w.name: w.default for w in vocabulary if w.default is not None and w.name not in named}
    fixed |= {name: value for name, value in constants.items() if name in known}
    fixed |= {words[name].word.name: value for name, value in extra.items() if name in words}
    _refuse_unused(constants, set(extra) | set(fixed), [*parameters, *known], raw)
    positional = tuple(n for n, p in parameters.items() if p.kind is p.POSITIONAL_ONLY)
    defaults = {name: parameters[name].default for name in arguments}
    optional = {n: value for n, value in defaults.items() if value is not inspect.Parameter.empty}
    negated = frozenset(name for name in arguments if words[name].negated)
    return Signature(arguments, positional, extra, fixed, tuple(defaulted), optional, negated)


def _parameters(raw: Any, contract: str) -> dict[str, inspect.Parameter]:
    what = name_of(raw)
    if inspect.isclass(raw):
        raise BindingError(
            f"the contract {contract!r} needs a function, {what} is a class; "
            f"hand over an instance, or a bound method such as {what}(...).method"
        )
    if not callable(raw):
        raise BindingError(
            f"the contract {contract!r} needs something to call, {what} is a {type(raw).__name__}"
        )
    target = raw.forward if _is_module(raw) else raw
    try:
        parameters = dict(inspect.signature(target).parameters)
    except (TypeError, ValueError):
        raise BindingError(
            f"the parameters of {what} cannot be read; wrap it in a function of two lines whose "
            f"parameters have the names of the contract {contract!r}"
        ) from None
    return parameters


def _is_module(raw: Any) -> bool:
    return hasattr(raw, "forward") and hasattr(raw, "named_parameters")


class _Meaning(NamedTuple):
    """What a parameter's name means, and how far its spelling is from the contract's own."""

    word: Parameter
    distance: int
    loose: bool = False
    negated: bool = False


def _meanings(
    parameters: Mapping[str, inspect.Parameter],
    vocabulary: Sequence[Parameter],
    bind: Mapping[str, str],
    contract: str,
) -> dict[str, _Meaning]:
    """The function's own name -> what it means, for every name that means something."""
    named = {parameter.name: parameter for parameter in vocabulary}
    bind = _by_own_name(bind, named, parameters, contract)
    free = [parameter for parameter in vocabulary if parameter.name not in bind.values()]
    spellings = Spellings(
        [(word.name, word.name) for word in free]
        + [(alias, word.name) for word in free for alias in word.aliases]
    )
    read = {name: spellings.read(name) for name in parameters if name not in bind}
    found = {
        name: _Meaning(named[r.meaning], r.distance, r.loose, r.negated)
        for name, r in read.items()
        if r is not None and not (r.negated and _has_no_sign(named[r.meaning]))
    }
    return found | {name: _Meaning(named[word], -1) for name, word in bind.items()}


def _has_no_sign(word: Parameter) -> bool:
    return word.flags or not word.axes


def _by_own_name(
    bind: Mapping[str, str],
    named: Mapping[str, Parameter],
    parameters: Mapping[str, inspect.Parameter],
    contract: str,
) -> dict[str, str]:
    """`bind` as the function's own name -> the contract's, whichever way round it was written."""
    turned = {name: word for word, name in bind.items()}
    if turned.keys() <= parameters.keys() and bind.keys() <= named.keys():
        bind = turned
    elif not (bind.keys() <= parameters.keys() and turned.keys() <= named.keys()):
        # One by one, what can mean only one thing is understood.
        bind = dict(
            (word, name) if word in parameters and name in named and word not in named
            else (name, word)
            for word, name in bind.items()
        )  # fmt: skip
    for name, word in bind.items():
        if word not in named:
            raise BindingError(
                f"--bind {name}={word}: {word!r} is no parameter of the contract {contract!r}"
                f"{did_you_mean(word, named)}"
            )
        if name not in parameters:
            raise BindingError(
                f"--bind {name}={word}: the function has no parameter {name!r}"
                f"{did_you_mean(name, parameters)}"
            )
    return dict(bind)


def _nearest(
    words: Mapping[str, _Meaning],
    parameters: Mapping[str, inspect.Parameter],
    constants: Mapping[str, Any],
) -> set[str]:
    """The names that are given what they mean: of several that mean the same, the nearest spelling."""
    chosen: dict[str, str] = {}
    for name in sorted(words, key=lambda name: words[name].distance):
        if name not in constants and not _guards(words[name], parameters[name]):
            chosen.setdefault(words[name].word.name, name)
    return set(chosen.values())


def _guards(meaning: _Meaning, parameter: inspect.Parameter) -> bool:
    """Whether its default is so small that it is there against a division by zero: `eps=1e-8`."""
    value = parameter.default
    return meaning.loose and isinstance(value, float) and 0.0 < value < GUARD


def _unknown(
    raw: Any,
    name: str,
    word: Parameter | None,
    free: Sequence[Parameter],
    contract: str,
) -> str:
    """Why a name cannot be given anything; `free` are the words that no other name means."""
    what = name_of(raw)
    if name in ("self", "cls"):
        return (
            f"{what} is a method without its object (it asks for {name!r}); "
            f"hand over a bound method, such as that of an instance"
        )
    if word is not None:
        return (
            f"{what} has two parameters that mean {word.name!r} to the contract {contract!r}, one "
            f"of them {name!r}; say with --bind NAME=PARAMETER what each of them is"
        )
    guess = _closest(name, free)
    perhaps = f" (if it is {guess.describe()}: --bind {name}={guess.name})" if guess else ""
    known = ", ".join(parameter.describe() for parameter in free if parameter.meaning)
    return (
        f"{what} requires {name!r}, which the contract {contract!r} does not know; "
        f"say what it is with --bind {name}=PARAMETER{perhaps} or give it a value with "
        f"--set {name}=VALUE; what it does not take yet: {known or 'nothing'}"
    )


def _closest(name: str, free: Sequence[Parameter]) -> Parameter | None:
    """The word with the spelling most like it, if any is."""
    owners = {alias: word for word in reversed(free) for alias in (word.name, *word.aliases)}
    close = difflib.get_close_matches(name.lower(), owners, n=1)
    return owners[close[0]] if close else None


def _refuse_unused(
    constants: Mapping[str, Any], used: set[str], known: list[str], raw: Any
) -> None:
    for name in constants:
        if name not in used:
            raise BindingError(
                f"--set {name}={constants[name]}: {name!r} is neither a parameter of "
                f"{name_of(raw)} nor a hyper-parameter of the contract{did_you_mean(name, known)}"
            )


def name_of(raw: Any) -> str:
    """What to call a subject in messages."""
    return str(getattr(raw, "__qualname__", type(raw).__name__))
