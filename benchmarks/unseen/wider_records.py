"""The second set of agents: what other engineers hand in, of many kinds."""

from benchmarks.unseen.wider_libraries import JAX_AND_TORCH_RECORDS, STABLE_RECORDS, WIDER_SCRIPTS
from benchmarks.unseen.wider_policies import CONTINUOUS_RECORDS, POLICY_RECORDS
from benchmarks.unseen.wider_tables import TABLE_RECORDS
from benchmarks.unseen.wider_values import NETWORK_RECORDS

WIDER_RECORDS = [
    *TABLE_RECORDS,
    *NETWORK_RECORDS,
    *CONTINUOUS_RECORDS,
    *POLICY_RECORDS,
    *JAX_AND_TORCH_RECORDS,
    *STABLE_RECORDS,
    *WIDER_SCRIPTS,
]
