"""The command line: `rlcheck run|list|explain|replay|report|init|selftest`.

Every command lives in a file of its own and imports what it needs inside its function: the help
pages load click and nothing else, so that `rlcheck --help` answers at once.

Exit codes: 0 verified; 1 a check failed, or the subject raised; 2 usage or configuration; 3 internal
error of rlcheck; 4 nothing failed but something is inconclusive; 5 nothing was verified; 130
interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from rlcheck import __version__
from rlcheck.cli.explain import explain
from rlcheck.cli.init import init
from rlcheck.cli.listing import list_
from rlcheck.cli.replay import replay
from rlcheck.cli.report import report
from rlcheck.cli.run import run
from rlcheck.cli.selftest import selftest
from rlcheck.errors import StoreError, SubjectError, UsageError
from rlcheck.suggest import did_you_mean

EPILOG = """\b
Exit codes: 0 verified, 1 a check failed or the subject raised, 2 usage or
configuration, 3 internal error, 4 inconclusive, 5 nothing verified,
130 interrupted."""


class Commands(click.Group):
    """A group that lists commands by use and offers close matches for a misspelt one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which a new user needs them."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command named first in `args`, or say which one may be meant."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            ctx.fail(f"there is no command {args[0]!r}{did_you_mean(args[0], self.commands)}")
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rlcheck", message="%(prog)s %(version)s")
def cli() -> None:
    """Tell whether reinforcement-learning code is wrong, which mistake it is, and show the proof.

    \b
    rlcheck run my_pkg.agents:make_agent                an agent: the ladder
    rlcheck run stable_baselines3:PPO                   works as it is
    rlcheck run my_pkg.returns:compute_gae --as gae     a function
    rlcheck run --script "python ppo.py --env-id {env} --seed {seed}"
    rlcheck explain terminal-bootstrap                  what a fault is
    """


for command in (run, list_, explain, replay, report, init, selftest):
    cli.add_command(command)


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line on `args` (default: those of the process) and return the exit code."""
    _never_fail_to_print()
    try:
        code = cli.main(args=args, prog_name="rlcheck", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (UsageError, StoreError, SubjectError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1 if isinstance(error, SubjectError) else 2
    except (KeyboardInterrupt, click.Abort):
        print("Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader went away (`rlcheck list faults | head`); a second error at exit says nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _internal_error(error, sys.argv[1:] if args is None else args)
    return code if isinstance(code, int) else 0


def _never_fail_to_print() -> None:
    """A terminal without Unicode shows `?` for what it lacks; it does not end the run."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _internal_error(error: Exception, args: Sequence[str]) -> int:
    import platform
    import shlex
    import traceback

    traceback.print_exception(error, file=sys.stderr)
    print(
        "\nrlcheck itself failed; nothing here says anything about your code."
        "\nPlease report it with the lines above and these:"
        f"\n  rlcheck {__version__}, Python {platform.python_version()}, {platform.platform()}"
        f"\n  rlcheck {shlex.join(args)}",
        file=sys.stderr,
    )
    return 3
