"""Random traffic on an AXI memory, answered by the Python model."""

import numpy as np

from hwshift.config import PRESETS
from hwshift.sim.models.axi_memory import AxiMemory
from hwshift.sim.stalls import StallPattern

from ..seeds import generator

CONFIG = PRESETS["4x4"]
BEAT = CONFIG.beat_bytes
WORDS = 256


def words(count, seed=0):
    """Random beats."""
    return generator(seed).integers(0, 1 << 63, count, dtype=np.uint64)


class Master:
    """At most four bursts each way; a channel offers a transfer at random and holds it until it is taken."""

    def __init__(self, rng, rate):
        self._rng, self._rate = rng, rate
        self.offered = {"ar": None, "aw": None, "w": None}
        self._lacking = []  # beats of accepted write bursts
        self._open = {"ar": 0, "aw": 0}

    def _burst(self, prefix):
        beats = int(self._rng.integers(1, 17))
        word = int(self._rng.integers(0, WORDS - beats))
        return {f"{prefix}addr": word * BEAT, f"{prefix}len": beats - 1, f"{prefix}valid": 1}

    def offer(self):
        """Inputs of this cycle."""
        for name in ("ar", "aw"):
            if self.offered[name] is None and self._open[name] < 4 and self._rng.random() < self._rate:
                self.offered[name] = self._burst(name)
                self._open[name] += 1
        if self.offered["w"] is None and self._lacking and self._rng.random() < 2 * self._rate:
            self._lacking[0] -= 1
            last = self._lacking[0] == 0
            if last:
                self._lacking.pop(0)
            data = int(self._rng.integers(0, 1 << 63))
            self.offered["w"] = {"wdata": data, "wstrb": 0xFF, "wlast": int(last), "wvalid": 1}
        return {key: value for item in self.offered.values() if item for key, value in item.items()}

    def answered(self, answer):
        """What the memory says in this cycle: a last beat or a response ends a burst."""
        self._open["ar"] -= answer["rvalid"] and answer["rlast"]
        self._open["aw"] -= answer["bvalid"]

    def taken(self, channel):
        """A handshake."""
        if channel == "aw":
            self._lacking.append(self.offered["aw"]["awlen"] + 1)
        self.offered[channel] = None


def trace(seed, density, latency, cycles):
    """Inputs and what the Python model answers, and the memory before and after."""
    rng = generator(seed)
    stalls = (
        StallPattern.bursty(density, 4, seed, length=251)
        if seed % 2
        else StallPattern.random(density, seed, 251)
    )
    image = words(WORDS, seed)
    content = image.view(np.uint8).copy()
    model = AxiMemory(CONFIG, 0, content, latency, stalls)
    master = Master(rng, 0.15 if density > 0.8 else 0.3)
    fixed = dict.fromkeys(
        ("arid", "awid", "wlast", "wstrb", "wdata", "araddr", "arlen", "awaddr", "awlen"), 0
    )
    fixed |= {"arsize": 3, "arburst": 1, "awsize": 3, "awburst": 1, "rready": 1, "bready": 1}
    inputs, answers = [], []
    for cycle in range(cycles):
        answers.append(model.drive(cycle))
        offered = master.offer()
        inputs.append(offered)
        driven = fixed | dict.fromkeys(("arvalid", "awvalid", "wvalid"), 0) | offered
        model.observe(cycle, driven.__getitem__)
        for name in ("ar", "aw", "w"):
            if model.handshakes[name]:
                master.taken(name)
        master.answered(answers[-1])
    return inputs, answers, stalls, image, content.view(np.uint64)
