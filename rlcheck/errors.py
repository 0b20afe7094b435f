"""Every error that rlcheck raises, as one tree.

    RlcheckError
    +-- UsageError            a flag, a name or a configuration key is wrong      (exit code 2)
    |   +-- TargetError       the target cannot be imported or found              (exit code 2)
    |   +-- BindingError      the subject does not have the shape of its contract (exit code 2)
    +-- StoreError            the results folder cannot be read or written        (exit code 2)
    +-- SubjectError          the subject raised, hung, or died while checked (an `error` result)
    +-- TrainingStopped       a watched training is doomed, and the caller asked to end it
    TrainingWarning           a Python warning: a watched training has gone wrong

The message of each says what was expected, what came and what to do.
"""


class RlcheckError(Exception):
    """Root of all errors raised by rlcheck."""


class UsageError(RlcheckError):
    """The caller asked for something that does not exist or does not fit."""


class TargetError(UsageError):
    """The target cannot be imported or found."""


class BindingError(UsageError):
    """The subject cannot be called the way its contract needs."""


class StoreError(RlcheckError):
    """The results folder cannot be read or written."""


class SubjectError(RlcheckError):
    """The subject itself raised, hung or died while it was being checked."""


class TrainingStopped(RlcheckError):
    """A training watched with `on_failure="stop"` has gone wrong; the message names the fault."""


class TrainingWarning(UserWarning):
    """A watched training has gone wrong; the message names the fault, the steps and the fix."""
