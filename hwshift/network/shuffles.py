"""Channel shuffles: the permutations that ShuffleNet's paper and its authors' code use between group convolutions."""

import numpy as np

__all__ = ["transpose_shuffle"]


def transpose_shuffle(channels: int, groups: int, *, inverse: bool = False) -> np.ndarray:
    """The order of a channel shuffle, for `hwshift.network.ops.ChannelShuffle` (``out[k] = in[order[k]]``).

    With n = channels / groups, the paper (Zhang et al., 2018, section 3.1) has
    ``out[j * groups + i] = in[i * n + j]``: a (groups, n) matrix transposed. The authors' published code
    transposes an (n, groups) matrix, the inverse: ``out[i * n + j] = in[j * groups + i]``. The two are equal
    only where n = groups.

    Parameters
    ----------
    channels : int
    groups : int
        Divides the channels.
    inverse : bool
        False: as in the paper; True: as in the authors' code.

    Returns
    -------
    ndarray of int64, shape (channels,)

    Raises
    ------
    ValueError
        When the groups do not divide the channels.
    """
    if channels < 1 or groups < 1 or channels % groups:
        raise ValueError(f"groups must divide the {channels!r} channels, not {groups!r}")
    rows = channels // groups if inverse else groups
    return np.arange(channels, dtype=np.int64).reshape(rows, -1).T.ravel()
