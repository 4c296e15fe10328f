"""Vectors of `hwshift.rtl.bursts.Bursts`: rows of any size at any address, against a plain cut."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from hwshift.rtl.axi import burst_layout
from hwshift.rtl.bursts import transfer_layout

from ...sim.cases import SMALL as CONFIG
from ..replay import Block, Cycles

_PAGE, _BURST = 4096, 64
_SKIPPED = 200


def cut(
    fields: dict[str, int], left_behind: Callable[[int], int] = lambda left: left
) -> Iterator[dict[str, int]]:
    """The bursts of a transfer, by the contract; ``left_behind`` may change what a row has left behind one."""
    size = CONFIG.beat_bytes
    stride = fields["row_stride"] // size * size
    for row in range(fields["rows"]):
        address, left = fields["address"] // size * size + row * stride, fields["row_beats"]
        while left:
            beats = min(_BURST, left, (_PAGE - address % _PAGE) // size)
            left = left_behind(left - beats)
            above, low = divmod(address, 1 << CONFIG.address_width)
            yield {
                "address": low, "beats": beats, "beyond": int(above != 0),
                "last": int(left == 0 and row == fields["rows"] - 1),
            }  # fmt: skip
            address += beats * size


def near_power(rng: Random, bits: int, reach: int) -> int:
    """A value of up to so many bits: small, anything, or a little more than a power of two. Never 0."""
    kind = rng.random()
    if kind < 0.3:
        return rng.randint(1, reach)
    if kind < 0.4:
        return rng.randint(1, (1 << bits) - 1)
    return min((1 << bits) - 1, (1 << rng.randrange(bits)) + rng.randint(0, reach))


def transfer(rng: Random) -> dict[str, int]:
    """Rows of any size, at addresses whose sums carry into every bit."""
    width = CONFIG.address_width
    address = rng.getrandbits(width)
    if rng.random() < 0.4:  # carries into every bit, also into the one beyond the bus
        address = (1 << rng.randint(12, width)) - rng.randint(1, 3000) * CONFIG.beat_bytes
        address = max(0, address - rng.randrange(2) * rng.getrandbits(20))
    if rng.random() < 0.1:
        address |= 1 << rng.randint(width, 63)
    return {
        "rows": near_power(rng, 16, 4), "row_beats": near_power(rng, 32, rng.choice([1, 3, 200])),
        "row_stride": rng.choice([rng.getrandbits(32), rng.getrandbits(12), near_power(rng, 32, 64) - 1]),
        "address": address,
    }  # fmt: skip


@dataclass
class _Skips:
    """Now and then a long row goes on nearly at its end."""

    rng: Random
    to: list[int] = field(default_factory=list)
    """What the burst that comes next leaves behind, if that was changed."""

    def left_behind(self, left: int) -> int:
        """What a row has left behind a burst."""
        if left <= _SKIPPED or self.rng.random() < 0.7:
            return left
        self.to.append(self.rng.randint(1, _SKIPPED))
        return self.to[-1]


def _cycles(rng: Random, _part: int) -> Cycles:
    """A transfer or two, each from a reset or the end of the one before; cut off where it is long."""
    eager = rng.choice([1.0, 1.0, 0.5])
    for _ in range(2):
        for _ in range(rng.randrange(3)):
            yield {"start": 0}, {"o__valid": 0}
        fields = transfer(rng)
        yield {"start": 1, "transfer": fields}, {"o__valid": 0}
        budget = 30
        skips = _Skips(rng)
        for burst in cut(fields, skips.left_behind):
            offer = _deposit(burst["beats"] + skips.to.pop()) if skips.to else {}
            while rng.random() >= eager:
                yield {"o__ready": 0, **offer}, {"o__valid": 1, "o__payload": burst}
            yield {"o__ready": 1, **offer}, {"o__valid": 1, "o__payload": burst}
            budget -= 1
            if not budget:
                return
        yield {"start": 0}, {"o__valid": 0}


def _deposit(left: int) -> dict[str, dict[str, int]]:
    """The registers of a row that has so many beats left."""
    return {"deposit": {"_left": left, "_far": int(left >= 512)}}


def block(module: str) -> Block:
    """The bench of one of the two in the core."""
    return Block(
        module, {"transfer": transfer_layout(), "o__payload": burst_layout(CONFIG)}, _cycles, parts=400,
        deposits={"_left": 32, "_far": 1},
    )  # fmt: skip


BLOCKS = (block("engine.loader.bursts"), block("engine.storer.bursts"))
