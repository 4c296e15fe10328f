"""From a layer to the step that the compiled engine runs."""

import math
from typing import Any

import numpy as np

from hwshift.golden.blocks import COLUMNS, ROWS
from hwshift.golden.epilogue import activation_range
from hwshift.golden.layout import Geometry
from hwshift.golden.limbs import MOST_LIMBS
from hwshift.golden.packing import PackedWeights
from hwshift.golden.places import Places, View
from hwshift.golden.pools import pool_counts
from hwshift.golden.recipe import Recipe
from hwshift.golden.rows import FULL, PLAIN
from hwshift.golden.scale import GATE_SHIFT, average_scale
from hwshift.golden.sigmoid import SIGMOID_ENTRIES, sigmoid_table
from hwshift.golden.steps import (
    CONVOLVE,
    COPY,
    CUTS,
    DIRECT,
    LEAVE,
    NORM,
    POOL,
    SCALE,
    SHIFT,
    STEP,
    SUM,
    UPSAMPLE,
)
from hwshift.golden.strips import Edges, StripPlaces, reach
from hwshift.golden.tables import MOST_PANELS, Tables, padded, strides
from hwshift.golden.x86 import FAR, NEAR, VECTORS_512
from hwshift.network import fixed
from hwshift.network.layer_formats import LayerFormats

__all__ = ["StepBuilder"]

_CUT = 24  # bits below which a scale works on the lower part of a float64 accumulator
_PANEL_BYTES = 1 << 18  # packed pixels that stay in a core's cache
_ROWS = 16  # output channels of a part that does them one by one
_CUT_TAPS = 1 << 13  # sums of so many products have room for what is carried over from the sum below
_LEAST_PANELS = 4  # of positions, for which a channel is worth being begun
_NEAR_WORDS = 1 << 22  # of an arena that is not read from memory, but from some cache
_PARTS = 8  # per thread, so that no thread waits long
_WORTH = 1 << 18  # multiplications that are worth a part of their own
_PRODUCT, _FINISH, _SCATTER, _PACK, _GATHER = 1, 20, 40, 5, 25  # what a pixel costs, in products


