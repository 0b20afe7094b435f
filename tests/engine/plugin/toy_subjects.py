"""Subjects of the contract `toy`, each of which misbehaves in its own way."""

from __future__ import annotations

import ctypes
import os
import sys
import time


def identity(x):
    return x


def off_by_one(x):
    return x + 1


def raises(x):
    return _helper(x)


def _helper(x):
    raise ValueError(f"cannot\ntake {x}")


def hangs(x):
    while True:
        time.sleep(0.01)


def calls_exit(x):
    sys.exit("enough")


def calls_os_exit(x):
    print("about to leave")
    os._exit(7)


def crashes(x):
    ctypes.string_at(0)


def fills_memory(x):
    hoard = []
    while True:
        hoard.append(bytearray(b"x") * (16 << 20))
        time.sleep(0.01)


def floods(x):
    for _ in range(200):
        print("flood " * 4000)
    raise ValueError("after the flood")


def wanders(x):
    os.chdir("/")
    os.environ["LEAK"] = "1"
    sys.path.insert(0, "/leak")
    return x


def interrupts(x):
    raise KeyboardInterrupt


def slow(x):
    time.sleep(0.2)
    return x


def process_id(x):
    with open(os.environ["PID_FILE"], "a") as file:
        file.write(f"{os.getpid()}\n")
    return x


not_a_function = 3
