"""The user's module that the tests of the command line check."""

SUBJECTS = """
import sys

def double(x): return 2 * x
def triple(x): return 3 * x
def between(x): return 2.5 * x
def negative(x): return -x
def raises(x): raise RuntimeError("no luck")
NUMBER = 3
"""
