"""Readable PyTorch implementations of the algorithms of reinforcement learning.

Pure functions: `returns`, `targets`, `losses`, `distributions`, `polyak`. Tabular algorithms:
`dynamic_programming`, `prediction`, `tabular`, `exploration`, `bandits`. The deep agents have one
file each; language models have a folder, `llm`.

Nothing here knows of the harness, so that agreement between the two means something.
"""
