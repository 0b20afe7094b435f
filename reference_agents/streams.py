"""Random numbers for many seeds at once: one stream a seed, drawn together, the same on every device.

SplitMix64 is a counter hashed into 64 bits, so draw i of seed s is a pure function of (s, i): all
seeds are drawn by the same few elementwise operations, seed k draws the same alone and among many,
CPU and CUDA agree bit for bit, and the state to store is one counter.

References: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def _signed(value: int) -> int:
    """The two's complement int64 with the same 64 bits (torch multiplies int64 modulo 2**64)."""
    return (value & (2**64 - 1)) - (2**64 if value & 2**63 else 0)


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_MIX_1 = _signed(0xBF58476D1CE4E5B9)
_MIX_2 = _signed(0x94D049BB133111EB)
_UNIFORM_BITS = 23  # (k + 1/2) / 2**23 is exact in float32 and never 0 or 1


def _mix(bits: Tensor) -> Tensor:
    """SplitMix64's finaliser; `>>` on int64 copies the sign, so the copies are masked off."""
    bits = (bits ^ ((bits >> 30) & (2**34 - 1))) * _MIX_1
    bits = (bits ^ ((bits >> 27) & (2**37 - 1))) * _MIX_2
    return bits ^ ((bits >> 31) & (2**33 - 1))


class SeedStreams:
    """One independent random stream for each seed, for one purpose.

    Args:
        seeds: the S seeds.
        purpose: what the numbers are for; streams of different purposes are independent.
        device, dtype: of the numbers drawn. The values do not depend on either.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        purpose: str,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.seeds = tuple(int(seed) for seed in seeds)
        self.device, self.dtype = torch.device(device), dtype
        word = torch.tensor(0)
        for byte in purpose.encode():
            word = _mix(word * 257 + byte + _GOLDEN)
        keys = _mix(torch.tensor([_signed(seed) for seed in self.seeds]) * _GOLDEN + 1)
        self.keys = _mix(keys ^ word).to(self.device)
        self.counter = 0

    @property
    def num_seeds(self) -> int:
        """S, the number of streams."""
        return len(self.seeds)

    def bits(self, *shape: int) -> Tensor:
        """Uniform 64-bit integers [S, *shape], the next ones of every stream."""
        count = math.prod(shape)
        index = torch.arange(self.counter + 1, self.counter + count + 1, device=self.device)
        self.counter += count
        return _mix(self.keys[:, None] + index * _GOLDEN).view(self.num_seeds, *shape)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform numbers [S, *shape] in the open interval (0, 1)."""
        top = (self.bits(*shape) >> (64 - _UNIFORM_BITS)) & (2**_UNIFORM_BITS - 1)
        return (top.to(self.dtype) + 0.5) * 2.0**-_UNIFORM_BITS

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers [S, *shape], by inversion of the distribution function."""
        return torch.special.ndtri(self.uniform(*shape))

    def integers(self, high: int | Tensor, *shape: int) -> Tensor:
        """Integers [S, *shape] uniform in [0, high)."""
        scaled = self.uniform(*shape).double() * high
        return scaled.long()

    def permutations(self, count: int, length: int) -> Tensor:
        """Random permutations [S, count, length] of 0..length-1."""
        return self.bits(count, length).argsort(dim=-1)

    def skip_to(self, block: int) -> None:
        """Continues every stream at the start of a numbered block, whatever was drawn before."""
        self.counter = block << 32

    def state_dict(self) -> dict[str, int]:
        """The position of the streams, enough to continue them."""
        return {"counter": self.counter}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continues from a stored position."""
        self.counter = state["counter"]
