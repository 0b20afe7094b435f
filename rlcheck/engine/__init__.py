"""The engine: plans the checks of every subject, runs their trials, and streams events."""
