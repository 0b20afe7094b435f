"""Functions with known truth that share no code with the fault catalogue.

Written from the definitions of the contracts and from reports of real mistakes, without a look at
the faulty versions that rlcheck is developed with; `benchmarks/naming.py` measures what rlcheck
says about them.
"""
