"""Agent-level checks: tabular MDPs and their exact solutions, fault models, the exam, the ladder.

Importing this package registers its environments with Gymnasium, so that any program can build them:
`gymnasium.make("ladders:Exam-v0")` imports the module before the colon by itself.
"""

import gymnasium

gymnasium.register("Exam-v0", entry_point="ladders.tasks:make_exam_env")
gymnasium.register("OneStep-v0", entry_point="ladders.tasks:make_one_step_env")
