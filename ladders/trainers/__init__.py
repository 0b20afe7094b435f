"""Whole trainers of language models as subjects, compared with theory on a known model."""
