"""Which pixels of the shift buffer can be read together."""

from math import gcd

__all__ = ["lanes_of", "lanes_per_step"]


def lanes_per_step(pixels: int, stride: int) -> int:
    """Pixel lanes that one step can use: the largest power of two without a conflict.

    Lane p of a step reads pixel x + p * stride, which lies in sub-bank (x + p * stride) mod 2P, and a
    sub-bank reads one word per cycle. Odd strides and twice odd strides use every lane, wherever the step
    starts; strides divisible by 4 use fewer. Without a stride all lanes read the same word.

    Parameters
    ----------
    pixels : int
        P, pixel lanes of the array: 1, 2 or 4.
    stride : int
        Pixels from one lane to the next, 0 or more.
    """
    return min(pixels, 2 * pixels // gcd(stride, 2 * pixels)) if stride else pixels


def lanes_of(pixels: int, out_step: int) -> int:
    """Pixel lanes of a step that moves on by ``out_step`` output pixels, on an array of ``pixels`` lanes."""
    return min(out_step, pixels)
