"""Turns {oracle, cases, properties, faulty versions, declared conventions} into an rlcheck contract."""
