"""The contract `training-log`: what holds for the signals of every healthy training."""

from __future__ import annotations

from collections.abc import Sequence

from rlcheck.contracts import Bound, Contract, Options
from rlcheck.diagnosis import combine
from rlcheck.errors import BindingError
from rlcheck.records import (
    Check,
    Context,
    Diagnosis,
    Evidence,
    Outcome,
    Result,
    Settings,
    Status,
    Trial,
    one_trial,
)
from rlcheck.signals import (
    detectors_critic,
    detectors_entropy,
    detectors_language,
    detectors_losses,
    detectors_metrics,
    detectors_policy,
    detectors_returns,
    detectors_rewards,
    detectors_target,
    detectors_td_errors,
    detectors_training,
    detectors_updates,
    detectors_value_means,
    detectors_values,
    faults,
    faults_language,
    hyper_parameters,
)
from rlcheck.signals.bands import healthy_band
from rlcheck.signals.findings import PREFIX, Alarm, Clear, Detector, Doubt, Finding, counts
from rlcheck.signals.readers.places import FORMATS, read
from rlcheck.signals.recognising import recognise
from rlcheck.signals.recomputed import PREFIX as RECOMPUTED
from rlcheck.signals.series import Log
from rlcheck.signals.statistics import thinned
from rlcheck.subjects import LogPath

DETECTORS: tuple[Detector, ...] = (
    *detectors_training.DETECTORS,
    *detectors_values.DETECTORS,
    *detectors_target.DETECTORS,
    *detectors_critic.DETECTORS,
    *detectors_value_means.DETECTORS,
    *detectors_td_errors.DETECTORS,
    *detectors_entropy.DETECTORS,
    *detectors_policy.DETECTORS,
    *detectors_losses.DETECTORS,
    *detectors_updates.DETECTORS,
    *detectors_language.DETECTORS,
    *detectors_returns.DETECTORS,
    *detectors_rewards.DETECTORS,
    *detectors_metrics.DETECTORS,
)

CAUSES = (
    faults.WRONG_EXPLAINED,
    faults.WRONG_KL,
    faults.WRONG_CLIPPED,
    faults.RATIO_ONE,
    faults.TARGET_ONLINE,
    faults.TARGET_NEVER,
    faults.TARGETS_REVERSED,
    faults.TERMINAL_BOOTSTRAP,
    faults.WITHOUT_REWARDS,
    faults.POLICY_AGAINST,
    faults_language.STUCK_AT_LOG2,
    faults_language.NO_SIGNAL,
    faults_language.SAMPLER_MISMATCH,
    faults.Q_DIVERGENCE,
    faults.DEAD_UNITS,
    faults.VALUES_EQUAL,
    faults.POLICY_UNIFORM,
    faults.CRITIC_UNTRAINED,
    faults.ENTROPY_EXPLOSION,
    faults.CLIP_NEVER,
    faults.KL_SPIKES,
    faults.ENTROPY_COLLAPSE,
    faults.ENTROPY_PUNISHED,
    faults.GRADIENT_ZERO,
    faults.VALUE_LOSS,
    faults.GRADIENT_EXPLODING,
    faults.NOT_FINITE,
    faults.CLIP_SATURATED,
    faults.POLICY_LOSS,
    faults.OVERESTIMATION,
    faults.REPLAY_HOMOGENEOUS,
    faults.LENGTH_GAMING,
    faults.ONE_COMPONENT,
    faults.REWARD_HACKING,
    faults_language.LENGTH_BIAS,
    faults_language.KL_FLAT_REWARD,
    faults_language.DISPLACEMENT,
    faults.RETURN_CONSTANT,
    faults.CRITIC_USELESS,
    faults.STUCK_EPISODES,
    faults.RETURN_COLLAPSED,
    faults.RETURN_STUCK,
    faults.THROUGHPUT,
)
"""Every fault, causes before what they lead to: of several alarms the first here is named."""


def diagnose_log(log: Log) -> list[tuple[Detector, Finding]]:
    """What every detector that has its signals says about a log."""
    known = counts(log)
    return [(detector, detector.look(log)) for detector in DETECTORS if not detector.missing(known)]


def bind_log(raw: object, options: Options) -> Bound:
    """Bind a path to a log, a W&B run path, or a `Log` in memory.

    Raises:
        BindingError: nothing there can be read, or none of its columns is a known signal.
    """
    if isinstance(raw, LogPath):
        settings = dict(options.constants)
        if options.gamma is not None:
            settings["gamma"] = options.gamma
        as_written = read(raw.path)
        log = recognise(as_written, options.bind, settings)
        _require_signals(log, raw.path, sorted(as_written.columns))
    elif isinstance(raw, Log):
        log = raw
    else:
        raise BindingError(
            f"expected the path of a training log ({FORMATS}), got {type(raw).__name__}"
        )
    facts = {"signals": counts(log), "sources": dict(log.sources), "config": dict(log.config)}
    notes = (_what_was_read(log), *log.notes, *hyper_parameters.advice(log))
    return Bound(subject=log, facts=facts, notes=notes)


