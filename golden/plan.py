"""From a bound network to a plan: the steps and tables that the compiled engine runs.

A `Recipe` holds what depends on the network and its arithmetic alone, above all the packed weights; a `Plan`
lays the maps of a number of images out in memory and points the steps at them.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hwshift.golden.blocks import COLUMNS, ROWS
from hwshift.golden.channels import read_map
from hwshift.golden.epilogue import activation_range
from hwshift.golden.formats import Arithmetic
from hwshift.golden.layout import Geometry, Region
from hwshift.golden.limbs import TileWeights
from hwshift.golden.packing import PackedWeights, pack_pool, pack_weights
from hwshift.golden.pools import is_direct, pool_counts
from hwshift.golden.rows import FULL, PLAIN
from hwshift.golden.scale import GATE_SHIFT, average_scale
from hwshift.golden.sigmoid import SIGMOID_ENTRIES, sigmoid_table
from hwshift.golden.steps import CONVOLVE, COPY, DIRECT, NORM, POOL, SCALE, SHIFT, STEP, SUM, UPSAMPLE
from hwshift.golden.tables import MOST_PANELS, Tables, aligned, padded, strides
from hwshift.golden.tiles import tile_choice
from hwshift.golden.x86 import VECTORS_512
from hwshift.network import fixed
from hwshift.network.layer_formats import LayerFormats, layer_formats

__all__ = ["Plan", "Recipe", "View"]

_CUT = 24  # bits below which a scale works on the lower part of a float64 accumulator
_PANEL_BYTES = 1 << 18  # packed pixels that stay in a core's cache
_ROWS = 16  # output channels of a part that does them one by one
_MOST_LIMBS = 4  # of an int32
_WORTH_TILES = 24  # taps from which on the matrix unit is quicker, even where values may saturate
_PARTS = 8  # per thread, so that no thread waits long
_WORTH = 1 << 18  # multiplications that are worth a part of their own
_PRODUCT, _FINISH, _SCATTER, _PACK, _GATHER = 1, 20, 40, 5, 25  # what a pixel costs, in products


@dataclass(frozen=True)
class View:
    """Where a layer's map lies: planes of one geometry, in channel order, and the maps they belong to."""

    planes: np.ndarray
    geometry: Geometry
    maps: tuple[int, ...]

    def read(self, memory: np.ndarray, out: np.ndarray) -> None:
        """Copy the map into ``out``: ndarray of int32, shape (images, channels, height, width)."""
        g = self.geometry
        read_map(memory, self.planes, g.first, g.image_step, g.pitch, out)


class Recipe:
    """What every plan of a network shares.

    Parameters
    ----------
    network : FixedNetwork
        Checked against ``arithmetic`` (`hwshift.golden.check`).
    arithmetic : Arithmetic
    """

    def __init__(self, network: fixed.FixedNetwork, arithmetic: Arithmetic) -> None:
        self.network, self.arithmetic = network, arithmetic
        self.formats = layer_formats(network)
        self.shapes = {layer.name: layer.shape for layer in network.layers}
        weights, terms, tiles = Tables(np.float64), Tables(np.int64), Tables(np.uint8)
        self.packed: dict[str, PackedWeights] = {}
        for layer in network.layers:
            source = None if not layer.inputs else self.shapes[layer.inputs[0]]
            if isinstance(layer.op, fixed.Conv):
                packed = pack_weights(layer.op, source, layer.shape, arithmetic)
            elif isinstance(layer.op, fixed.Pool) and is_direct(network, layer):
                packed = pack_pool(layer.op, source[0], arithmetic.guard)
            else:
                continue
            packed.place(weights.add(packed.reals), -1 if packed.ints is None else terms.add(packed.ints))
            if packed.tiles is not None:
                packed.tiles.at = tiles.add(packed.tiles.data)
            self.packed[layer.name] = packed
        self.tiles = aligned(tiles.array())
        self.weights, self.terms = weights.array(), terms.array()

    @cached_property
    def macs(self) -> int:
        """Multiplications for one image."""
        return sum(
            layer.op.weights.values.size * layer.shape[1] * layer.shape[2]
            for layer in self.network.layers
            if isinstance(layer.op, fixed.Conv)
        )

    def margins(self) -> dict[tuple[int, int], tuple[int, int]]:
        """For each size of map the rows and columns beside it that some layer reads."""
        found: dict[tuple[int, int], tuple[int, int]] = {}
        for layer in self.network.layers:
            size = layer.shape[1:]
            found.setdefault(size, (0, 0))
            if layer.name in self.packed:
                source = self.shapes[layer.inputs[0]][1:]
                taps = self.packed[layer.name].taps
                low, high = taps[..., 1:].min(axis=(0, 1)), taps[..., 1:].max(axis=(0, 1))
                last = [(size[i] - 1) * layer.op.stride[i] + high[i] - source[i] + 1 for i in (0, 1)]
                reach = np.maximum(0, np.maximum(-low, last))
                found[source] = tuple(np.maximum(found[source], reach).tolist())
        return found


