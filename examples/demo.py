"""What `make demo` shows: a correct agent is green; the same agent with a planted bug is named."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RLCHECK = [str(Path(sys.executable).with_name("rlcheck")), "run", "--budget", "quick"]


def show(*arguments: str) -> int:
    """Print a command, run it, and return its exit code."""
    print("\n$ rlcheck run --budget quick " + " ".join(arguments), flush=True)
    return subprocess.run([*RLCHECK, *arguments], check=False).returncode


if __name__ == "__main__":
    correct = show("stable_baselines3:PPO")
    buggy = show(f"{HERE / 'buggy_ppo.py'}:make_agent")
    expected = (correct, buggy) == (0, 1)
    print(f"\nexit codes: {correct} for the correct agent, {buggy} for the buggy one", end="")
    print(" (as it should be)" if expected else " (expected 0 and 1)")
    sys.exit(0 if expected else 1)
