"""Networks for S seeds at once: weights carry a leading seed dimension, layers are batched products.

    y[s] = x[s] W[s] + b[s],   x: [S, B, in],  W: [S, in, out],  b: [S, 1, out]

One seed is S = 1 of the same code. No operation mixes seeds, so the gradient of the *sum* of the
seeds' losses holds each seed's own gradient, and one optimiser serves all of them.

References: Saxe et al. 2014, arXiv:1312.6120 (orthogonal initialisation); Kingma and Ba 2015,
arXiv:1412.6980 (Adam); Pascanu et al. 2013, arXiv:1211.5063 (clipping by the global norm).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from reference_agents.streams import SeedStreams


class _FastTanh(torch.autograd.Function):
    """tanh(x) = 2 sigmoid(2x) - 1, several times cheaper than `torch.tanh` on a CPU."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        y = torch.sigmoid(x + x).mul_(2.0).sub_(1.0)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return torch.ops.aten.tanh_backward(grad, y)


def fast_tanh(x: Tensor) -> Tensor:
    """tanh, exact to a few units in the last place of 1."""
    return _FastTanh.apply(x)


ACTIVATIONS = {"tanh": fast_tanh, "relu": torch.relu}
_NARROW = 16  # columns of a matrix that a CPU multiplies several times faster as rows


def orthogonal(streams: SeedStreams, rows: int, columns: int, gain: float) -> Tensor:
    """Weights [S, rows, columns] with orthonormal rows or columns, times `gain`."""
    normal = streams.normal(max(rows, columns), min(rows, columns)).double()
    q, r = torch.linalg.qr(normal)
    q = q * r.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)  # makes the factorisation unique
    return (gain * (q if rows >= columns else q.mT)).to(streams.dtype).contiguous()


class StackedMLP(nn.Module):
    """S multi-layer perceptrons of one shape, [S, B, sizes[0]] -> [S, B, sizes[-1]].

    Args:
        sizes: widths of input, hidden layers and output.
        streams: random streams of the S seeds, for the initial weights.
        activation: "tanh" or "relu", between layers.
        output_gain: gain of the last layer's orthogonal weights; small makes outputs start near 0.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        streams: SeedStreams,
        activation: str = "tanh",
        output_gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        gains = [2.0**0.5] * (len(sizes) - 2) + [output_gain]
        layers = list(zip(sizes[:-1], sizes[1:], gains, strict=True))
        self.weights = nn.ParameterList(
            nn.Parameter(orthogonal(streams, *layer)) for layer in layers
        )
        self.biases = nn.ParameterList(
            nn.Parameter(torch.zeros_like(weight[:, :1, :])) for weight in self.weights
        )
        # The same parameters once more: walking through a ParameterList takes as long as a product.
        self.layers = tuple(zip(self.weights, self.biases, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """[S, B, in] -> [S, B, out]."""
        for weight, bias in self.layers[:-1]:
            x = self.activation(torch.baddbmm(bias, x, weight))
        weight, bias = self.layers[-1]
        if weight.shape[2] < _NARROW:
            weight = weight.mT.contiguous().mT
        return torch.baddbmm(bias, x, weight)


def flatten_parameters(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Moves parameters [S, ...] into one matrix [S, P] and makes them views of it.

    Clipping, Adam and checkpoints then work on one tensor, which matters where the networks are so
    small that starting a kernel costs more than its arithmetic.
    """
    parameters = list(parameters)
    flat = torch.cat([parameter.detach().flatten(1) for parameter in parameters], dim=1)
    columns = flat.split([parameter[0].numel() for parameter in parameters], dim=1)
    for parameter, column in zip(parameters, columns, strict=True):
        parameter.data = column.view(parameter.shape)
    return flat


def one_matrix(flat: Tensor) -> nn.ParameterList:
    """A matrix [S, P] of `flatten_parameters` as a module that shares its memory.

    Averaging two networks by their matrices is one operation on one tensor, and a module of one
    parameter is several times faster to walk through than a network.
    """
    return nn.ParameterList([nn.Parameter(flat, requires_grad=False)])


def clip_grad_per_seed(grad: Tensor, max_norm: float) -> Tensor:
    """Scales each seed's gradient to a norm of at most `max_norm`, in place.

        g_s <- g_s min(1, max_norm / ||g_s||)

    Args:
        grad: [S, P] one gradient a row.
        max_norm: the bound on each row's Euclidean norm.

    Returns:
        [S] the norms before clipping.
    """
    norms = torch.linalg.vector_norm(grad, dim=1)
    grad.mul_((max_norm / (norms + 1e-6)).clamp_(max=1.0).unsqueeze(1))
    return norms


class SeedOptimiser:
    """Adam over all seeds' parameters, with the gradient clipped per seed.

    Args:
        modules: what to train; their parameters [S, ...] become views of one matrix [S, P].
        lr: learning rate.
        max_grad_norm: bound on each seed's gradient norm; None leaves gradients alone.
        eps: Adam's denominator constant.
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        lr: float,
        max_grad_norm: float | None = None,
        eps: float = 1e-5,
    ) -> None:
        self.max_grad_norm = max_grad_norm
        self.parameters = [parameter for module in modules for parameter in module.parameters()]
        self.flat = flatten_parameters(self.parameters)
        self.grad = self.flat.grad = torch.zeros_like(self.flat)
        self.adam = torch.optim.Adam([self.flat], lr=lr, eps=eps, fused=True)

    def set_lr(self, lr: float) -> None:
        """Changes the learning rate."""
        self.adam.param_groups[0]["lr"] = lr

    def step(self, loss: Tensor, lr_scale: Tensor | None = None) -> Tensor:
        """Descends the sum over seeds of their losses.

        Args:
            loss: scalar, the sum over the seeds.
            lr_scale: [S] factors on the seeds' steps; 0 leaves a seed where it is.

        Returns:
            [S] the gradient norms before clipping.
        """
        grads = torch.autograd.grad(loss, self.parameters, materialize_grads=True)
        torch.cat([grad.flatten(1) for grad in grads], dim=1, out=self.grad)
        if self.max_grad_norm is None:
            norms = torch.linalg.vector_norm(self.grad, dim=1)
        else:
            norms = clip_grad_per_seed(self.grad, self.max_grad_norm)
        if lr_scale is None:
            self.adam.step()
        else:
            before = self.flat.clone()
            self.adam.step()
            self.flat.copy_(torch.lerp(before, self.flat, lr_scale.unsqueeze(1)))
        return norms

    def state_dict(self) -> dict:
        """Parameters and Adam's moments."""
        return {"parameters": self.flat, "adam": self.adam.state_dict()["state"]}

    def load_state_dict(self, state: dict) -> None:
        """Restores both in place, so that the modules' views stay valid."""
        self.flat.copy_(state["parameters"])
        groups = self.adam.state_dict()["param_groups"]
        self.adam.load_state_dict({"state": state["adam"], "param_groups": groups})
