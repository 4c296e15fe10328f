"""Processes of a streaming design and the channels between them: what each reads and writes, and when."""

from dataclasses import dataclass

import numpy as np

from hwshift.hls.layers import Work

__all__ = ["LATENCY", "ROW_OVERHEAD", "Channel", "Process", "events_of"]

LATENCY = {
    "window": 4, "matrix": 14, "channelwise": 12, "sum": 10, "residual": 3, "fork": 1, "narrower": 1, "wider": 1,
}  # fmt: skip
"""Cycles from a read to the write that depends on it, by kind of process: assumed, no tool's figures."""

ROW_OVERHEAD = 4
"""Cycles that a line buffer needs to start a row: assumed."""


@dataclass(frozen=True)
class Channel:
    """A stream of one map, or of its windows.

    Members
    -------
    name : str
        An identifier.
    pixels, channels, lanes : int
        Words per image are ``pixels * channels / lanes``.
    layer : str or None
        Whose map it carries.
    depth : int
        Words its FIFO holds.
    needed : int
        Words without which the design comes to a standstill, or of a pixel if that is more.
    """

    name: str
    pixels: int
    channels: int
    lanes: int
    layer: str | None = None
    depth: int = 2
    needed: int = 2

    @property
    def pixel_words(self) -> int:
        """Words of a pixel, or of its window."""
        return self.channels // self.lanes

    @property
    def words(self) -> int:
        """Words of one image."""
        return self.pixels * self.channels // self.lanes


@dataclass(frozen=True, eq=False)
class Process:
    """One function of the design.

    Members
    -------
    kind : str
        A key of `LATENCY`; the name of its function.
    name : str
        An identifier.
    layer : str
        What it is part of.
    inputs, outputs : tuple of int
        Channels.
    lanes, out_lanes : int
    pixels, channels : int
        Pixels it delivers; channels of a pixel it reads.
    work : Work or None
        Of the layer; None for plumbing.
    multipliers : int
        Processing elements.
    """

    kind: str
    name: str
    layer: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    lanes: int
    out_lanes: int
    pixels: int
    channels: int
    work: Work | None = None
    multipliers: int = 0


def events_of(process: Process, images: int = 1) -> np.ndarray:
    """What a process does with so many images, in order.

    Returns
    -------
    ndarray of int64, shape (events, 2)
        ``2 * channel + write``, and cycles since the event before (0: the same iteration of its loop).
    """
    return _window(process, images) if process.kind == "window" else np.tile(_one(process), (images, 1))


def _one(process: Process) -> np.ndarray:
    kind = process.kind
    if kind == "matrix":
        return _matrix(process)
    if kind == "channelwise":
        return _channelwise(process)
    reads, write = [2 * item for item in process.inputs], [2 * item + 1 for item in process.outputs]
    words = process.pixels * process.channels
    if kind == "narrower":
        parts = process.lanes // process.out_lanes
        return _repeat([(reads[0], 1), (write[0], 0), *[(write[0], 1)] * (parts - 1)], words // process.lanes)
    if kind == "wider":
        parts = process.out_lanes // process.lanes
        return _repeat([*[(reads[0], 1)] * parts, (write[0], 0)], words // process.out_lanes)
    events = [*reads, *write]  # sum, residual, fork: everything in one iteration
    return _repeat([(event, int(index == 0)) for index, event in enumerate(events)], words // process.lanes)


def _repeat(events: list[tuple[int, int]], times: int) -> np.ndarray:
    return np.tile(np.array(events, np.int64), (times, 1))


def _window(process: Process, images: int) -> np.ndarray:
    work = process.work
    assert work is not None and work.window is not None
    words = process.channels // process.lanes
    row, writes = work.in_width * words, work.width * work.window.taps * words
    until = np.array(work.rows_read)
    parts = [_row(process, until[0] * row, 0)]
    for image in range(images):
        rows = until if image < images - 1 else np.minimum(until, work.in_height)
        begin = np.array([until[0] if image else rows[0], *rows[1:-1]])
        parts += [_row(process, count * row, writes) for count in (rows[1:] - begin).tolist()]
    return np.concatenate(parts)


def _row(process: Process, reads: int, writes: int) -> np.ndarray:
    """One row of output: reads and writes evenly spread over its iterations, a read before a write."""
    span = max(reads, writes)
    done = np.arange(span + 1, dtype=np.int64)[:, None] * [reads, writes] // max(span, 1)
    turn = np.diff(done, axis=0) > 0
    iteration, what = np.nonzero(turn)
    out = np.empty((len(what), 2), np.int64)
    out[:, 0] = np.where(what, 2 * process.outputs[0] + 1, 2 * process.inputs[0])
    out[:, 1] = np.diff(iteration, prepend=-1)
    if len(out):
        out[0, 1] += ROW_OVERHEAD
    return out


def _matrix(process: Process) -> np.ndarray:
    work = process.work
    assert work is not None
    taps = 1 if work.window is None else work.window.taps
    inside = taps * process.channels // process.lanes
    outside = work.out_channels // process.out_lanes
    read, write = 2 * process.inputs[0], 2 * process.outputs[0] + 1
    pixel = [*[(read, 1)] * inside, (write, 0), *[(write, inside)] * (outside - 1)]
    return _repeat(pixel, process.pixels)


def _channelwise(process: Process) -> np.ndarray:
    work = process.work
    assert work is not None
    taps = 1 if work.window is None else work.window.taps
    words = process.channels // process.lanes
    read, write = 2 * process.inputs[0], 2 * process.outputs[0] + 1
    return _repeat([*[(read, 1)] * (words * (taps - 1)), *[(read, 1), (write, 0)] * words], process.pixels)
