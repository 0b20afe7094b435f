"""Runs all checks of a contract on a function of rows, gradients included, without shrinking."""

from property_tests.framework.row_gradients import with_row_gradients
from property_tests.framework.trial_run import row
from property_tests.selftest import spec
from rlcheck.contracts import Options


def verdict(contract, raw, *, wrt=(), examples=40, **options):
    """Names of the checks that fail, and the fault that is named."""
    chosen, whole = Options(**options), spec(contract)
    subject = with_row_gradients(raw, whole, wrt, chosen) if wrt else raw
    found = row(whole, subject, implementation="subject", size=examples, options=chosen)
    return found.failed, found.named


def named_first(contract, faulty, *, wrt=()):
    """(functions that no check caught, share of the functions whose fault was named).

    Args:
        faulty: fault -> functions that have it.
    """
    missed, right, count = [], 0, 0
    for fault, functions in faulty.items():
        for function in functions:
            failed, named = verdict(contract, function, wrt=wrt)
            missed += [] if failed else [function.__name__]
            right += named == fault
            count += 1
            if named != fault:
                print(f"{function.__name__}: {fault} was named {named or 'nothing'}, by {failed}")
    return missed, right / count
