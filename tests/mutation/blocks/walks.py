"""Vectors of `PixelWalk` and `KtileWalk`: counts, offsets and addresses over all their bits, against nested loops."""

from collections.abc import Iterator
from random import Random

from hwshift.rtl.interfaces import WORD, store_request
from hwshift.rtl.pixel_walk import region_layout

from ...sim.cases import SMALL as CONFIG
from ..replay import Block, Cycles
from .bursts import near_power

_LATER = 60


def region(rng: Random) -> dict[str, int]:
    """Any region whose offsets stay below twice its length, as the verifier demands."""
    length = rng.choice([rng.randint(1, 9), rng.randint(1, (1 << WORD) - 1), 1 << rng.randrange(WORD)])
    length = min((1 << WORD) - 1, length)
    base = rng.randint(0, (1 << WORD) - length) % (1 << WORD)
    slots, width, rows = (rng.randint(1, 4) for _ in range(3))
    if rng.random() < 0.4:
        slots, width, rows = (near_power(rng, 16, 3) for _ in range(3))
    pitch = rng.choice([rng.randint(0, length), length, length // 2, 1])
    x0 = rng.choice([0, 1, rng.randint(0, 9), rng.getrandbits(16)])
    return {
        "rows": rows, "base": base, "length": length, "offset": rng.choice([0, length - 1, rng.randrange(length)]),
        "row_step": rng.choice([0, length - 1, rng.randrange(length)]),
        "pitch": pitch, "slots": slots, "width": width, "x0": x0,
    }  # fmt: skip


def places(fields: dict[str, int], beats: int) -> Iterator[dict]:
    """Place, beat and ends of all, in order; ends at one that the verifier does not allow."""
    length, banks = fields["length"], CONFIG.sub_banks
    for row in range(fields["rows"]):
        offset = (fields["offset"] + row * fields["row_step"]) % length
        for x in range(fields["x0"], fields["x0"] + fields["width"]):
            for slot in range(fields["slots"]):
                total = offset + slot * fields["pitch"] + x // banks
                if total >= 2 * length or total >= 1 << WORD or x >= 1 << 16:
                    return
                word = fields["base"] + total % length
                end = slot == fields["slots"] - 1
                for beat in range(beats):
                    last = beat == beats - 1 and end and x == fields["x0"] + fields["width"] - 1
                    yield {
                        "place": {"sub": x % banks, "word": word}, "beat": beat, "last_slot": int(end),
                        "last": int(last and row == fields["rows"] - 1),
                    }  # fmt: skip


def _counted(rng: Random, bits: int, part: int) -> dict[str, int]:
    """A region of which one count, of so many bits, runs through and is loaded again."""
    large = ("slots", "width", "rows")[part % 3]
    count = rng.getrandbits(bits) | 2 | (part // 3 % 2) << bits - 1
    flat = {
        "rows": 2,
        "slots": 1,
        "width": 1,
        "length": (1 << WORD) - 1,
        "base": 0,
        "offset": 0,
        "row_step": 7,
        "x0": 0,
    }
    return flat | {"pitch": int(large == "slots"), large: count}


def _pixel_cycles(rng: Random, part: int, given: tuple[str, ...], beats_given: bool, bits: int) -> Cycles:
    for _ in range(1 if bits else 3):
        fields = _counted(rng, bits, part) if bits else region(rng)
        beats = rng.randint(1, CONFIG.vector_beats) if beats_given and not bits else CONFIG.vector_beats
        beats = 1 if beats_given and bits > 10 else beats
        yield (
            {"start": 1, "advance": 1, "region": fields, **({"last_beat": beats - 1} if beats_given else {})},
            {},
        )
        left = -1 if bits else _LATER
        eager = 1.0 if bits else rng.choice([1.0, 0.5])
        for place in places(fields, beats):
            shown = {name: place[name] for name in given}
            while rng.random() >= eager:
                yield {"start": 0, "advance": 0}, shown
            yield {"start": 0, "advance": 1}, shown
            left -= 1
            if not left:
                break


def _pixels(bits: int, parts: int) -> tuple[Block, Block]:
    shapes = {"region": region_layout(), "place": store_request(CONFIG)}
    load, store = ("place", "beat", "last"), ("place", "beat", "last", "last_slot")
    return (
        Block("engine.loader.writer.walk", shapes,
              lambda rng, part: _pixel_cycles(rng, part, load, True, bits), parts),
        Block("engine.storer.walk", shapes, lambda rng, part: _pixel_cycles(rng, part, store, False, bits), parts),
    )  # fmt: skip


def turns(tiles: int, chunks: int, ktiles: int) -> Iterator[tuple[int, int, int]]:
    """Tile, chunk and k-tile of every pass."""
    return (
        (tile, chunk, ktile) for tile in range(tiles) for chunk in range(chunks) for ktile in range(ktiles)
    )


def _ktile_cycles(rng: Random, bits: int) -> Cycles:
    """Each instruction starts two passes before its first one goes out."""
    counts = [near_power(rng, 16, 3) for _ in range(3)]
    left = 200
    if bits:  # one of the three counts runs through, so that it is loaded again
        counts, left = [2, 2, 2], 4 << bits
        counts[rng.randrange(3)] = rng.getrandbits(bits) | 2
    tiles, chunks, ktiles = counts
    base, moves = rng.getrandbits(16), rng.getrandbits(1)
    fields = {
        "ktile_base": base,
        "ktile_count": ktiles,
        "ktile_advance": moves,
        "chunks": chunks,
        "tiles": tiles,
    }
    yield {"start": 1, "advance": 1, **fields}, {"address": base}
    eager = rng.choice([1.0, 0.6])
    ahead, shown = turns(*counts), None
    next(ahead)
    for now in turns(*counts):
        if (after := next(ahead, None)) is None:
            return
        address = base + after[2] + (after[0] * ktiles if moves else 0)
        outputs: dict = {"address": address}
        if shown is not None:
            for name, turn, count in zip(("tile", "chunk", "ktile"), shown, counts, strict=True):
                outputs |= {f"first_{name}": int(turn == 0), f"last_{name}": int(turn == count - 1)}
        while rng.random() >= eager:
            yield {"start": 0, "advance": 0}, outputs
        yield {"start": 0, "advance": 1}, outputs
        shown = now
        left -= 1
        if not left:
            return


def _ktiles(bits: int, parts: int) -> Block:
    return Block("engine.compute.passes.walk", {}, lambda rng, _part: _ktile_cycles(rng, bits), parts)


SHORT = (*_pixels(0, 700), _ktiles(0, 400))
LONG = (*_pixels(9, 30), _ktiles(9, 60), *_pixels(16, 6), _ktiles(16, 6))