class Plan:
    """A network laid out for some images.

    Parameters
    ----------
    recipe : Recipe
    images : int
        Computed at once.
    threads : int
        That share the work of a step.
    keep : bool
        Whether every map stays in memory until the end.

    Members
    -------
    steps, ints, reals : ndarray
        As `hwshift.golden.engine.execute` takes them; weights and terms are the recipe's.
    words : int
        Size of the arena.
    scratch : (floats, wide)
        Sizes of a thread's scratch.
    views : dict of str to View
        Where each layer's map is; those of a plan without ``keep`` are overwritten, but for the output.
    maps : int
        That are written; peaks have a place for each, and behind them one for the gates of each of `gates`.
    names : list of str
        Layer of each step.
    gates : list of str
        Layers that scale channels.
    """

    def __init__(self, recipe: Recipe, images: int, threads: int, keep: bool) -> None:
        self.recipe, self.images, self.threads = recipe, images, threads
        self._ints, self._reals = Tables(np.int64), Tables(np.float64)
        self._reals.add([1.0] * COLUMNS + [0.0] * COLUMNS)  # masks of short rows
        self._geometries = {
            size: Geometry(*size, *margin, images) for size, margin in recipe.margins().items()
        }
        self.views: dict[str, View] = {}
        self.maps = 0
        self._place(keep)
        self.names: list[str] = []
        self.gates: list[str] = []
        steps = [self._step(layer) for layer in recipe.network.layers if layer.name in self._writers]
        self.steps = np.array([tuple(step[name] for name in STEP.names) for step in steps], STEP).view(
            np.recarray
        )
        self.ints, self.reals = self._ints.array(), self._reals.array()

    # ... where maps lie

    def _place(self, keep: bool) -> None:
        """Give every map its planes; those that nobody reads any more are taken by later ones."""
        layers = self.recipe.network.layers
        regions = {size: Region(geometry) for size, geometry in self._geometries.items()}
        self._writers: dict[str, int] = {}  # layers that write planes -> their map's number
        runs: dict[int, tuple[tuple[int, int], int, int]] = {}  # map -> size, first plane, planes
        slots: dict[str, np.ndarray] = {}  # layer -> numbers of its planes in the region of its size
        owners: dict[str, tuple[int, ...]] = {}
        last = self._last_reads(keep)
        for i, layer in enumerate(layers):
            size = layer.shape[1:]
            if isinstance(layer.op, fixed.Concat | fixed.Shuffle | fixed.Slice):
                slots[layer.name] = _renamed(layer.op, [slots[name] for name in layer.inputs])
                owners[layer.name] = tuple(dict.fromkeys(o for name in layer.inputs for o in owners[name]))
            else:
                start = regions[size].take(layer.shape[0])
                slots[layer.name] = np.arange(start, start + layer.shape[0])
                self._writers[layer.name] = self.maps
                runs[self.maps] = size, start, layer.shape[0]
                owners[layer.name] = (self.maps,)
                self.maps += 1
            for number in [number for number in runs if last[number] <= i]:
                size, start, count = runs.pop(number)
                regions[size].give_back(start, count)
        base, at = {}, 0
        for size, region in regions.items():
            base[size] = at
            at += region.planes * region.geometry.size
        self.words = at + 2 * MOST_PANELS * COLUMNS + max(g.first for g in self._geometries.values())
        for layer in layers:
            geometry = self._geometries[layer.shape[1:]]
            planes = base[layer.shape[1:]] + slots[layer.name] * geometry.size
            self.views[layer.name] = View(planes, geometry, owners[layer.name])

    def _last_reads(self, keep: bool) -> dict[int, int]:
        """For each map the number of the last layer that reads it, under whatever name."""
        layers = self.recipe.network.layers
        owners: dict[str, tuple[int, ...]] = {}
        last: dict[int, int] = {}
        for i, layer in enumerate(layers):
            read = [name for name in (*layer.inputs, layer.residual) if name is not None]
            for number in {number for name in read for number in owners[name]}:
                last[number] = i
            if isinstance(layer.op, fixed.Concat | fixed.Shuffle | fixed.Slice):
                owners[layer.name] = tuple(dict.fromkeys(o for name in layer.inputs for o in owners[name]))
            else:
                owners[layer.name] = (len(last),)
                last[len(last)] = i
        forever = range(len(last)) if keep else owners[layers[-1].name]
        return last | dict.fromkeys(forever, len(layers))

    # ... what is done

    def _step(self, layer: fixed.FixedLayer) -> dict:
        self.names.append(layer.name)
        view = self.views[layer.name]
        g = view.geometry
        step = dict.fromkeys(STEP.names, 0) | {
            "second": -1, "residual": -1, "pixel_scales": -1, "table": -1, "residual_table": -1, "terms": -1,
            "tiles": -1, "linear": 1, "channels": layer.shape[0], "parts": layer.shape[0], "images": self.images,
            "target": self._ints.add(view.planes), "map": self._writers[layer.name],
            "height": g.height, "width": g.width, "first": g.first, "pitch": g.pitch, "step": g.image_step,
            "stride_y": 1, "stride_x": 1,
        }  # fmt: skip
        if layer.inputs:
            self._reads(step, layer)
        match layer.op:
            case fixed.Input():
                step["kind"] = COPY
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
                step |= {"kind": SHIFT, "offsets": self._ints.add(layer.op.offsets)}
            case fixed.Upsample():
                step |= {"kind": UPSAMPLE, "stride_y": layer.op.factor[0], "stride_x": layer.op.factor[1]}
        if layer.epilogue is not None:
            self._epilogue(step, layer, layer.epilogue)
        return step

    def _reads(self, step: dict, layer: fixed.FixedLayer) -> None:
        source = self.views[layer.inputs[0]]
        g = source.geometry
        maps = list(dict.fromkeys(number for name in layer.inputs for number in self.views[name].maps))
        step |= {
            "source": self._ints.add(source.planes), "sources": self._ints.add(maps), "source_count": len(maps),
            "in_height": g.height, "in_width": g.width, "in_first": g.first, "in_pitch": g.pitch,
            "in_step": g.image_step,
        }  # fmt: skip

    def _taps(self, step: dict, layer: fixed.FixedLayer, op: fixed.Conv | fixed.Pool) -> None:
        """A sum over taps: convolution, or average over a small window."""
        packed = self.recipe.packed[layer.name]
        source, target = self.views[layer.inputs[0]], self.views[layer.name].geometry
        g, taps = source.geometry, packed.taps
        groups, count = taps.shape[:2]
        reads = source.planes[taps[..., 0]] + taps[..., 1] * g.pitch + taps[..., 2]
        step |= {
            "maximum": int(isinstance(op, fixed.Pool) and op.kind == "max"),
            "kind": DIRECT if packed.direct else CONVOLVE, "groups": groups, "per_group": layer.shape[0] // groups,
            "taps": count,
            "tap_at": self._ints.add(reads),
            "weights": packed.weights, "terms": packed.terms, "exact": packed.exact, "largest": packed.largest,
            "weights_step": packed.reals.size // layer.shape[0] if packed.direct and not packed.shared else 0,
            "terms_step": 3 * count if packed.direct and not packed.shared else 0,
        }  # fmt: skip
        self._positions(step, g, target, op.stride, step["per_group"])
        if step["kind"] == CONVOLVE:
            self._tiles(step, packed.tiles, reads)
            self._parts(step)
        else:
            rows = max(
                1, min(_ROWS, step["channels"] // (_PARTS * self.threads) if self.threads > 1 else _ROWS)
            )
            vectors = VECTORS_512 and tile_choice() != "never"
            step |= {
                "tile_rows": rows,
                "parts": -(-step["channels"] // rows),
                "tile_limbs": _MOST_LIMBS if vectors else 0,
            }

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
            step["mask"] = self._reals.add(padded(target.inside))
            return
        size = (target.height, target.width)
        reads = padded(source.positions(stride, size), edge=True)
        step |= {"read_at": self._ints.add(reads), "read_strides": self._ints.add(strides(reads))}
        step["write_at"] = self._ints.add(padded(target.positions(), edge=True))
        step["mask"] = self._reals.add(padded(np.ones(target.pixels)))

    def _tiles(self, step: dict, tiles: TileWeights | None, reads: np.ndarray) -> None:
        """Whether the matrix unit does the products, for inputs of how many limbs."""
        if tiles is None or tile_choice() == "never":
            return
        step |= {
            "tiles": tiles.at, "tile_limbs": _MOST_LIMBS,
            "tile_wild": _MOST_LIMBS if tile_choice() == "always" or step["taps"] >= _WORTH_TILES else 0,
            "tile_taps": self._ints.add(tiles.padded(reads)),
            "tile_chunk": tiles.chunk, "tile_chunks": tiles.chunks, "tile_rows": tiles.rows,
            "tile_blocks": self._ints.add(tiles.blocks),
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
            step |= {"second": self._ints.add(self.views[layer.inputs[1]].planes), "second_up": ups[1]}

    def _gates(self, step: dict, layer: fixed.FixedLayer) -> None:
        gate = self.views[layer.inputs[1]]
        step |= {
            "kind": SCALE, "up": self.recipe.arithmetic.guard,
            "largest": math.ldexp(1, self.recipe.arithmetic.guard), "second": self._ints.add(gate.planes),
            "gate_map": self.maps + len(self.gates), "gate_first": gate.geometry.first,
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
                step[f"{prefix}table"] = self._ints.add(sigmoid_table(act))
        step["table_scale"] = SIGMOID_ENTRIES / 16 / math.ldexp(1, act.n)
        if layer.residual is not None:
            assert formats.residual is not None
            up, view = act.n - formats.residual.n, self.views[layer.residual]
            step |= {
                "residual": self._ints.add(view.planes), "residual_sources": self._ints.add(list(view.maps)),
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
                step |= {"pixel_scales": self._ints.add(pairs[index]), "largest": math.inf}
        k = np.minimum(t, _CUT)
        values = [m, 2.0**k, 2.0**-k, 2.0 ** (k - t), epilogue.b, t, np.ldexp(m, -t.astype(int))]
        step |= {
            "parameters": self._reals.add(np.stack(values, axis=1)),
            "scale": FULL if (m != 1).any() else PLAIN, "bias": np.abs(epilogue.b).max(initial=0),
        }  # fmt: skip
        if step["kind"] in (CONVOLVE, DIRECT):
            step["reach"] = float((self.recipe.packed[layer.name].magnitudes * np.abs(m) * 2.0**-t).max())


def _renamed(op: fixed.Concat | fixed.Shuffle | fixed.Slice, inputs: list[np.ndarray]) -> np.ndarray:
    if isinstance(op, fixed.Concat):
        return np.concatenate(inputs)
    return inputs[0][op.order] if isinstance(op, fixed.Shuffle) else inputs[0][op.start : op.stop]
