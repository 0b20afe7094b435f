"""All agents of this folder."""

from benchmarks.unseen.numpy_records import NUMPY_RECORDS
from benchmarks.unseen.policy_records import POLICY_RECORDS
from benchmarks.unseen.sb3_records import SB3_RECORDS
from benchmarks.unseen.script_records import SCRIPT_RECORDS
from benchmarks.unseen.value_records import VALUE_RECORDS
from benchmarks.unseen.wider_records import WIDER_RECORDS

RECORDS = [
    *VALUE_RECORDS,
    *POLICY_RECORDS,
    *SCRIPT_RECORDS,
    *SB3_RECORDS,
    *NUMPY_RECORDS,
    *WIDER_RECORDS,
]
