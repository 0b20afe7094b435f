"""Pathologies of trainings by reinforcement learning that a log can show."""

from __future__ import annotations

from rlcheck.records import Fault
from rlcheck.signals.findings import PREFIX

_PPO = "https://arxiv.org/abs/1707.06347"
_TRIAD = "https://arxiv.org/abs/1812.02648"


def fault(name: str, title: str, explanation: str, fix: str, where: str, *references: str) -> Fault:
    """A fault of the contract `training-log`."""
    return Fault(PREFIX + name, title, explanation, fix, where, references)


ENTROPY_COLLAPSE = fault(
    "entropy-collapse",
    "The policy became deterministic before it was any good.",
    "The entropy fell to (nearly) nothing while the return was no better than at the start, or far "
    "from the goal. The policy repeats one action whatever happens, sees nothing else, and so cannot "
    "learn that others are better.",
    "Raise the entropy coefficient (0.01 is usual), lower the learning rate, normalise "
    "advantages, and check the sign of the entropy in the loss: loss = policy loss - coefficient "
    "* entropy.",
    "The entropy term of the loss, the learning rate, advantages that were not normalised.",
    "https://github.com/rlworkgroup/garage/issues/628",
    "https://github.com/google-deepmind/open_spiel/issues/962",
    "https://arxiv.org/abs/2505.22617",
)
ENTROPY_PUNISHED = fault(
    "entropy-punished",
    "The loss rewards certainty: its entropy term has the wrong sign.",
    "A loss that is minimised must fall where the entropy rises, loss = policy loss - coefficient * "
    "entropy. Here it is the other way round, so that every update takes away exploration. Where the "
    "coefficient is small the policy learns all the same, only worse and with more bad luck.",
    "Subtract coefficient * entropy from the loss with a positive coefficient, or add coefficient * "
    "mean(log-probability).",
    "The entropy term of the loss; a coefficient that is negative.",
    "https://github.com/DLR-RM/stable-baselines3/commit/8f9aaaebe990",
    "https://github.com/datawhalechina/easy-rl/issues/171",
    "https://github.com/google-deepmind/open_spiel/issues/962",
)
ENTROPY_EXPLOSION = fault(
    "entropy-explosion",
    "The policy drifts towards acting at random.",
    "The entropy rises to its maximum, or the standard deviation of the actions keeps growing, "
    "and the return falls with it. The entropy bonus outweighs the reward, or nothing else is "
    "left in the loss.",
    "Lower the entropy coefficient, check the scale of the rewards against it, and bound the "
    "logarithm of the standard deviation.",
    "The entropy coefficient, its automatic tuning (sign of the target entropy), the reward's "
    "scale.",
    "https://github.com/takuseno/d3rlpy/commit/9a7a7542ed31",
)
POLICY_UNIFORM = fault(
    "policy-stays-random",
    "The policy stays uniform: no gradient of the policy arrives.",
    "The entropy is that of the uniform distribution from the first record to the last, and the "
    "return does not move. The policy's parameters are not optimised, or the step size is 0.",
    "Check that the policy's parameters are in the optimiser, that log-probabilities of the loss "
    "are not detached, that the learning rate is not 0, and that the entropy coefficient is not "
    "enormous.",
    "The list of parameters given to the optimiser; a `detach()` or `no_grad` around the policy.",
    "https://github.com/pytorch/rl/commit/0e02132e4212",
)
KL_SPIKES = fault(
    "kl-spikes",
    "Updates change the policy far more than the data allow.",
    "The divergence between the policies before and after an update is many times what clipping "
    "is meant to leave (about 0.01 to 0.05), and the return pays for it. The old data say "
    "nothing about the new policy.",
    "Lower the learning rate or the number of epochs, stop an update early when the divergence "
    "passes a target (0.01 to 0.03), normalise advantages, and clip gradients.",
    "The learning rate, the number of epochs, the clip range, the scale of the advantages.",
    _PPO,
    "https://arxiv.org/abs/2005.12729",
)
CLIP_NEVER = fault(
    "clip-never-active",
    "The ratio is never clipped although the policy moves.",
    "The clip fraction is exactly 0 while the divergence shows that many ratios must leave any "
    "usual clip range: at a divergence k the log-ratio has a standard deviation of about sqrt(2 "
    "k). The range is far too wide, clipping is missing, or the metric counts the wrong thing.",
    "Use a clip range of 0.1 to 0.3 around 1, on the ratio and not on its logarithm.",
    "The clip range in the configuration, and the line that clips the ratio.",
    "https://github.com/pytorch/rl/commit/4bce3716b8b5",
    _PPO,
)
CLIP_SATURATED = fault(
    "clip-saturated",
    "Most of the batch is clipped and teaches nothing.",
    "More than half of the samples lie outside of the clip range, so that their gradient is 0, "
    "and the return does not improve. Steps are too large, or the stored log-probabilities "
    "belong to another policy, action or temperature.",
    "At the first minibatch of an update the ratio must be 1: compare stored with recomputed "
    "log-probabilities. If it is, lower the learning rate or the number of epochs.",
    "How old log-probabilities are stored: squashing, masks, dropout, temperature; the learning "
    "rate.",
    "https://github.com/AgileRL/AgileRL/commit/e76add896655",
    "https://github.com/leggedrobotics/rsl_rl/issues/225",
)
RATIO_ONE = fault(
    "ratio-always-one",
    "The ratio stays 1 over several epochs: the old log-probabilities are recomputed.",
    "Neither the divergence nor the clip fraction ever differs from 0 although each batch is "
    "used for several updates. The old log-probabilities follow the policy, so clipping is never "
    "active; or the policy does not change at all.",
    "Store the log-probabilities when the actions are sampled, and do not recompute them in the "
    "update.",
    "Where the update gets its old log-probabilities; the learning rate.",
    "https://github.com/PrimeIntellect-ai/prime-rl/commit/413cf0d1d8ec",
)
POLICY_LOSS = fault(
    "policy-loss-oscillation",
    "The policy loss swings from side to side with growing amplitude.",
    "Each update overshoots and the next one corrects it, more strongly every time, and the "
    "return does not improve. The step is larger than the curvature of the loss allows.",
    "Lower the learning rate, normalise advantages, use larger batches.",
    "The learning rate and the scale of the advantages.",
    _PPO,
)
Q_DIVERGENCE = fault(
    "q-value-divergence",
    "Action values grow beyond anything that rewards can add up to.",
    "No return can exceed r_max / (1 - gamma), and yet |Q| does, many times over, and keeps "
    "growing: each target contains the error of the last one. Function approximation, "
    "bootstrapping and off-policy data together can do this whenever the target follows the "
    "network too closely.",
    "Use a target network that moves slowly (tau 0.005, or a copy every 1,000 to 10,000 steps), "
    "stop the bootstrap at terminal states, detach the target, lower the learning rate, clip "
    "gradients.",
    "The target network, the terminal mask and the discount in the target.",
    _TRIAD,
    "https://github.com/datawhalechina/easy-rl/issues/117",
)
OVERESTIMATION = fault(
    "overestimation",
    "Action values promise much more than the episodes deliver.",
    "The learned values stay above the discounted return that is really obtained from the same "
    "states, and the returns do not catch up. The maximum over noisy estimates picks the errors.",
    "Use double Q-learning, or the smaller of two critics; check that terminal states are not "
    "bootstrapped.",
    "The maximum in the target; the terminal mask.",
    "https://arxiv.org/abs/1509.06461",
    "https://github.com/AgileRL/AgileRL/commit/b4c0e4b94e8c",
)
TARGET_NEVER = fault(
    "target-never-updated",
    "The target network is never updated.",
    "Its distance from the online network only ever grows. All targets come from the initial "
    "weights.",
    "Copy the weights every 1,000 to 10,000 steps, or average them after each update with tau "
    "0.005; look at the condition under which that happens.",
    "The branch that updates the target, often nested inside another frequency.",
    "https://github.com/vwxyzjn/cleanrl/commit/c515aefc57b4",
)
TARGET_ONLINE = fault(
    "target-is-online",
    "The target network always equals the online network.",
    "The distance between the two is 0 before every synchronisation. Targets move with each "
    "update, which feeds errors back at once.",
    "Give the target its own copy of the weights (deepcopy), and update it less often.",
    "Where the target network is made: an assignment shares the weights.",
    "https://github.com/datawhalechina/easy-rl/issues/117",
)
CRITIC_USELESS = fault(
    "critic-explains-nothing",
    "The critic never explains any of the variance of the returns.",
    "The explained variance is at or below 0 through the whole run: a constant would predict the "
    "returns as well. Advantages are then returns with extra noise, and learning is slow or "
    "fails.",
    "Check that the value loss has a gradient and a weight, that targets and predictions have "
    "the same shape ((N,) against (N, 1) broadcasts to a matrix), that the targets are returns "
    "and not advantages, and that rewards are of moderate scale.",
    "The value loss, its coefficient, the shapes of its two arguments, the scale of the rewards.",
    "https://github.com/vwxyzjn/cleanrl/commit/95fcdd750205",
    "https://github.com/DLR-RM/stable-baselines3/commit/5ddda44a747c",
)
CRITIC_UNTRAINED = fault(
    "critic-not-trained",
    "The critic is not trained.",
    "What the critic predicts stays where it began, while its targets are far off, always to the "
    "same side. Whatever the task and the learning rate, a critic with a gradient moves towards "
    "its targets.",
    "Check that the critic's parameters are in an optimiser that steps, that the value loss is part of "
    "the loss with a weight above 0, and that no `detach()` or `no_grad` stands around the prediction.",
    "The value loss and its coefficient, the list of parameters given to the optimiser.",
    "https://github.com/AgileRL/AgileRL/commit/40a6f2a87958",
)
WITHOUT_REWARDS = fault(
    "targets-without-rewards",
    "The rewards do not arrive in the critic's targets.",
    "By its rewards and values every step is better (or worse) than expected, and the targets hardly add "
    "that to the values: rewards are lost on their way into the estimate, or advantages were normalised "
    "before they became targets. The critic learns to say what it says already.",
    "Print rewards, advantages and targets of one short episode: target = advantage + value, with the "
    "advantage as it was before it was normalised.",
    "What is stored as reward, the estimate of advantages, the order of normalising and adding values.",
    "https://arxiv.org/abs/1506.02438",
)
TERMINAL_BOOTSTRAP = fault(
    "terminal-bootstrap",
    "The critic's targets go on beyond terminal states.",
    "Values stay where targets leave them, though rewards and the ends of episodes say that they are too "
    "large by one value an episode: targets count gamma V(s') after a terminal state, too, where V(s') "
    "is that of the next episode's start or of a state from which nothing follows. Ending costs nothing, "
    "so that the policy does not learn to avoid it, or to seek it.",
    "Multiply V(s') by (1 - terminated) in the target, with the flag of the step that ended.",
    "The target of the critic, the estimate of advantages, the flags as they are stored.",
    "https://arxiv.org/abs/1712.00378",
)
POLICY_AGAINST = fault(
    "policy-against-advantages",
    "The policy makes good actions less likely.",
    "Updates lower the log-probability of actions with high advantages and raise that of bad ones: the "
    "sign of the policy loss, or of the advantages on their way into it, is wrong. The policy learns as "
    "fast as a correct one, to do what is worst; the critic is right all the while.",
    "loss = -(advantage * log-probability), minimised: check for a missing or a second minus sign, for "
    "gradient ascent by the optimiser (maximize=True) on a loss, and for value - return taken for the "
    "advantage.",
    "The policy loss, the optimiser, what becomes of advantages between estimate and loss.",
    "https://doi.org/10.1007/BF00992696",
    _PPO,
)
TARGETS_REVERSED = fault(
    "value-targets-reversed",
    "The critic learns values of the opposite sign.",
    "Returns have one sign, and the critic's targets the other: advantages, rewards or the "
    "targets were negated on the way. Each target is then the value minus the advantage, from "
    "which the value runs away, and the policy is led to what is worst.",
    "Print rewards, advantages and targets of one short episode and compare their signs: advantage = "
    "return - value, target = advantage + value, loss = -(advantage * log-probability).",
    "The estimate of advantages, a reward wrapper, the sign of a cost.",
    "https://arxiv.org/abs/1506.02438",
)
VALUE_LOSS = fault(
    "value-loss-explosion",
    "The value loss explodes.",
    "It grew by orders of magnitude beyond what the size of the returns accounts for, and stayed "
    "there. The critic diverges; through shared layers it takes the policy with it.",
    "Lower the learning rate or the weight of the value loss, clip gradients, scale rewards or "
    "returns, and check the bootstrap at terminal states.",
    "The targets of the critic, and its learning rate.",
    _TRIAD,
)
REPLAY_HOMOGENEOUS = fault(
    "replay-homogeneous",
    "The replay buffer holds hardly anything but copies of the same transitions.",
    "The diversity of what is replayed fell to a fraction of what it was, and the return did not "
    "improve. The agent learns again and again what it knows, and forgets the rest.",
    "Enlarge the buffer, keep exploring, and check that adding copies the observation instead of "
    "keeping a reference to an array that the environment overwrites.",
    "The replay buffer's `add`, its capacity, the exploration schedule.",
    "https://github.com/google-deepmind/dm_control/issues/34",
)
NOT_FINITE = fault(
    "not-finite",
    "A signal became NaN or infinite and stayed so.",
    "Once a loss or a gradient is NaN, one optimiser step makes every weight NaN, and nothing "
    "after it has a meaning.",
    "Find the first signal to go; look there for a logarithm or root of 0, a division by a "
    "standard deviation of 0, an exponential of a large log-ratio; clip gradients and lower the "
    "learning rate.",
    "Normalisation by a batch's standard deviation, log-probabilities of impossible actions, the "
    "ratio.",
    "https://github.com/leggedrobotics/rsl_rl/commit/596e38c98070",
)
GRADIENT_ZERO = fault(
    "gradients-zero",
    "The gradient is 0: nothing is learned any more.",
    "The norm of the gradient is exactly 0 (or vanishes to rounding) up to the end of the run. "
    "The loss no longer depends on the parameters: a detached tensor, a saturated output, "
    "advantages that are all 0.",
    "Check which parameters receive a gradient after one backward pass; look for `detach`, "
    "`no_grad`, `argmax`, dead units, and groups whose rewards are all equal.",
    "Between the loss and the parameters.",
    "https://github.com/volcengine/verl/commit/3f6cd4792604",
)
GRADIENT_EXPLODING = fault(
    "gradients-exploding",
    "The gradient explodes.",
    "Its norm grew by more than two orders of magnitude and stayed there, and the return did not "
    "improve. Either the loss diverges, or clipping hides that every step has the maximal length "
    "and a random direction.",
    "Lower the learning rate, scale rewards, clip gradients (0.5 to 1), check the ratio for "
    "overflow.",
    "The learning rate, the reward scale, the critic.",
    "https://github.com/anthonytorlucci/rlevo/issues/183",
)
DEAD_UNITS = fault(
    "dead-units",
    "Most hidden units are dead.",
    "They are 0 for every input, receive no gradient and never come back. The network loses its "
    "capacity to learn while the loss may look fine.",
    "Lower the learning rate, use layer normalisation or another activation, reset dormant units.",
    "The activation function, the learning rate, the initialisation.",
    "https://arxiv.org/abs/2302.12902",
)
STUCK_EPISODES = fault(
    "episodes-of-one-length",
    "Episodes have all become the same, and not the good ones.",
    "The length used to vary, became exactly constant, and the return stays below what it was "
    "before. The agent stands still until the time limit, or ends every episode at once.",
    "Look at one episode. A standstill asks for exploration and a smaller penalty for acting; an "
    "early end for a look at the penalty for each step.",
    "The reward function; the entropy coefficient.",
    "https://arxiv.org/abs/1712.00378",
)
RETURN_COLLAPSED = fault(
    "return-collapsed",
    "The return fell back from its peak.",
    "It rose, stayed up, and then lost most of what it had gained, up to the end of the run. "
    "Something that worked was unlearned.",
    "Go back to the best checkpoint and look at what changed before the fall: divergence, "
    "entropy, gradient norm, action values. Lower or anneal the learning rate, limit the "
    "divergence, enlarge the buffer.",
    "The size of the updates late in training; a replay buffer that forgot the early experience.",
    "https://arxiv.org/abs/1709.06560",
)
RETURN_STUCK = fault(
    "return-stuck",
    "The return never moved, or got worse all the way.",
    "It ends where it began, far from where the environment counts as solved: nothing that was "
    "learned changed what the agent gets. Or it ends below what the untrained policy got: learning makes "
    "it worse.",
    "Check in this order: does the agent ever see a reward; do the parameters change; is the "
    "sign of the reward and of the advantage right; then exploration and the learning rate. "
    "`rlcheck run` on the agent itself names the mistake.",
    "The update, the reward, or too little exploration.",
    "https://arxiv.org/abs/1709.06560",
)
RETURN_CONSTANT = fault(
    "return-without-variance",
    "Every episode has the same return.",
    "Not one episode differed from the others, from the first on, although the policy explores. "
    "There is nothing to learn from: the reward is never given, or does not depend on the "
    "actions.",
    "Check the reward of a few random episodes by hand. If it is sparse, shape it, start closer "
    "to the goal, or explore more.",
    "The reward function, its threshold, a wrapper that clips or replaces it.",
    "https://arxiv.org/abs/1606.01868",
)
THROUGHPUT = fault(
    "throughput-dropping",
    "The training gets slower and slower.",
    "Steps a second fall steadily to a fraction of what they were: something grows with every "
    "step, such as a list that is never emptied, a graph that is kept alive, or a buffer that is "
    "copied.",
    "Store `loss.item()` and not the loss, empty lists after each update, profile a late step.",
    "Lists of losses or infos, hidden states carried over without `detach`.",
)
REWARD_HACKING = fault(
    "reward-hacking",
    "The reward rises and what it should stand for does not.",
    "The training reward keeps growing while the held-out measure falls, or stays where it was. "
    "The policy exploits a difference between the two: a proxy that can be raised without doing "
    "the task.",
    "Look at the episodes with the highest reward. Reward the outcome rather than the means, "
    "penalise the exploit, bound each component, stop at the best held-out score, strengthen the "
    "penalty on divergence.",
    "The reward function or the reward model.",
    "https://arxiv.org/abs/2210.10760",
    "https://arxiv.org/abs/2209.13085",
)
ONE_COMPONENT = fault(
    "reward-component-takes-over",
    "One component of the reward grows at the expense of the others.",
    "The total rises because of one component alone, while another one falls: the policy trades "
    "what is hard to get for what is easy.",
    "Bound or reweight the component that grows, or make it count only together with the others.",
    "The weights of the reward's components.",
    "https://arxiv.org/abs/2209.13085",
)
LENGTH_GAMING = fault(
    "length-gaming",
    "Responses are rewarded for their length.",
    "Length and reward rise together while the held-out measure does not: the reward can be had "
    "by writing more.",
    "Take the length out of the reward (compare responses of equal length), penalise truncated "
    "responses, normalise the loss by a constant rather than by each response's length.",
    "The reward model, and the denominator of the loss.",
    "https://arxiv.org/abs/2310.03716",
)
WRONG_EXPLAINED = fault(
    "explained-variance-misreported",
    "The logged explained variance is another number.",
    "It equals a wrong formula on the raw data: most often with the variance of the predictions in "
    "the denominator, because the arguments are swapped. What it says of the critic is then chance.",
    "Compute 1 - Var(returns - values) / Var(returns); in a function (y_pred, y_true) the values come "
    "first.",
    "The call that computes the metric.",
    "https://github.com/vwxyzjn/cleanrl/commit/95fcdd750205",
)
WRONG_KL = fault(
    "kl-misreported",
    "The logged divergence is another number.",
    "It equals a wrong formula on the log-probabilities, such as the mean of the log-ratio with the "
    "wrong sign, or of the ratio minus 1, which is 0 on average whatever the policies are. Early "
    "stopping at a target divergence then never, or always, acts.",
    "With r = exp(new - old) on samples of the old policy take mean(r - 1 - log r), or mean(old - new).",
    "The lines that compute the metric from the log-probabilities.",
    "http://joschu.net/blog/kl-approx.html",
)
WRONG_CLIPPED = fault(
    "clip-fraction-misreported",
    "The logged clip fraction is another number.",
    "It equals a wrong formula on the ratios, such as counting one side only or not subtracting 1.",
    "Take the mean of |r - 1| > epsilon over the samples that count.",
    "The lines that compute the metric from the ratio.",
    _PPO,
)
VALUES_EQUAL = fault(
    "action-values-all-equal",
    "The action values are the same for every state and action.",
    "The largest action value of a batch equals the mean one: the network's output no longer depends on "
    "its input. Its hidden units are dead or saturated, most often after a step that was far too large, "
    "and the greedy action is decided by rounding.",
    "Lower the learning rate and clip gradients; look at the share of hidden units that are 0 for every "
    "input; check that observations reach the network, and their scale.",
    "The learning rate, the initialisation, the observations handed to the network.",
    "https://arxiv.org/abs/2302.12902",
)
