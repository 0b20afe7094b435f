"""Reproducible measurements of rlcheck."""
