"""Training signals: a vocabulary, readers of logs, detectors; see `docs/training_signals.md`."""
