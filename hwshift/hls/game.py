"""The compiled loops of `hwshift.hls.fifos`."""

import numpy as np
from numba import njit

__all__ = ["play", "timed"]


@njit(cache=True, nogil=True)
def play(code, first, depth, held, at):
    """Let every process go as far as it comes, round after round; whether all have come to their end.

    Parameters
    ----------
    code : int64: 2 * channel + write of every event of every process
    first : int64, shape (processes + 1,): where each process's events begin
    depth, held : int64, shape (channels,): words a FIFO can hold, and holds; `held` is changed
    at : int64, shape (processes,): next event of each process; changed
    """
    moved, done = True, False
    while moved and not done:
        moved, done = False, True
        for process in range(len(at)):
            while at[process] < first[process + 1]:
                event = code[at[process]]
                channel = event // 2
                if event % 2:
                    if held[channel] == depth[channel]:
                        break
                    held[channel] += 1
                else:
                    if held[channel] == 0:
                        break
                    held[channel] -= 1
                at[process] += 1
                moved = True
            done = done and at[process] == first[process + 1]
    return done


@njit(cache=True, nogil=True)
def timed(code, gap, first, depth, words, latency, image_words):
    """The same with a clock; cycles in which the output's images end.

    Parameters
    ----------
    gap : int64: cycles from the event before
    words : int64, shape (channels,): words of all images
    latency : int64, shape (processes,)
    image_words : int: of one image of channel 1, the output
    """
    start = np.zeros(len(words) + 1, np.int64)
    start[1:] = np.cumsum(words)
    put, taken = (
        np.zeros(start[-1], np.int64),
        np.zeros(start[-1], np.int64),
    )  # when each word can be read, was read
    puts, takes = np.zeros(len(words), np.int64), np.zeros(len(words), np.int64)
    puts[0] = words[0]
    at, clock = first[:-1].copy(), np.full(len(latency), -1, np.int64)
    moved = True
    while moved:
        moved = False
        for process in range(len(at)):
            while at[process] < first[process + 1]:
                event, now = code[at[process]], clock[process] + gap[at[process]]
                channel = event // 2
                if event % 2:
                    index = puts[channel]
                    if index - takes[channel] == depth[channel]:
                        break
                    if index >= depth[channel]:
                        now = max(now, taken[start[channel] + index - depth[channel]] + 1 - latency[process])
                    put[start[channel] + index] = now + latency[process]
                    puts[channel] += 1
                else:
                    index = takes[channel]
                    if index == puts[channel]:
                        break
                    now = max(now, put[start[channel] + index])
                    taken[start[channel] + index] = now
                    takes[channel] += 1
                clock[process] = now
                at[process] += 1
                moved = True
    ends = put[start[1] : start[2]]
    return ends[image_words - 1 :: image_words].copy()
