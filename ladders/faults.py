"""The catalogue of agent-level faults: what each is, what it does to learning, and how to mend it.

Four files hold the records, by the part of a program that the mistake sits in; FAULTS joins them.
Among faults with equal evidence a diagnosis shows the one that stands first here.
"""

from __future__ import annotations

from ladders.faults_bootstrap import BOOTSTRAP
from ladders.faults_policy import POLICY
from ladders.faults_program import PROGRAM
from ladders.faults_signals import SIGNALS
from rlcheck.records import Fault

FAULTS: tuple[Fault, ...] = (*BOOTSTRAP, *SIGNALS, *POLICY, *PROGRAM)
"""Every mistake that the checks of the `agent` contract can name."""
