"""Convolutions on the matrix unit (`hwshift.golden.tiles`), where terms are exact."""

from hwshift.golden.blocks import COLUMNS, ROWS
from hwshift.golden.compiled import kernel
from hwshift.golden.finish import clear_totals, finish, totals
from hwshift.golden.steps import PARAMETERS
from hwshift.golden.tiles import PANEL, PIXELS, combine_rows, configure, pack_tile, product_tile, release

__all__ = ["convolve_by_tiles", "limbs_of"]


@kernel
def limbs_of(peak):
    """Bytes that hold integers of a magnitude, signed."""
    return 2 if peak < 1 << 15 else 3 if peak < 1 << 23 else 4


@kernel
def convolve_by_tiles(step, part, limbs, ints, reals, table, memory, floats, wide, peaks):
    """As `hwshift.golden.taps.convolve`, with inputs of so many bytes."""
    size = step.panels * COLUMNS
    sizes = (step.count + size - 1) // size
    split, rest = part % step.splits, part // step.splits
    group, begin = rest // sizes, rest % sizes * size
    end = min(begin + size, step.count)
    tiles = (end - begin + PIXELS - 1) // PIXELS
    taps = step.tile_taps + group * step.tile_chunk * step.tile_chunks
    for tile in range(tiles):
        first = begin + tile * PIXELS
        pack_tile(
            wide, tile, memory, step.first + first, ints, taps, step.tile_chunk, step.tile_chunks, limbs, ints,
            step.read_at + first, step.linear,
        )  # fmt: skip
    clear_totals(floats)
    blocks = (step.per_group + step.tile_rows - 1) // step.tile_rows
    configure(table, step.tiles)
    for block in range(blocks * split // step.splits, blocks * (split + 1) // step.splits):
        item = step.tile_blocks + 2 * (group * blocks + block)
        for panel in range(0, tiles, PANEL):
            for slot in range(min(PANEL, tiles - panel)):
                product_tile(
                    wide, panel + slot, slot, table, step.tiles + ints[item], step.tile_chunk, step.tile_chunks,
                    ints[item + 1], limbs,
                )  # fmt: skip
            _finish_panel(
                step, group, block, begin + panel * PIXELS, end, ints[item + 1] + limbs - 1, ints, reals, memory,
                floats, wide,
            )  # fmt: skip
    release()
    return totals(step, floats, peaks)


@kernel
def _finish_panel(step, group, block, begin, end, sums, ints, reals, memory, floats, wide):
    """The block's sums at two rows of positions from ``begin`` on, as far as ``end``."""
    channels = min(step.tile_rows, step.per_group - block * step.tile_rows)
    for half in range(2):
        first = begin + half * COLUMNS
        count = min(COLUMNS, end - first)
        if count <= 0:
            return
        place = step.first + first if step.linear else first
        for row in range(0, channels, ROWS):
            rows = min(ROWS, channels - row)
            channel = group * step.per_group + block * step.tile_rows + row
            combine_rows(wide, row, half, sums, floats, 0, rows)
            finish(
                step, channel, rows, place, step.linear, count, step.mask + first, step.scale, reals,
                step.parameters + channel * PARAMETERS, floats, ints, reals, memory,
            )  # fmt: skip