def _require_signals(log: Log, path: str, columns: list[str]) -> None:
    if log.signals:
        return
    raise BindingError(
        f"{path} has no column that is known as a signal; it has {', '.join(columns[:12])}. Say "
        "what they are, "
        'as in --bind "my_reward=episode_return,my_kl=approx_kl"'
    )


def _what_was_read(log: Log) -> str:
    ends = [points.steps[[0, -1]] for points in log.signals.values() if len(points)]
    last = max((end[1] for end in ends), default=0.0)
    names = sorted(name for name in log.signals if not name.startswith(RECOMPUTED))
    return f"{len(names)} signals up to step {last:,.0f}: {', '.join(names)}"


def _check(detector: Detector) -> Check:
    """A detector as a check: the trial looks, the judge words it."""

    def trial(log: Log, trial: Trial, context: Context) -> Evidence:
        found = detector.look(log)
        if isinstance(found, Alarm):
            shown = [name for name in detector.shows if name in log.signals]
            return {
                "said": "alarm",
                "fault": PREFIX + found.fault,
                "message": found.message,
                "window": list(found.window),
                "numbers": dict(found.numbers),
                "strength": found.strength,
                "signals": {name: thinned(log[name]) for name in shown},
                "healthy": {
                    name: list(band)
                    for name in shown
                    if (band := healthy_band(name, log[name], found)) is not None
                },
            }
        if isinstance(found, Clear):
            return {"said": "clear", "message": found.message, "notes": list(found.notes)}
        return {"said": "doubt" if isinstance(found, Doubt) else "unknown", "message": found.reason}

    def applies(facts: Evidence, settings: Settings) -> str | None:
        return detector.missing(facts["signals"]) or None

    return Check(
        name=PREFIX + detector.name,
        title=detector.title,
        explanation=detector.explanation,
        trial=trial,
        judge=one_trial(_judge),
        applies=applies,
        catches=tuple(fault.name for fault in detector.faults),
        references=detector.references,
    )


def _judge(evidence: Evidence, context: Context) -> Outcome:
    if evidence["said"] == "alarm":
        suspects = {evidence["fault"]: evidence["strength"]}
        return Outcome(Status.FAILED, evidence["message"], evidence, suspects)
    if evidence["said"] == "doubt":
        return Outcome(Status.INCONCLUSIVE, evidence["message"])
    if evidence["said"] == "unknown":
        return Outcome(Status.SKIPPED, evidence["message"])
    return Outcome(Status.PASSED, evidence["message"], notes=tuple(evidence["notes"]))


def diagnose(results: Sequence[Result]) -> tuple[Diagnosis, ...]:
    """Every alarm is true in itself; the most probable cause of them all stands first.

    Several pathologies happen in one run, and most of them are consequences of one: of two alarms the
    cause is the one that comes first in `CAUSES`.
    """
    single: list[Diagnosis] = []
    for result in results:
        single += combine([result], CAUSES)[:1]
    order = {fault.name: at for at, fault in enumerate(CAUSES)}
    single.sort(key=lambda found: order.get(found.fault, len(order)))
    return tuple(
        Diagnosis(
            found.fault,
            round(found.probability * 0.5**rank, 4),
            found.title,
            found.explanation,
            found.fix,
            found.where,
            found.proof,
            found.references,
        )
        for rank, found in enumerate(single)
    )


CONTRACT = Contract(
    name="training-log",
    title="The log of a training by reinforcement learning.",
    explanation=(
        f"Reads {FORMATS}, and W&B runs named ENTITY/PROJECT/RUN. Names of Stable-Baselines3, "
        "CleanRL, TorchRL, Tianshou, RLlib, TRL and verl are known; others are given with --bind "
        '"mine=episode_return". Settings that the log does not hold are given with --set, such as gamma, '
        "num_actions, n_epochs, env_id, reward_max. Each check looks for one pathology and names "
        "the steps that show it. Statistics are free of scale, and a level counts as sick only "
        "together with a return that is known to be low. Signals that a log lacks are skipped."
    ),
    checks=tuple(_check(detector) for detector in DETECTORS),
    faults=CAUSES,
    bind=bind_log,
    diagnose=diagnose,
    recognises=lambda raw: isinstance(raw, Log),
)
