"""How rlcheck calls a user's function: arrays, layouts, parameter names, declared conventions."""
