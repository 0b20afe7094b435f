"""Runs all checks of a contract on token sequences on one function, gradient included."""

from importlib import import_module

from property_tests.framework.build import completed
from property_tests.framework.trial_run import row
from property_tests.token_gradients import with_token_gradient
from rlcheck.contracts import Options

DIFFERENTIATED = {
    "token-log-probs": "logits",
    "sequence-log-probs": "log_probs",
    "aggregate": "values",
    "kl-estimate": "log_probs",
}


def verdict(contract, raw, *, examples=50, **options):
    """Names of the checks that fail, and the fault that is named."""
    spec = completed(import_module(f"property_tests.{contract.replace('-', '_')}").SPEC)
    chosen = Options(**options)
    wrt = DIFFERENTIATED.get(contract)
    subject = with_token_gradient(raw, spec, wrt, chosen) if wrt else raw
    found = row(spec, subject, implementation="subject", size=examples, options=chosen)
    return found.failed, found.named
