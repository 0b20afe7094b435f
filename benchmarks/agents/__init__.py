"""Agents with known truth: each faulty one carries exactly one fault, each correct one none.

They are written without regard to how rlcheck looks for faults: that makes finding them a result.
`faulty.FAULTY` and `correct.CORRECT` are the two lists.
"""