class StepBuilder:
    """Steps of a network's layers, and the tables they point into.

    Parameters
    ----------
    recipe : Recipe
    places : Places or StripPlaces
    images, threads : int

    Members
    -------
    ints, reals : Tables
    edges : Edges
    gates : list of str
        Layers that scale channels.
    """

    def __init__(self, recipe: Recipe, places: Places | StripPlaces, images: int, threads: int) -> None:
        self.recipe, self.places, self.images, self.threads = recipe, places, images, threads
        self.ints, self.reals = Tables(np.int64), Tables(np.float64)
        self.reals.add([1.0] * COLUMNS + [0.0] * COLUMNS)  # masks of short rows
        self.gates: list[str] = []
        self.edges = Edges(recipe.network.input.shape[1:])

    def of(self, layer: fixed.FixedLayer) -> dict:
        """The fields of STEP for a layer."""
        view = self.places.views[layer.name]
        g = view.geometry
        step = self._blank(layer.shape[0]) | {
            "target": self.ints.add(view.planes), "map": self.places.writers[layer.name],
            "height": g.height, "width": g.width, "first": g.first, "pitch": g.pitch, "step": g.image_step,
        }  # fmt: skip
        if layer.inputs:
            self._reads(step, layer.inputs)
        match layer.op:
            case fixed.Input():
                step |= {"kind": COPY} | self._rows(layer.shape[1])
            case fixed.Conv():
                self._taps(step, layer, layer.op)
            case fixed.Pool():
                self._pool(step, layer, layer.op)
            case fixed.Sum():
                self._sum(step, layer)
            case fixed.ChannelScale():
                self._gates(step, layer)
            case fixed.InstanceNorm():
                step |= {"kind": NORM, "up": self.recipe.arithmetic.guard, "largest": math.inf}
            case fixed.Shift():
                step |= {"kind": SHIFT, "offsets": self.ints.add(layer.op.offsets)}
            case fixed.Upsample():
                step |= {"kind": UPSAMPLE, "stride_y": layer.op.factor[0], "stride_x": layer.op.factor[1]}
        if layer.epilogue is not None:
            self._epilogue(step, layer, layer.epilogue)
        return step

    def output(self) -> dict:
        """The fields of STEP for what leaves the arena at the end."""
        layer = self.recipe.network.output
        step = self._blank(layer.shape[0]) | {"kind": LEAVE} | self._rows(layer.shape[1])
        self._reads(step, (layer.name,))
        return step

    def _blank(self, channels: int) -> dict[str, Any]:
        return dict.fromkeys(STEP.names or (), 0) | {
            "second": -1, "residual": -1, "pixel_scales": -1, "table": -1, "residual_table": -1, "terms": -1,
            "tiles": -1, "tap_edges": -1, "linear": 1, "channels": channels, "parts": channels, "images": self.images,
            "stride_y": 1, "stride_x": 1, "ahead": NEAR if self.places.touched <= _NEAR_WORDS else FAR,
        }  # fmt: skip

    def _rows(self, height: int) -> dict[str, int]:
        """As many parts as keep all threads busy."""
        parts = 1 if self.threads == 1 else min(height, _PARTS * self.threads)
        rows = -(-height // parts)
        return {"rows": rows, "parts": -(-height // rows)}

    def _reads(self, step: dict, inputs: tuple[str, ...]) -> None:
        source = self.places.views[inputs[0]]
        g = source.geometry
        maps = list(dict.fromkeys(number for name in inputs for number in self.places.views[name].maps))
        step |= {
            "source": self.ints.add(source.planes), "sources": self.ints.add(maps), "source_count": len(maps),
            "in_height": g.height, "in_width": g.width, "in_first": g.first, "in_pitch": g.pitch,
            "in_step": g.image_step,
        }  # fmt: skip

    def _taps(self, step: dict, layer: fixed.FixedLayer, op: fixed.Conv | fixed.Pool) -> None:
        """A sum over taps: convolution, or average over a small window."""
        packed = self.recipe.packed[layer.name]
        source, target = self.places.views[layer.inputs[0]], self.places.views[layer.name].geometry
        g, taps = source.geometry, packed.taps
        groups, count = taps.shape[:2]
        reads = source.planes[taps[..., 0]] + taps[..., 1] * g.pitch + taps[..., 2]
        step |= {
            "maximum": int(isinstance(op, fixed.Pool) and op.kind == "max"),
            "kind": DIRECT if packed.direct else CONVOLVE, "groups": groups, "per_group": layer.shape[0] // groups,
            "taps": count,
            "tap_at": self.ints.add(reads),
            "weights": packed.weights, "terms": packed.terms, "exact": packed.exact, "largest": packed.largest,
            "weights_step": packed.reals.size // layer.shape[0] if packed.direct and not packed.shared else 0,
            "terms_step": 3 * count if packed.direct and not packed.shared else 0,
        }  # fmt: skip
        if isinstance(self.places, StripPlaces):
            self._masks(step, layer, packed, source)
        else:
            self._positions(step, g, target, op.stride, step["per_group"])
        if step["kind"] == CONVOLVE:
            self._tiles(step, layer, packed, reads)
            self._parts(step)
        else:
            self._channel_parts(step)

    def _positions(
        self, step: dict, source: Geometry, target: Geometry, stride: tuple[int, int], outputs: int
    ) -> None:
        """Gaps are computed too where that costs less than to look every position up."""
        linear = False
        if source == target and stride == (1, 1):
            product = outputs * (step["taps"] * _PRODUCT + _FINISH)
            in_gaps = -(-target.count // COLUMNS) * (product + step["taps"] * _PACK)
            looked_up = -(-target.pixels // COLUMNS) * (product + outputs * _SCATTER + step["taps"] * _GATHER)
            linear = in_gaps <= looked_up
        step |= {"linear": int(linear), "count": target.count if linear else target.pixels}
        if linear:
            step["mask"] = self.reals.add(padded(target.inside))
            return
        size = (target.height, target.width)
        reads = padded(source.positions(stride, size), edge=True)
        step |= {"read_at": self.ints.add(reads), "read_strides": self.ints.add(strides(reads))}
        step["write_at"] = self.ints.add(padded(target.positions(), edge=True))
        step["mask"] = self.reals.add(padded(np.ones(target.pixels)))

    def _masks(self, step: dict, layer: fixed.FixedLayer, packed: PackedWeights, source: View) -> None:
        """All pixels of maps without margins, in one row."""
        assert packed.tiles is not None
        before, behind = reach(self.recipe, layer)
        edges = np.array([[self.edges.at(dy, dx) for _, dy, dx in taps] for taps in packed.taps.tolist()])
        step |= {
            "count": source.geometry.pixels, "mask": -1,
            "tap_edges": self.ints.add(packed.tiles.padded(edges)),
            "tap_planes": self.ints.add(packed.tiles.padded(source.planes[packed.taps[..., 0]])),
            "before": before, "behind": behind,
        }  # fmt: skip

    def _tiles(self, step: dict, layer: fixed.FixedLayer, packed: PackedWeights, reads: np.ndarray) -> None:
        """Whether the matrix unit does the products, for inputs of how many limbs."""
        tiles = packed.tiles
        if tiles is None or self.recipe.tile_choice == "never":
            return
        step |= {
            "tiles": tiles.at, "tile_limbs": MOST_LIMBS,
            "tile_wild": MOST_LIMBS if self.recipe.always_tiled(layer.name) else 0,
            "tile_taps": self.ints.add(tiles.padded(reads)),
            "tile_chunk": tiles.chunk, "tile_chunks": tiles.chunks, "tile_rows": tiles.rows,
            "tile_signed": int(tiles.signed),
            "tile_blocks": self.ints.add(tiles.blocks),
        }  # fmt: skip

    def _channel_parts(self, step: dict) -> None:
        """Parts of a step that goes channel by channel: some channels at some positions."""
        whole = -(-step["count"] // COLUMNS)
        rows, shares = min(_ROWS, step["channels"]), 1
        if self.threads > 1:
            shares = min(_PARTS * self.threads, whole // _LEAST_PANELS) or 1
            rows = max(1, min(rows, step["channels"] * shares // (_PARTS * self.threads)))
        panels = -(-whole // shares)
        panels += panels % 2
        splits = -(-step["channels"] // rows)
        step |= {
            "tile_rows": rows, "panels": panels, "splits": splits, "parts": splits * -(-whole // panels),
            "tile_limbs": MOST_LIMBS if VECTORS_512 and self.recipe.tile_choice != "never" else 0,
        }  # fmt: skip

    def _parts(self, step: dict) -> None:
        """Large parts reuse packed pixels and weights; enough of them keep all threads busy."""
        tiled = step["tiles"] >= 0  # bytes instead of float64, and panels of tiles are two of COLUMNS
        least, size = (4, 3) if tiled else (1, 8)
        panels = min(MOST_PANELS, max(least, _PANEL_BYTES // (size * step["taps"] * COLUMNS)))
        whole = -(-step["count"] // COLUMNS)
        blocks = -(-step["per_group"] // ROWS)
        splits = 1
        if self.threads > 1:
            work = step["groups"] * whole * blocks * step["taps"] * ROWS * COLUMNS
            wanted = min(_PARTS * self.threads, max(1, work // _WORTH))
            panels = max(1, min(panels, step["groups"] * whole // wanted))
            splits = min(blocks, max(1, wanted // (step["groups"] * -(-whole // panels))))
        panels += panels % 2 if tiled else 0
        step |= {"panels": panels, "splits": splits, "parts": step["groups"] * -(-whole // panels) * splits}

    def _pool(self, step: dict, layer: fixed.FixedLayer, op: fixed.Pool) -> None:
        if layer.name in self.recipe.packed:
            self._taps(step, layer, op)
            return
        fmt, guard = self.recipe.formats[layer.name].inputs[0], self.recipe.arithmetic.guard
        step |= {
            "kind": POOL, "kernel_y": op.kernel[0], "kernel_x": op.kernel[1], "stride_y": op.stride[0],
            "stride_x": op.stride[1], "top": op.padding[0], "left": op.padding[1],
            "maximum": int(op.kind == "max"), "outside": fmt.min if op.kind == "max" else 0, "up": guard,
            "largest": math.ldexp(1 if op.kind == "max" else op.kernel[0] * op.kernel[1], guard),
        }  # fmt: skip

    def _sum(self, step: dict, layer: fixed.FixedLayer) -> None:
        formats, guard = self.recipe.formats[layer.name], self.recipe.arithmetic.guard
        ups = [guard + formats.fraction - fmt.n for fmt in formats.inputs]
        step |= {"kind": SUM, "up": ups[0], "largest": sum(math.ldexp(1, up) for up in ups)}
        if len(layer.inputs) > 1:
            step |= {"second": self.ints.add(self.places.views[layer.inputs[1]].planes), "second_up": ups[1]}

    def _gates(self, step: dict, layer: fixed.FixedLayer) -> None:
        gate = self.places.views[layer.inputs[1]]
        step |= {
            "kind": SCALE, "up": self.recipe.arithmetic.guard,
            "largest": math.ldexp(1, self.recipe.arithmetic.guard), "second": self.ints.add(gate.planes),
            "gate_map": self.places.maps + len(self.gates), "gate_first": gate.geometry.first,
            "gate_step": gate.geometry.image_step,
            "gate_up": GATE_SHIFT - self.recipe.formats[layer.name].inputs[1].n,
        }  # fmt: skip
        self.gates.append(layer.name)

    def _epilogue(self, step: dict, layer: fixed.FixedLayer, epilogue: fixed.Epilogue) -> None:
        formats = self.recipe.formats[layer.name]
        act = formats.output
        step |= {"low": act.min, "high": act.max}
        for prefix, activation in (("", epilogue.activation), ("residual_", epilogue.residual_activation)):
            kind = "none" if activation.kind == "sigmoid" else activation.kind
            low, high = activation_range(kind, activation.lo, activation.hi, act)
            step |= {f"{prefix}floor": low, f"{prefix}ceiling": high}
            if activation.kind == "sigmoid":
                step[f"{prefix}table"] = self.ints.add(sigmoid_table(act))
        step["table_scale"] = SIGMOID_ENTRIES / 16 / math.ldexp(1, act.n)
        if layer.residual is not None:
            assert formats.residual is not None
            up, view = act.n - formats.residual.n, self.places.views[layer.residual]
            step |= {
                "residual": self.ints.add(view.planes), "residual_sources": self.ints.add(list(view.maps)),
                "residual_source_count": len(view.maps), "residual_factor": math.ldexp(1, up),
                "residual_up": min(max(up, 0), 31), "residual_down": min(max(-up, 0), 31),
            }  # fmt: skip
        self._scales(step, layer, epilogue, formats)

    def _scales(
        self, step: dict, layer: fixed.FixedLayer, epilogue: fixed.Epilogue, formats: LayerFormats
    ) -> None:
        """(m, t) per channel, or per pixel, with the total shift t."""
        beyond = self.recipe.arithmetic.guard + formats.excess
        m, t = epilogue.m.astype(np.float64), (epilogue.s + beyond).astype(np.float64)
        if step["kind"] == SCALE:
            m[:], t[:] = 0, GATE_SHIFT + beyond  # the gates are m
        if isinstance(layer.op, fixed.Pool) and layer.op.kind == "avg":
            counts = pool_counts(self.recipe.shapes[layer.inputs[0]][1:], layer.op)
            sizes, index = np.unique(counts, return_inverse=True)
            digits = self.recipe.arithmetic.scale_digits
            pairs = np.array([average_scale(int(size), digits) for size in sizes]) + [0, beyond]
            m[:], t[:] = pairs[0]
            if len(sizes) > 1:
                step |= {"pixel_scales": self.ints.add(pairs[index]), "largest": math.inf}
        k = np.minimum(t, _CUT)
        whole = epilogue.b.astype(np.int64).view(np.float64)
        values = [m, 2.0**k, 2.0**-k, 2.0 ** (k - t), epilogue.b, t, np.ldexp(m, -t.astype(int)), whole]
        step |= {
            "parameters": self.reals.add(np.stack(values, axis=1)),
            "scale": FULL if (m != 1).any() else PLAIN, "bias": np.abs(epilogue.b).max(initial=0),
        }  # fmt: skip
        if step["kind"] in (CONVOLVE, DIRECT):
            step["reach"] = float((self.recipe.packed[layer.name].magnitudes * np.abs(m) * 2.0**-t).max())
        if step["tiles"] >= 0 and step["taps"] <= _CUT_TAPS and (m == 1).all() and (t == t[0]).all():
            places = int(t[0])
            cut = min(places // 8, CUTS)
            if cut and places <= 8 * (CUTS + 1):
                step |= {"tile_cut": cut, "tile_rest": places - 8 * cut, "tile_lift": 8 * (cut + 1) - places}
