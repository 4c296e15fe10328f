"""What programs make the accelerator do: bins of functional coverage beside the ends of instruction fields."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from hwshift.config import AcceleratorConfig
from hwshift.network import ops
from hwshift.network.fixed import FixedNetwork
from hwshift.network.graph import Network, Node
from hwshift.program.image import Program
from hwshift.program.instruction import Instruction
from hwshift.sim.functional import FunctionalSimulator

from ..golden import oracle
from ..seeds import generator

STAGES = ("first", "after the residual")
VALUES = {
    *product(STAGES, ("saturates high", "saturates low", "fits")),
    *product(STAGES, ("rectified", "passes ReLU", "clamped low", "clamped high", "passes the clamp")),
}
"""What can happen to a value in the epilogue."""
HALO = {
    *product(("above", "beside or inside", "below"), ("left", "over or inside", "right"), ("zeros", "minimum")),
    ("lane that is off",), ("buffer goes round",), ("buffer does not go round",),
}  # fmt: skip
"""Where reads go: rows above, in and below the map, columns left, in and right of it, for both kinds of padding."""


class Observer(FunctionalSimulator):
    """Runs a program and notes the bins of `HALO` that its reads fall into.

    Members
    -------
    halo : set of tuple of str
    """

    def __init__(self, config: AcceleratorConfig, memory: np.ndarray) -> None:
        super().__init__(config, memory)
        self.halo: set[tuple[str, ...]] = set()

    def _compute(self, item: Instruction) -> None:
        padding = "minimum" if item["pad_min"] else "zeros"
        rows = item["y0"] + np.arange(item["rows"]) * item["stride_y"]
        count = (item["steps"] - 1) * item["out_step"] + item["last_pixels"]
        step, lane = np.divmod(np.arange(count), item["out_step"])
        columns = item["x0"] + step * item["x_step"] + lane * item["stride_x"]
        entries = item["ktile_count"] * (item["tiles"] if item["ktile_advance"] else 1)
        for _, number, lane_row in self._ktiles[item["ktile_base"] : item["ktile_base"] + entries].tolist():
            for _, dy, dx, on in self._lanes[lane_row].tolist():
                if not on:
                    self.halo.add(("lane that is off",))
                    continue
                y, x = (rows + dy)[:, None], (columns + dx)[None, :]
                across = {"above": y < 0, "below": y >= item["height"]}
                along = {"left": x < 0, "right": x >= item["width"]}
                across["beside or inside"] = ~across["above"] & ~across["below"]
                along["over or inside"] = ~along["left"] & ~along["right"]
                self.halo |= {(a, b, padding) for (a, v), (b, h) in product(across.items(), along.items())
                              if (v & h).any()}  # fmt: skip
            self._goes_round(item, number)
        super()._compute(item)

    def _goes_round(self, item: Instruction, number: int) -> None:
        _, length, start, row_step, chunk_step = self._sources[number].tolist()
        row = np.arange(item["rows"])
        offset = start + row // item["chunk_rows"] * chunk_step + row % item["chunk_rows"] * row_step
        self.halo |= {("buffer goes round",)} if (offset >= length).any() else set()
        self.halo |= {("buffer does not go round",)} if (offset < length).any() else set()


def halo_of(program: Program, memory: np.ndarray) -> set[tuple[str, ...]]:
    """Bins of `HALO` of a program on a memory."""
    observer = Observer(program.config, memory.copy())
    observer.run(program.program_base)
    return observer.halo


def values_of(
    network: FixedNetwork, arithmetic: object, x: np.ndarray, monkeypatch: object
) -> set[tuple[str, str]]:
    """Bins of `VALUES` of a network on an input, from the oracle's plain integers."""
    found: set[tuple[str, str]] = set()
    inner = oracle.epilogue

    def epilogue(layer, places, acc, scales, biases, residual, act):  # noqa: ANN001, ANN202
        for c, y, z in product(*(range(extent) for extent in layer.shape)):
            e = layer.epilogue
            m, s = scales.get((c, y, z), (int(e.m[c]), int(e.s[c])))
            total = oracle.scaled(acc[c][y][z], m, places + s) + biases.get((c, y, z), int(e.b[c]))
            value = _note(found, STAGES[0], total, e.activation, act)
            if residual is not None:
                _note(found, STAGES[1], value + residual[c][y][z], e.residual_activation, act)
        return inner(layer, places, acc, scales, biases, residual, act)

    with monkeypatch.context() as patch:
        patch.setattr(oracle, "epilogue", epilogue)
        oracle.trace(network, arithmetic, x)
    return found


def _note(found: set, stage: str, total: int, activation: object, act: object) -> int:
    value = oracle.saturate(total, act)
    found.add((stage, "saturates high" if total > value else "saturates low" if total < value else "fits"))
    after = oracle.activate(activation, value, act)
    if activation.kind == "relu":
        found.add((stage, "rectified" if value < 0 else "passes ReLU"))
    if activation.kind == "clamp":
        found.add(
            (
                stage,
                "clamped low" if after > value else "clamped high" if after < value else "passes the clamp",
            )
        )
    return after


def every_power(p_min: int, p_max: int) -> Iterator[tuple[Network, set]]:
    """Networks whose weights are all values of a format: one without zero, one with zero in the place of p_min."""
    powers = [sign * 2.0**p for p in range(p_min, p_max + 1) for sign in (1, -1)]
    without = np.array(powers).reshape(8, 4, 1, 1)
    zero = np.where(np.abs(without) == 2.0**p_min, 0, without)
    for name, weights in (("powers", without), ("zero", zero)):
        nodes = (Node("input", ops.Input(4, 3, 3)), Node("conv", ops.Conv2d(weights), ("input",)))
        yield Network(name, nodes, "conv").verify(), set(weights.ravel().tolist())


def saturating(seed: int) -> Network:
    """Sums far beyond the format, with every activation before and after a residual; borders of both kinds."""
    rng = generator(seed)
    nodes = [Node("input", ops.Input(4, 5, 4))]

    def add(name: str, op: ops.Op, *inputs: str) -> str:
        nodes.append(Node(name, op, inputs))
        return name

    activations = {"none": None, "relu": ops.ReLU(), "clamp": ops.Clamp(-100.0, 200.0)}
    for index, (before, after) in enumerate(product(activations.values(), repeat=2)):
        signs = rng.choice([-1.0, 1.0], (4, 4, 1, 1))
        name = add(f"conv{index}", ops.Conv2d(signs), "input")
        if before is not None:
            name = add(f"before{index}", before, name)
        name = add(f"sum{index}", ops.Add(), name, "input")
        if after is not None:
            add(f"after{index}", after, name)
    add("pool", ops.MaxPool((3, 3), (1, 1), (1, 1, 1, 1)), name)
    add("padded", ops.Conv2d(rng.choice([-0.5, 0.25], (4, 4, 3, 3)), None, (1, 1), (1, 1, 1, 1)), "pool")
    names = {source for node in nodes for source in node.inputs}
    ends = [node.name for node in nodes if node.name not in names]
    joined = add("joined", ops.Concat(), *ends)
    return Network("saturating", tuple(nodes), joined).verify()
