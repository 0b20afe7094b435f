"""Run a command and leave nothing of it behind, however the program that asked for it ends.

    python supervisor.py COMMAND ARGUMENT...

The caller holds this program's standard input open. When that closes, because the caller closed it
or because it died, even by SIGKILL, the command and everything that it started are killed. Run as a
file of its own, so that it starts within a few milliseconds.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading

SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Processes whose parent ends become children of this one instead of init's (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_tree(child: "subprocess.Popen[bytes]") -> None:
    """Kill the command and everything under it, in whatever session."""
    import psutil

    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def main() -> int:
    """Run the command; its exit code, or 128 + n where signal n ended it."""
    adopt_orphans()
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)

    def watch() -> None:
        while os.read(0, 1024):
            pass
        kill_tree(child)

    threading.Thread(target=watch, daemon=True).start()
    code = child.wait()
    kill_tree(child)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
