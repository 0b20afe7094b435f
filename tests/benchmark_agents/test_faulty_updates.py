"""Each faulty PPO or A2C update does to losses, gradients and weights what it claims to."""

import pytest
import torch
from building import build
from stable_baselines3.common.type_aliases import RolloutBufferSamples

from benchmarks.agents import a2c_faults, ppo_update_faults, settings
from benchmarks.agents.open_algorithms import OpenA2C, OpenPPO

ADVANTAGES = torch.tensor([1.0, -2.0, 0.5, 3.0])
OLD = torch.tensor([-0.7, -0.7, -1.0, -0.3])
CLIP = 0.2


def ppo(cls, **changes):
    return build(lambda env, **common: settings.ppo(cls, env, **common, **changes))


def a2c(cls, **changes):
    return build(lambda env, **common: settings.a2c(cls, env, **common, **changes))


def new_log_probs():
    return torch.tensor([-0.1, -1.4, -1.0, -2.0], requires_grad=True)


def policy_loss(cls, clip=CLIP):
    new = new_log_probs()
    loss = ppo(cls).policy_loss(new, OLD, ADVANTAGES, clip)
    gradient = torch.autograd.grad(loss, new)[0] if loss.requires_grad else torch.zeros(4)
    return loss.detach(), gradient


def samples():
    generator = torch.Generator().manual_seed(0)
    draw = torch.rand(4, generator=generator)
    return RolloutBufferSamples(
        torch.eye(8)[:4], torch.tensor([[0.0], [1.0], [0.0], [0.0]]), draw, OLD, ADVANTAGES, draw * 2
    )  # fmt: skip


def parameters(agent):
    return {name: value.clone() for name, value in agent.policy.named_parameters()}


def test_signs():
    advantages = ppo_update_faults.NegatedAdvantages
    torch.testing.assert_close(ppo(advantages).scaled(ADVANTAGES), -ppo(OpenPPO).scaled(ADVANTAGES))
    entropy = torch.tensor([0.3, 0.6])
    for right, wrong, make in (
        (OpenPPO, ppo_update_faults.MinimisedEntropy, ppo),
        (OpenA2C, a2c_faults.EntropyAsPenalty, a2c),
    ):
        pushed = make(right, ent_coef=0.1).entropy_loss(entropy)
        torch.testing.assert_close(make(wrong, ent_coef=0.1).entropy_loss(entropy), -pushed)
    agent = a2c(a2c_faults.AscendingLoss)
    torch.testing.assert_close(
        agent.policy_loss(OLD, ADVANTAGES, None, None), (ADVANTAGES * OLD).mean()
    )


def test_ratios():
    new = new_log_probs().detach()
    loss, gradient = policy_loss(ppo_update_faults.RecomputedOldLogProb)
    torch.testing.assert_close(loss, -ADVANTAGES.mean())
    torch.testing.assert_close(gradient, -ADVANTAGES / 4)
    loss, _ = policy_loss(ppo_update_faults.InvertedRatio, clip=10.0)
    torch.testing.assert_close(loss, -(ADVANTAGES * (OLD - new).exp()).mean())
    _, gradient = policy_loss(ppo_update_faults.DetachedPolicy)
    assert not gradient.any()


def test_clips():
    _, right = policy_loss(OpenPPO)
    assert right[0] == 0.0  # A > 0 and the ratio above 1 + clip: no further push
    _, unclipped = policy_loss(ppo_update_faults.NoClip)
    assert unclipped[0] < 0.0
    _, optimistic = policy_loss(ppo_update_faults.OptimisticClip)
    assert optimistic[0] < 0.0
    assert right[3] < 0.0 == optimistic[3]  # A > 0 and a low ratio: the push back is lost
    constant = ppo_update_faults.ConstantClip
    assert policy_loss(constant, clip=0.001)[0] == policy_loss(constant, clip=10.0)[0]
    assert policy_loss(OpenPPO, clip=0.001)[0] != policy_loss(OpenPPO, clip=10.0)[0]


@pytest.mark.parametrize(
    "cls", [ppo_update_faults.CriticOnOldValues, ppo_update_faults.CriticOnOwnOutput]
)
def test_the_value_loss_ignores_the_returns_or_the_critic(cls):
    data = samples()
    values = (data.old_values + 0.5).requires_grad_()
    loss = ppo(cls).value_loss(values, data)
    if loss.requires_grad:
        torch.testing.assert_close(loss.detach(), torch.tensor(0.25))  # distance to the old values
        return
    torch.testing.assert_close(loss, (data.returns - data.old_values).square().mean())


def test_the_entropy_bonus_has_no_gradient():
    entropy = torch.tensor([0.3, 0.6], requires_grad=True)
    assert ppo(OpenPPO, ent_coef=0.1).entropy_loss(entropy).requires_grad
    assert (
        not ppo(ppo_update_faults.EntropyForLogOnly, ent_coef=0.1)
        .entropy_loss(entropy)
        .requires_grad
    )


@pytest.mark.parametrize(
    ("make", "right", "wrong"),
    [
        (ppo, OpenPPO, ppo_update_faults.LateGradientClip),
        (a2c, OpenA2C, a2c_faults.NormOfNothing),
    ],
)
def test_the_gradient_bound_does_not_bind(make, right, wrong):
    def after(cls, bound):
        agent = make(cls, max_grad_norm=bound)
        # Plain gradient descent: Adam's first step would not show the size of a gradient.
        agent.policy.optimizer = torch.optim.SGD(agent.policy.parameters(), lr=0.1)
        agent.descend(sum(value.square().sum() for value in agent.policy.parameters()))
        return torch.cat([value.flatten() for value in agent.policy.parameters()])

    assert not torch.allclose(after(right, 1e-6), after(right, 1e6))
    assert torch.equal(after(wrong, 1e-6), after(wrong, 1e6))


def test_nothing_or_only_the_critic_learns():
    for cls in (ppo_update_faults.OptimiserOfACopy, ppo_update_faults.ZeroGradAfterBackward):
        agent = ppo(cls)
        before = parameters(agent)
        agent.learn(512)
        assert all(torch.equal(before[name], value) for name, value in parameters(agent).items())
    agent = ppo(ppo_update_faults.OnlyTheCriticSteps)
    before = parameters(agent)
    agent.learn(512)
    moved = {
        name for name, value in parameters(agent).items() if not torch.equal(before[name], value)
    }
    assert moved
    assert all("value" in name for name in moved)


def test_a2c_gradients_take_the_wrong_way():
    data = samples()
    values = data.old_values.clone().requires_grad_()
    loss = a2c(a2c_faults.AttachedAdvantages).policy_loss(OLD, ADVANTAGES, values, data)
    assert torch.autograd.grad(loss, values)[0].all()
    loss = a2c(OpenA2C).policy_loss(OLD, ADVANTAGES, values, data)
    assert not loss.requires_grad
    new = new_log_probs()
    loss = a2c(a2c_faults.LogProbWithoutGraph).policy_loss(new, ADVANTAGES, values, data)
    assert not loss.requires_grad
    shifted, stock = a2c(a2c_faults.ShiftedActions), a2c(OpenA2C)
    rolled = data._replace(actions=data.actions.roll(1, dims=0))
    torch.testing.assert_close(shifted.loss(data), stock.loss(rolled))
    assert shifted.loss(data) != stock.loss(data)
