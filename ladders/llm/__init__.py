"""Language-model tasks whose right answer is known exactly, in NumPy.

`token_tree` has the KL-regularised optimum of every small vocabulary and length, `preferences` the
optimum of preference losses, `group_gradient` the expected gradient of group baselines, `length_bias`
the drift of lengths, `over_optimisation` the curve of a proxy reward, `verifiable` tasks with a checkable
answer. `rungs` asks a learner about them.
"""
