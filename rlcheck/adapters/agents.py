"""What a user hands over as an agent, whatever it is, becomes an AgentSubject."""

from __future__ import annotations

from typing import Any

from rlcheck.adapters.factory import factory_subject
from rlcheck.adapters.protocol import AgentSubject
from rlcheck.adapters.sb3 import is_sb3_class, is_sb3_model, sb3_subject
from rlcheck.adapters.script import script_subject
from rlcheck.contracts import Options
from rlcheck.errors import BindingError
from rlcheck.subjects import SavedModel, ScriptCommand


def bind_agent(raw: Any, options: Options, script: str = "") -> AgentSubject:
    """Recognise an agent.

    Args:
        raw: a factory, an agent class, a training function, a Stable-Baselines3 class or model, a
            SavedModel or a ScriptCommand.
        options: what the user said about it.
        script: command template of a training script, instead of `raw`.

    Raises:
        BindingError: it is none of these, or lacks what an agent needs.
        SubjectError: it raises when it is built on a tiny environment.
    """
    if script or isinstance(raw, ScriptCommand):
        return script_subject(script or raw.template, options)
    if isinstance(raw, SavedModel):
        from rlcheck.adapters.sb3_saved import saved_subject

        return saved_subject(raw.path, options)
    if is_sb3_model(raw):
        from rlcheck.adapters.sb3_saved import model_subject

        return model_subject(raw, options)
    if is_sb3_class(raw):
        return sb3_subject(raw, options)
    if (callable(raw) and not hasattr(raw, "learn")) or isinstance(raw, type):
        return factory_subject(raw, options)
    raise BindingError(
        f"expected an agent factory, an agent class or a training function, got {_described(raw)}; "
        "hand over the function that builds the agent"
    )


def _described(raw: Any) -> str:
    built = hasattr(raw, "learn") and hasattr(raw, "predict")
    return f"an agent that is built already ({type(raw).__name__})" if built else repr(raw)
