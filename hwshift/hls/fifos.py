"""The game of words and FIFOs: how deep FIFOs must be so that nothing comes to a standstill, and how long images take.

What a process reads and writes, in which order, does not depend on its data or on time. So whether a design with
FIFOs of given depths comes to a standstill can be played out, and if it does, the processes that wait for each other
form a ring in which one waits for room: that FIFO is made deeper, and the game goes on.
"""

from collections.abc import Sequence

import numpy as np

from hwshift.errors import CompileError

__all__ = ["fifo_depths", "image_ends"]


def fifo_depths(
    events: Sequence[np.ndarray],
    words: Sequence[int],
    forks: Sequence[bool],
    images: int,
    least: Sequence[int],
) -> list[int]:
    """Depths with which the images of some events pass.

    Parameters
    ----------
    events : sequence of ndarray of int64, shape (events, 2)
        Per process, from `hwshift.hls.process.events_of`.
    words : sequence of int
        Words per image of each channel; channels 0 and 1, input and output, have room for all.
    forks : sequence of bool
        Which processes are forks: where there is a choice, the FIFO behind a fork is made deeper.
    images : int
    least : sequence of int
        Where every FIFO starts.

    Returns
    -------
    list of int
        Those of channels 0 and 1 are their words per image.
    """
    code, first = _join(events)
    depth = np.array(least, np.int64)
    depth[:2] = np.array(words[:2]) * images
    held, at = np.zeros(len(words), np.int64), first[:-1].copy()
    held[0] = depth[0]
    ends = _ends(events)
    while not _play(code, first, depth, held, at):
        depth[_to_grow(code, at, first, ends, depth, forks)] += 1
    return [*words[:2], *depth[2:].tolist()]


def _ends(events: Sequence[np.ndarray]) -> tuple[dict[int, int], dict[int, int]]:
    """Which process reads and which writes each channel."""
    reader: dict[int, int] = {}
    writer: dict[int, int] = {}
    for number, item in enumerate(events):
        for event in np.unique(item[:, 0]).tolist():
            (writer if event % 2 else reader)[event // 2] = number
    return reader, writer


def _join(events: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    first = np.cumsum([0, *(len(item) for item in events)])
    return np.concatenate([item[:, 0] for item in events]), first


def _to_grow(
    code: np.ndarray,
    at: np.ndarray,
    first: np.ndarray,
    ends: tuple[dict[int, int], dict[int, int]],
    depth: np.ndarray,
    forks: Sequence[bool],
) -> int:
    """The channel to make deeper: one of the ring of processes that wait for each other."""
    reader, writer = ends
    process, seen = int(np.flatnonzero(at < first[1:])[0]), []  # type: int, list[int]
    while process not in seen:
        seen.append(process)
        event = int(code[at[process]])
        process = (reader if event % 2 else writer)[event // 2]
    ring = seen[seen.index(process) :]
    full = [(not forks[number], int(depth[code[at[number]] // 2]), int(code[at[number]] // 2))
            for number in ring if code[at[number]] % 2]  # fmt: skip
    if not full:
        raise CompileError("the processes of this design wait for each other without a FIFO between them")
    return min(full)[2]


def _play(code: np.ndarray, first: np.ndarray, depth: np.ndarray, held: np.ndarray, at: np.ndarray) -> bool:
    """Let every process go as far as it comes, round after round; whether all have come to their end."""
    from hwshift.hls.game import play

    return bool(play(code, first, depth, held, at))


def image_ends(
    events: Sequence[np.ndarray],
    words: Sequence[int],
    depth: Sequence[int],
    latency: Sequence[int],
    images: int,
) -> np.ndarray:
    """When the images of a stream end, by the same game with a clock.

    Parameters
    ----------
    events, words, images
        As for `fifo_depths`.
    depth : sequence of int
        Of each FIFO.
    latency : sequence of int
        Per process, cycles from an iteration of its loop to its writes.

    Returns
    -------
    ndarray of int64, shape (images,)
        Cycles from the first word in to the last word of each image out.
    """
    from hwshift.hls.game import timed

    code, first = _join(events)
    gap = np.concatenate([item[:, 1] for item in events])
    total = np.array(words, np.int64) * images
    room = np.array(depth, np.int64)
    room[:2] = total[:2]
    return timed(code, gap, first, room, total, np.array(latency, np.int64), int(words[1]))
