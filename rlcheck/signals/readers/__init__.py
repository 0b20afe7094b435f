"""Readers of training logs, one file a format; `places.read` chooses among them."""
