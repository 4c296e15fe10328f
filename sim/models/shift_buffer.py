"""What the shift buffer must do: a model of its ports in plain Python, and traces to play to the RTL.

What port A must read comes from whole maps, by (row, column), and knows nothing of words and sub-banks; what
port B does is modelled by request.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.program.isa import LANE_ENTRY
from hwshift.program.ports import lanes_per_step
from hwshift.timing import timing

__all__ = ["Buffer", "Cycle", "Lane", "PortBModel", "contention_trace", "expected_x", "reading_trace"]

Request = dict[str, Any]


@dataclass
class Cycle:
    """One cycle of a trace.

    Members
    -------
    requests : dict of str to dict or None
        By port (``cmd``, ``lane_write``, ``write``, ``residual``, ``load``, ``store``): the payload's fields;
        a port left out is idle. ``write_data``: the data of the write two cycles before.
    ready : dict of str to bool
        What load and store must see in this cycle.
    outputs : dict of str to (ndarray, ndarray of bool)
        What ``x``, ``residual_data`` and ``store_data`` must show in this cycle, and where that counts.
    """

    requests: dict[str, Request] = field(default_factory=dict)
    ready: dict[str, bool] = field(default_factory=dict)
    outputs: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


@dataclass(frozen=True)
class Buffer:
    """Where a map lies: (y, slot, x) is at word (y * row_words + slot * pitch + x // 2P) mod length."""

    base: int
    length: int
    row_words: int
    pitch: int

    def place(self, config: AcceleratorConfig, y: int, slot: int, x: int) -> tuple[int, int]:
        """Sub-bank and word of a pixel."""
        offset = y * self.row_words + slot * self.pitch + x // config.sub_banks
        return x % config.sub_banks, self.base + offset % self.length


@dataclass(frozen=True)
class Lane:
    """One entry of the lane table, in terms of the map."""

    slot: int
    dy: int
    dx: int
    enable: bool

    def pack(self, buffer: Buffer) -> int:
        """The entry's bits."""
        offset = (self.dy * buffer.row_words + self.slot * buffer.pitch) % buffer.length
        return LANE_ENTRY.pack({"offset": offset, "dy": self.dy, "dx": self.dx, "enable": int(self.enable)})


def expected_x(
    config: AcceleratorConfig, maps: np.ndarray, lanes: list[Lane], step: Request, slot0: int
) -> np.ndarray:
    """What a step reads.

    Parameters
    ----------
    maps : ndarray of int64, shape (slots, R, height, width)
    lanes : list of R Lane
    step : dict
        ``y``, ``x``, ``stride_x``, ``relu_fetch`` and ``pad_min``.
    slot0 : int
        Added to every lane's slot.

    Returns
    -------
    ndarray of int64, shape (P, R)
    """
    height, width = maps.shape[2:]
    out = np.zeros((config.pixels, config.rows), np.int64)
    for bank, lane in enumerate(lanes):
        for pixel in range(config.pixels):
            y, x = step["y"] + lane.dy, step["x"] + pixel * step["stride_x"] + lane.dx
            if not lane.enable:
                continue
            if 0 <= y < height and 0 <= x < width:
                out[pixel, bank] = maps[slot0 + lane.slot, bank, y, x]
            elif step["pad_min"]:
                out[pixel, bank] = config.act.min
    return np.maximum(out, 0) if step["relu_fetch"] else out


class PortBModel:
    """Port B: contents of all banks, priorities, and the requests of one cycle at a time."""

    def __init__(self, config: AcceleratorConfig) -> None:
        self.config = config
        self.memory = np.zeros((config.rows, config.sub_banks, config.feature_depth), np.int64)

    def cycle(
        self, requests: dict[str, Request]
    ) -> tuple[dict[str, bool], dict[str, tuple[np.ndarray, np.ndarray]]]:
        """Who is ready, and what the outputs show in the next cycle; reads see what was written before."""
        busy = {requests[port]["half"] for port in ("write", "residual") if port in requests}
        ready: dict[str, bool] = {}
        outputs = {}
        for port in ("load", "store"):
            if port in requests:
                half = requests[port]["sub"] // self.config.pixels
                ready[port] = half not in busy
                busy.add(half)
        if "residual" in requests:
            outputs["residual_data"] = self._residual(requests["residual"])
        if ready.get("store"):
            request = requests["store"]
            data = self.memory[:, request["sub"], request["word"]].copy()
            outputs["store_data"] = data, np.ones(self.config.rows, bool)
        if "write" in requests:
            self._write(requests["write"])
        if ready.get("load"):
            request = requests["load"]
            for bank in range(self.config.rows):
                if request["banks"] >> bank & 1:
                    self.memory[bank, request["sub"], request["word"]] = request["data"][bank]
        return ready, outputs

    def _residual(self, request: Request) -> tuple[np.ndarray, np.ndarray]:
        shape = self.config.pixels, self.config.columns
        data, known = np.zeros(shape, np.int64), np.zeros(shape, bool)
        first = request["group"] * self.config.columns
        for pixel in range(self.config.pixels - request["lane0"]):
            sub = request["half"] * self.config.pixels + request["lane0"] + pixel
            data[pixel] = self.memory[first : first + self.config.columns, sub, request["word"]]
            known[pixel] = True
        return data, known

    def _write(self, request: Request) -> None:
        for pixel in range(self.config.pixels - request["lane0"]):
            sub = request["half"] * self.config.pixels + request["lane0"] + pixel
            for column in range(self.config.columns):
                if request["pixels"] >> pixel & 1 and request["columns"] >> column & 1:
                    bank = request["group"] * self.config.columns + column
                    self.memory[bank, sub, request["word"]] = request["data"][pixel][column]


def reading_trace(
    config: AcceleratorConfig,
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    *,
    rows_held: int | None = None,
    by_slot: bool = False,
    steps: int = 200,
) -> list[Cycle]:
    """Fill the buffer with junk, load a random map and lane table, then read at random.

    Parameters
    ----------
    shape : (slots, height, width)
    rows_held : int or None
        The buffer is circular and holds that many rows, from a random one on; None: all rows.
    by_slot : bool
        Slots lie one behind the other as whole maps, instead of interleaved by row.
    """
    slots, height, width = shape
    held = height if rows_held is None else rows_held
    words = -(-width // config.sub_banks)
    buffer = Buffer(0, slots * held * words, words, held * words) if by_slot else Buffer(
        0, slots * held * words, slots * words, words)  # fmt: skip
    base = int(rng.integers(config.feature_depth - buffer.length + 1))
    buffer = Buffer(base, buffer.length, buffer.row_words, buffer.pitch)
    first = int(rng.integers(height - held + 1))
    maps = rng.integers(config.act.min, config.act.max + 1, (slots, config.rows, height, width))
    lanes = [_lane_row(config, rng, slots, held < height) for _ in range(config.lane_rows)]
    trace = _fill(config, rng, maps, buffer, range(first, first + held))
    trace[-1:-1] = _lane_writes(config, rng, lanes, buffer)  # the last load comes right before the first step
    window = range(first, first + held)
    return trace + _steps(config, rng, maps, lanes, buffer, window, steps)


def _lane_row(config: AcceleratorConfig, rng: np.random.Generator, slots: int, near: bool) -> list[Lane]:
    """Displacements of one kind: none, those of a 3 x 3 kernel, any, or the extremes."""
    reach = [(0, 0), (-1, 1), (-1, 1) if near else (-64, 63)][rng.integers(3)]
    extreme = not near and rng.random() < 0.25

    def displacement() -> int:
        return int(rng.choice([-64, 63]) if extreme else rng.integers(reach[0], reach[1] + 1))

    return [
        Lane(int(rng.integers(slots)), displacement(), displacement(), bool(rng.random() < 0.85))
        for _ in range(config.rows)
    ]


def _fill(
    config: AcceleratorConfig, rng: np.random.Generator, maps: np.ndarray, buffer: Buffer, rows: range
) -> list[Cycle]:
    """Junk everywhere, then the map, in random order."""
    act, every = config.act, (1 << config.rows) - 1

    def load(sub: int, word: int, data: np.ndarray) -> Cycle:
        request = {"sub": sub, "word": word, "banks": every, "data": data.tolist()}
        return Cycle({"load": request}, {"load": True})

    junk = [
        load(sub, word, rng.integers(act.min, act.max + 1, config.rows))
        for sub in range(config.sub_banks)
        for word in range(config.feature_depth)
    ]
    pixels = [
        load(*buffer.place(config, y, slot, x), maps[slot, :, y, x])
        for slot in range(maps.shape[0])
        for y in rows
        for x in range(maps.shape[3])
    ]
    rng.shuffle(pixels)
    return junk + pixels


def _lane_writes(
    config: AcceleratorConfig, rng: np.random.Generator, lanes: list[list[Lane]], buffer: Buffer
) -> list[Cycle]:
    beats = []
    for row, entries in enumerate(lanes):
        bits = sum(lane.pack(buffer) << 32 * index for index, lane in enumerate(entries))
        for beat in range(config.lane_beats):
            data = bits >> beat * config.bus_width & ((1 << config.bus_width) - 1)
            beats.append({"address": row * config.lane_beats + beat, "data": data})
    rng.shuffle(beats)
    return [Cycle({"lane_write": beat}) for beat in beats]


def _steps(
    config: AcceleratorConfig,
    rng: np.random.Generator,
    maps: np.ndarray,
    lanes: list[list[Lane]],
    buffer: Buffer,
    window: range,
    count: int,
) -> list[Cycle]:
    """Steps with random gaps; a step is drawn again where it would read a row the buffer does not hold."""
    latency = timing(config).x_stage - timing(config).lane_stage
    trace: list[Cycle] = []
    drawn = 0
    while drawn < count:
        row = int(rng.integers(config.lane_rows))
        step, slot0 = _step(config, rng, maps.shape, lanes[row], buffer, window)
        reads = [step["y"] + lane.dy for lane in lanes[row] if lane.enable]
        if any(0 <= y < maps.shape[2] and y not in window for y in reads):
            continue
        drawn += 1
        used = np.zeros((config.pixels, config.rows), bool)
        used[: lanes_per_step(config.pixels, step["stride_x"])] = True
        cycles = [Cycle() for _ in range(int(rng.choice([0, 0, 0, 1, 3])))] + [
            Cycle({"cmd": {"lane_row": row} | step})
        ]
        trace += cycles
        trace[-1].outputs["x"] = expected_x(config, maps, lanes[row], step, slot0), used
    return _later(trace, "x", latency)


def _step(
    config: AcceleratorConfig,
    rng: np.random.Generator,
    shape: tuple[int, ...],
    lanes: list[Lane],
    buffer: Buffer,
    window: range,
) -> tuple[Request, int]:
    """A step near the map, or as far from it as one lane's displacement, so that the lane meets its edge."""
    slots, _, height, width = shape
    lane = lanes[rng.integers(config.rows)]
    x = int(rng.integers(-4, width + 4)) - lane.dx * int(rng.integers(2))
    y = int(rng.integers(window.start - 2, window.stop + 2)) - lane.dy * int(rng.integers(2))
    if rng.random() < 0.05:  # far away
        x, y = (int(rng.choice([-(1 << 17), (1 << 17) - 64, -(1 << 16), 1 << 16, x])) for _ in range(2))
    slot0 = int(rng.integers(slots - max(lane.slot for lane in lanes)))
    return {
        "y": y, "x": x, "offset": y * buffer.row_words % buffer.length + slot0 * buffer.pitch,
        "base": buffer.base, "length": buffer.length, "height": height, "width": width,
        "stride_x": int(rng.choice([0, 1, 1, 2, 2, 3, 4, 5, 8, 15])),
        "relu_fetch": int(rng.random() < 0.3), "pad_min": int(rng.random() < 0.3),
    }, slot0  # fmt: skip


def _later(trace: list[Cycle], output: str, cycles: int) -> list[Cycle]:
    """Move an output's expectation that many cycles back in the trace."""
    trace = trace + [Cycle() for _ in range(cycles)]
    moved = [item.outputs.pop(output, None) for item in trace]
    for item, value in zip(trace[cycles:], moved, strict=False):
        if value is not None:
            item.outputs[output] = value
    return trace


def contention_trace(config: AcceleratorConfig, rng: np.random.Generator, cycles: int = 400) -> list[Cycle]:
    """Random requests of all four users of port B, held until granted; at the end every word is read."""
    model, trace = PortBModel(config), []
    waiting: dict[str, Request] = {}
    rates = {port: rng.choice([0.1, 0.5, 1.0]) for port in ("write", "residual", "load", "store")}
    for _ in range(cycles):
        requests = dict(waiting)
        for port, rate in rates.items():
            if port not in requests and rng.random() < rate:
                requests[port] = _request(config, rng, port)
        if {"write", "residual"} <= set(requests) and requests["write"]["half"] == requests["residual"][
            "half"
        ]:
            requests["residual"] = requests["residual"] | {"half": 1 - requests["write"]["half"]}
        trace.append(_answered(model, requests))
        waiting = {port: requests[port] for port, ready in trace[-1].ready.items() if not ready}
    drain = [
        {"sub": sub, "word": word} for sub in range(config.sub_banks) for word in range(config.feature_depth)
    ]
    for request in drain:
        trace.append(_answered(model, {"store": request}))
    return _ahead(trace, config)


def _ahead(trace: list[Cycle], config: AcceleratorConfig) -> list[Cycle]:
    """Requests of write and residual a cycle before the others, a write's data a cycle behind them."""
    trace = [Cycle(), *trace]
    for index, item in enumerate(trace):
        for port in ("write", "residual"):
            if port in item.requests:
                trace[index - 1].requests[port] = dict(item.requests.pop(port))
        if "write" in trace[index - 1].requests and index:
            trace[index + 1].requests["write_data"] = trace[index - 1].requests["write"].pop("data")
    return _later(_later(trace, "residual_data", 2), "store_data", timing(config).store_data)


def _answered(model: PortBModel, requests: dict[str, Request]) -> Cycle:
    ready, outputs = model.cycle(requests)
    return Cycle(requests, ready, outputs)


def _request(config: AcceleratorConfig, rng: np.random.Generator, port: str) -> Request:
    act = config.act
    word = int(rng.integers(8))  # few words, so that users meet
    place = {
        "half": int(rng.integers(2)), "lane0": int(rng.integers(config.pixels)),
        "group": int(rng.integers(config.groups)), "word": word,
    }  # fmt: skip
    if port == "write":
        data = rng.integers(act.min, act.max + 1, (config.pixels, config.columns)).tolist()
        masks = {
            "pixels": int(rng.integers(1 << config.pixels)),
            "columns": int(rng.integers(1 << config.columns)),
        }
        return place | masks | {"data": data}
    if port == "residual":
        return place
    request: Request = {"sub": int(rng.integers(config.sub_banks)), "word": word}
    if port == "load":
        request["banks"] = int(rng.integers(1 << config.rows))
        request["data"] = rng.integers(act.min, act.max + 1, config.rows).tolist()
    return request
