"""Trainers of language models in the manner of TRL, made to work on a tiny model that we know exactly."""
