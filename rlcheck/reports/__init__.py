"""Reports: listeners of the events of a run, for people and for programs."""
