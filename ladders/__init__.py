"""Agent-level checks: tabular MDPs and their exact solutions, fault models, the exam, the ladder.

Importing this package registers its environments with Gymnasium, so that any program can build them:
`gymnasium.make("ladders:Exam-v0")` imports the module before the colon by itself.
"""

import gymnasium

gymnasium.register("Exam-v0", entry_point="ladders.tasks:make_exam_env")
gymnasium.register("LongWalk-v0", entry_point="ladders.tasks:make_long_walk_env")
gymnasium.register("OneStep-v0", entry_point="ladders.tasks:make_one_step_env")

for _prefix in ("", "rlcheck/"):
    gymnasium.register(
        f"{_prefix}Warehouse-v0", entry_point="ladders.warehouse:Warehouse", max_episode_steps=100
    )
    gymnasium.register(
        f"{_prefix}WarehouseFixed-v0",
        entry_point="ladders.warehouse:Warehouse",
        max_episode_steps=100,
        kwargs={"pay": "shipped"},
    )
    gymnasium.register(
        f"{_prefix}GridWorld-v0", entry_point="ladders.gridworld:GridWorld", max_episode_steps=100
    )
    gymnasium.register(
        f"{_prefix}GridWorldSolvable-v0",
        entry_point="ladders.gridworld:GridWorld",
        max_episode_steps=100,
        kwargs={"solvable": True},
    )
