"""The memory of one run of a plan, and the call of the engine that names it."""

from functools import cached_property

import numpy as np

from hwshift.errors import QuantizeError
from hwshift.golden.blocks import COLUMNS
from hwshift.golden.calls import CALL
from hwshift.golden.crew import call_engine
from hwshift.golden.finish import scratch_size
from hwshift.golden.norm import norm_scales
from hwshift.golden.plan import Plan
from hwshift.golden.scale import GATE_SHIFT, MAX_GATE
from hwshift.golden.steps import CONVOLVE, NORM
from hwshift.golden.tiles import tile_words
from hwshift.network.fixed import InstanceNorm

__all__ = ["Context"]


class Context:
    """The memory of one run of a plan, used again by the next.

    Parameters
    ----------
    plan : Plan
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.memory = np.zeros(plan.words, np.int32)
        size = max(
            [scratch_size(int(s.taps), int(s.panels), 0) for s in plan.steps if s.kind == CONVOLVE]
            + [scratch_size(0, 0, int(plan.steps.width.max()))]
        )
        self.floats = np.empty((plan.threads, size), np.float64)
        tiles = [tile_words(int(s.panels) * COLUMNS, int(s.taps)) for s in plan.steps if s.tiles >= 0]
        self.wide = np.empty((plan.threads, max([size, *tiles])), np.int64)
        self.saturated = np.zeros((plan.threads, len(plan.steps)), np.int64)
        norms = [i for i, kind in enumerate(plan.steps.kind) if kind == NORM]
        self._segments = list(zip([0, *norms], [*norms, len(plan.steps)], strict=True))
        channels = max([int(plan.steps.channels[i]) for i in norms], default=0)
        self.scales = np.zeros((plan.images, channels, 3), np.int64)
        self._peaks = np.zeros((plan.threads, plan.maps + len(plan.gates)))
        self._shared = np.zeros((plan.threads + 1) * len(plan.steps), np.int64)

    def run(self, x: np.ndarray, out: np.ndarray) -> None:
        """Compute the plan's images: contiguous ``x`` and ``out`` of shape (images, channels, ...).

        A plan that keeps all maps leaves ``out`` alone.
        """
        x, out = x.reshape(-1), out.reshape(-1)
        for begin, end in self._segments:
            if begin:
                self._normalise(self.plan.names[begin])
            if len(self._segments) > 1:
                self._call["begin"], self._call["end"] = begin, end
            call_engine(self._address, self.plan.threads, x, out)
        if self.plan.gates:
            self._check_gates(self._peaks.max(axis=0)[self.plan.maps :])

    @cached_property
    def _call(self) -> np.ndarray:
        """What the engine is to do: one CALL."""
        plan, recipe = self.plan, self.plan.recipe
        self._scratch = np.array(
            [
                [f.ctypes.data, f.size, w.ctypes.data, w.size]
                for f, w in zip(self.floats, self.wide, strict=True)
            ]
        )
        arrays = {
            "steps": plan.steps.view(np.ndarray), "ints": plan.ints, "reals": plan.reals, "edges": plan.edges,
            "weights": recipe.weights, "terms": recipe.terms, "tiles": recipe.tiles, "memory": self.memory,
            "scratch": self._scratch, "scales": self.scales, "peaks": self._peaks, "saturated": self.saturated,
            "shared": self._shared,
        }  # fmt: skip
        call = np.zeros(1, CALL)
        for name, array in arrays.items():
            call[name], call[f"{name}_size"] = array.ctypes.data, array.size
        call["threads"], call["end"] = plan.threads, len(plan.steps)
        call["strip"], call["stretch"] = plan.strip, plan.stretch
        call["strip_words"] = plan.words // plan.threads
        call["images"], call["channels"] = self.scales.shape[:2]
        return call

    @cached_property
    def _address(self) -> int:
        return self._call.ctypes.data

    def _check_gates(self, peaks: np.ndarray) -> None:
        """Binding proves that gates fit a mantissa; an unbound network is refused when one does not."""
        for name, largest in zip(self.plan.gates, peaks.tolist(), strict=True):
            if largest > MAX_GATE:
                value = largest / (1 << GATE_SHIFT)
                raise QuantizeError(
                    f"gates must be smaller than 2 in magnitude, not {value}; bind the network first",
                    where=name,
                )

    def _normalise(self, name: str) -> None:
        """Scales and biases of an instance normalisation, from its input."""
        recipe = self.plan.recipe
        layer, formats = recipe.network.layer(name), recipe.formats[name]
        assert isinstance(layer.op, InstanceNorm)
        source = np.empty((self.plan.images, *recipe.shapes[layer.inputs[0]]), np.int32)
        self.plan.views[layer.inputs[0]].read(self.memory, source)
        guard, digits = recipe.arithmetic.guard, recipe.arithmetic.scale_digits
        m, s, b = norm_scales(source, layer.op, formats.inputs[0], formats.output, guard, digits)
        self.scales[:, : m.shape[1]] = np.stack([m, s + guard + formats.excess, b], axis=2)
