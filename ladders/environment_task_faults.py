"""Mistakes in what an environment asks for: its observation, its reward, its vector form."""

from __future__ import annotations

from rlcheck.records import Fault

_POTENTIAL = "https://people.eecs.berkeley.edu/~pabbeel/cs287-fa09/readings/NgHaradaRussell-shaping-ICML1999.pdf"
_MODES = "https://farama.org/Vector-Autoreset-Mode"

HIDES_STATE = "environment/observation-hides-state"
ACTION_LATE = "environment/action-or-observation-late"
ACTION_CHANGED = "environment/action-permuted"
ACTION_IGNORED = "environment/action-ignored"
ACTION_OVERWRITTEN = "environment/action-overwritten"
FARMABLE = "environment/reward-farmable"
AGAINST_METRIC = "environment/reward-against-metric"
UNREACHABLE = "environment/goal-unreachable"
NOT_POTENTIAL = "environment/shaping-not-potential-based"
TERMINAL_POTENTIAL = "environment/shaping-terminal-potential"
DISCOUNT_MISSING = "environment/shaping-discount-missing"
SHARED_SEED = "environment/sub-environments-share-seed"
FINAL_LOST = "environment/final-observation-lost"
STEP_INVENTED = "environment/autoreset-invents-step"
STEP_LOST = "environment/autoreset-loses-step"
VECTOR_FORM = "environment/vector-does-not-conform"

