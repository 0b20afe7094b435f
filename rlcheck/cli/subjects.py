"""Which subjects a run checks: what was typed, looked up among configured and installed names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rlcheck.cli.options import bindings, constants
from rlcheck.config import Config
from rlcheck.errors import UsageError
from rlcheck.subjects import SubjectSpec, invert
from rlcheck.suggest import did_you_mean

PLAIN_WORD = re.compile(r"[A-Za-z_][\w-]*")
VERSIONED = re.compile(r".*-v\d+")


def choose(targets: Sequence[str], given: Mapping[str, Any], config: Config) -> list[SubjectSpec]:
    """The subjects of a run.

    Args:
        targets: as typed; none takes every configured subject, unless a script is given.
        given: options of the command line that describe subjects; they override the configuration.
        config: the configuration, whose subjects may be meant by name.

    Raises:
        UsageError: nothing to check, an unknown contract, or options that contradict each other.
    """
    script = given["script"]
    if script and targets:
        raise UsageError("give either a TARGET or --script, not both")
    if script:
        specs = [SubjectSpec(name=_script_name(script), script=script)]
    elif targets:
        specs = [_named(target, config) for target in dict.fromkeys(targets)]
    else:
        specs = list(config.subjects.values())
    if not specs:
        raise UsageError(
            "nothing to check: give a TARGET such as my_pkg.returns:compute_gae, or list subjects "
            "in pyproject.toml under [tool.rlcheck.subjects.NAME] (rlcheck init writes a first one)"
        )
    specs = [_overridden(spec, given) for spec in specs]
    _require_contracts(specs)
    return specs


def _named(target: str, config: Config) -> SubjectSpec:
    if target in config.subjects:
        return config.subjects[target]
    # Anything else that is one plain word can only be a name that was mistyped.
    if PLAIN_WORD.fullmatch(target) and not VERSIONED.fullmatch(target) and config.subjects:
        from rlcheck.targets import subject_names

        known = [*config.subjects, *subject_names()]
        if target not in known and not Path(target).exists():
            raise UsageError(f"there is no subject {target!r}{did_you_mean(target, known)}")
    return SubjectSpec(name=target, target=target)


def _script_name(command: str) -> str:
    """`ppo.py` of `python ppo.py --env-id {env} ...`: a whole command in every line reads badly."""
    files = [Path(word).name for word in command.split() if word.endswith(".py")]
    return files[0] if files else command


def _overridden(spec: SubjectSpec, given: Mapping[str, Any]) -> SubjectSpec:
    return replace(
        spec,
        contract=given["contract"] or spec.contract,
        gamma=spec.gamma if given["gamma"] is None else given["gamma"],
        bind={**spec.bind, **invert(bindings(given["bind"]), "--bind")},
        constants={**spec.constants, **constants(given["set_"], "--set")},
        dialect={**spec.dialect, **constants(given["dialect"], "--dialect")},
    )


def _require_contracts(specs: Sequence[SubjectSpec]) -> None:
    from rlcheck import contracts

    for spec in specs:
        if spec.contract and spec.contract not in contracts.names():
            close = did_you_mean(spec.contract, contracts.names())
            raise UsageError(f"there is no contract {spec.contract!r} for {spec.name}{close}")