FAULTS: tuple[Fault, ...] = (
    Fault(
        name=HIDES_STATE,
        title="The observation hides a part of the state that decides what happens next.",
        explanation=(
            "What came before helps to predict the next observation or reward although the present "
            "observation and action are known: the observation is not Markov. Q-learning and TD assume "
            "that it is; they average over what they cannot see, and converge to something else."
        ),
        fix=(
            "Add what is missing (velocities, a counter, the current goal) to the observation, stack "
            "the last frames and actions (gymnasium.wrappers.FrameStackObservation), or use a "
            "recurrent agent."
        ),
        where="What `_get_obs` leaves out; attributes that `step` reads and the observation lacks.",
        references=(
            "https://arxiv.org/abs/2010.00993",
            "https://gymnasium.farama.org/api/wrappers/observation_wrappers/",
        ),
    ),
    Fault(
        name=ACTION_LATE,
        title="The action takes effect, or the observation arrives, one step late.",
        explanation=(
            "The previous action decides what this step returns, and the present one changes nothing "
            "yet. Credit goes to the wrong action: an agent that sees no past cannot tell what its own "
            "action did."
        ),
        fix=(
            "Apply the action before the observation is taken. Where a delay is part of the task, add "
            "the pending actions to the observation."
        ),
        where="`step` that returns the observation before it moves; action queues; stale buffers.",
        references=("https://arxiv.org/abs/2010.02966",),
    ),
    Fault(
        name=ACTION_CHANGED,
        title="A layer of the environment executes another action than the one that it was given.",
        explanation=(
            "A wrapper or a method on the way to the innermost `step` turns the action into another "
            "one of the same space: permuted, negated or clipped. Policies still learn, but whoever "
            "acts by the documented encoding (an expert, a heuristic, a logged data set) acts wrongly."
        ),
        fix="Hand the action on as it came, or change the action space together with its meaning.",
        where="`action` of an ActionWrapper; look-up tables of actions; np.clip in `step`.",
        references=("https://github.com/RobertTLange/gymnax/commit/fe60e28c13ec",),
    ),
    Fault(
        name=ACTION_IGNORED,
        title="No action changes anything that the environment returns.",
        explanation=(
            "From the same seed, all actions lead to the same observations, rewards and ends. There is "
            "nothing to learn: the return of every policy is the same."
        ),
        fix="Hand the action to the simulation; look for a wrapper or a constant that replaces it.",
        where="`step` that reads no action, or casts it to a constant.",
        references=("https://gymnasium.farama.org/api/env/#gymnasium.Env.step",),
    ),
    Fault(
        name=ACTION_OVERWRITTEN,
        title="`step` writes into the action that it was given.",
        explanation=(
            "Clipping or scaling in place changes the caller's array. An agent stores that array after "
            "the step: the replay buffer holds another action than the one that its policy chose and "
            "whose probability it keeps."
        ),
        fix="Make a new array: action = np.clip(action, low, high), and no `*=` or `out=` on it.",
        where="In-place arithmetic on `action` in `step` or in an action wrapper.",
        references=(
            "https://github.com/thu-ml/tianshou/commit/39f8391cfb4f",
            "https://gymnasium.farama.org/api/env/#gymnasium.Env.step",
        ),
    ),
    Fault(
        name=FARMABLE,
        title="A loop earns more reward than finishing the task.",
        explanation=(
            "There is a cycle of states, passed without making progress, whose reward is positive, and "
            "going round it is worth more than the reward for finishing. A good learner finds it: "
            "the return rises while the task is left undone."
        ),
        fix=(
            "Reward the outcome (orders shipped), not the activity (pickups); or make a reward that "
            "helps on the way a potential: what is earned going in is paid back going out."
        ),
        where="Rewards for events that can be undone and repeated: pickups, check points, contacts.",
        references=("https://arxiv.org/abs/1606.06565", _POTENTIAL),
    ),
    Fault(
        name=AGAINST_METRIC,
        title="Optimising the reward lowers the measure of success that it stands for.",
        explanation=(
            "Policies were improved on the reward alone. Their reward rises and the held-out measure "
            "falls: the reward is a proxy that can be satisfied without doing the task."
        ),
        fix="Move the reward towards the measure; watch the measure, not the return, while training.",
        where="The reward function.",
        references=("https://arxiv.org/abs/2201.03544", "https://arxiv.org/abs/1606.06565"),
    ),
    Fault(
        name=UNREACHABLE,
        title="In some episodes the goal cannot be reached by any sequence of actions.",
        explanation=(
            "Every state that can be reached from the start was visited and every action tried there; "
            "none ends the episode with the goal's reward, which other seeds give. Such episodes teach "
            "that trying is futile, and cap the success rate of a perfect agent."
        ),
        fix="Draw the layout again until a path exists (breadth-first search), or carve one.",
        where="Random obstacles or goals drawn in reset without a look at the way between them.",
        references=("https://gymnasium.farama.org/environments/toy_text/frozen_lake/",),
    ),
    Fault(
        name=NOT_POTENTIAL,
        title="The shaping reward is no difference of potentials.",
        explanation=(
            "The extra reward depends on the path: gamma * Phi(s') - Phi(s) fits it for no Phi. It can "
            "be collected by going round, and the optimal policy of the shaped task need not be that "
            "of the task."
        ),
        fix="Add gamma * Phi(s') - Phi(s) with one function Phi of the state, 0 at terminal states.",
        where="Bonuses for approaching, without paying back for going away.",
        references=(_POTENTIAL,),
    ),
    Fault(
        name=TERMINAL_POTENTIAL,
        title="The potential of terminal states is not 0.",
        explanation=(
            "Where an episode terminates, gamma * Phi(s') is added although nothing follows that pays "
            "it back: ends with a high potential get a bonus, and the optimal policy may change."
        ),
        fix="Use Phi(s') = 0 where terminated is true (not where truncated is).",
        where="The shaping wrapper's `step`.",
        references=(_POTENTIAL, "https://arxiv.org/abs/1902.02186"),
    ),
    Fault(
        name=DISCOUNT_MISSING,
        title="The shaping reward uses another discount than the task.",
        explanation=(
            "Phi(s') - Phi(s) telescopes only without discounting. With the task's gamma the sum "
            "along a path keeps (1 - gamma) * Phi at every step: a reward for lingering."
        ),
        fix="Multiply Phi(s') by the gamma that the agent trains with.",
        where="The shaping wrapper's `step`.",
        references=(_POTENTIAL,),
    ),
    Fault(
        name=SHARED_SEED,
        title="All environments of a vector environment live through the same episodes.",
        explanation=(
            "Under the same actions the sub-environments return the same observations, although their "
            "randomness differs from seed to seed. A batch of N environments then holds the "
            "information of one."
        ),
        fix="Give each environment a seed of its own: reset(seed=s) means s, s + 1, ..., or a list.",
        where="The vector environment's `reset`; lambdas in a loop that bind the last index.",
        references=(
            "https://github.com/DLR-RM/stable-baselines3/commit/2ce31c1e2101",
            "https://github.com/chainer/chainerrl/pull/455",
        ),
    ),
    Fault(
        name=FINAL_LOST,
        title="The final observation of an episode is lost at the autoreset.",
        explanation=(
            "Where an episode ends, the vector environment hands out another state as the last one: "
            "the next episode's first, or one from before. Bootstrapping after a truncation then uses "
            "the value of the wrong state."
        ),
        fix=(
            "Mode SAME_STEP: put the observation from before the reset into info['final_obs'], with "
            "its mask; mode NEXT_STEP: return it, and reset at the next step."
        ),
        where="The autoreset branch of the vector environment's `step`; shared observation buffers.",
        references=("https://github.com/instadeepai/jumanji/issues/223", _MODES),
    ),
    Fault(
        name=STEP_INVENTED,
        title="The autoreset invents a transition: a reward or an end that no step produced.",
        explanation=(
            "The step that only resets must give reward 0 and neither flag, and its action must not "
            "count. Anything else is learned from, as a transition between two episodes."
        ),
        fix="In mode NEXT_STEP return reward 0.0, terminated=False, truncated=False with the reset.",
        where="Buffers of rewards and flags that the reset branch leaves as they were.",
        references=(
            "https://github.com/Denys88/rl_games/issues/362",
            "https://github.com/sail-sg/envpool/issues/194",
            _MODES,
        ),
    ),
    Fault(
        name=STEP_LOST,
        title="The autoreset loses a step: its reward, its flags or a whole transition.",
        explanation=(
            "Around an end the vector environment and a single environment with the same seed and "
            "actions disagree: a reward or flag is dropped, or a step is taken that nobody sees."
        ),
        fix=(
            "Reset, and nothing else, at the step that the declared autoreset mode says; return the "
            "reward and flags of the step that ended the episode with that step."
        ),
        where="The autoreset branch of the vector environment's `step`.",
        references=("https://github.com/Farama-Foundation/Gymnasium/issues/1103", _MODES),
    ),
    Fault(
        name=VECTOR_FORM,
        title="What the vector environment returns does not have the form of one.",
        explanation=(
            "Rewards and flags should be arrays with one entry an environment, observations a batch in "
            "`observation_space`. Agents index and broadcast them; other forms mix environments up."
        ),
        fix=(
            "Return (observations, rewards [N], terminated [N] bool, truncated [N] bool, infos), and "
            "declare metadata['autoreset_mode']."
        ),
        where="`step` and `reset` of the vector environment.",
        references=("https://gymnasium.farama.org/api/vector/",),
    ),
)
