"""Cycle model: the walks over memory and shift buffer that loads and stores share.

A walk is a row of integers; the constants below are its columns. They mirror `rtl/bursts.py` and
`rtl/pixel_walk.py`.
"""

from hwshift.program.isa import BURST_BEATS
from hwshift.sim.compiled import bare_njit as njit
from hwshift.sim.cycle.columns import F

__all__ = [
    "ACTIVE",
    "BEATS",
    "BURST_COLUMNS",
    "PLACES",
    "WALK_COLUMNS",
    "begin_bursts",
    "begin_walk",
    "burst_is_last",
    "later_place",
    "next_burst",
    "next_place",
    "places_left",
    "walk_half",
    "walk_is_last",
]

ACTIVE, ROWS, ROW_BEATS, STRIDE, LEFT, ADDRESS, ROW_ADDRESS, BEATS = range(8)
BURST_COLUMNS = 8
PLACES, COLUMNS, LINES, X, ALL_PLACES, WIDTH, X0 = range(7)
WALK_COLUMNS = 7
_BURST = BURST_BEATS
_PAGE = 4096


@njit(cache=True, forceinline=True)
def begin_bursts(burst, program, index, beat_bytes):
    """The bursts of the LOAD or STORE at ``index``; BEATS is the length of the one that comes next."""
    burst[ACTIVE], burst[ROWS] = 1, program[index, F.rows]
    burst[ROW_BEATS] = burst[LEFT] = program[index, F.row_beats]
    burst[STRIDE] = program[index, F.row_stride]
    burst[ADDRESS] = burst[ROW_ADDRESS] = program[index, F.address] // beat_bytes * beat_bytes
    burst[BEATS] = _beats(burst, beat_bytes)


@njit(cache=True, forceinline=True)
def _beats(burst, beat_bytes):
    return min(_BURST, burst[LEFT], (_PAGE - burst[ADDRESS] % _PAGE) // beat_bytes)


@njit(cache=True, forceinline=True)
def burst_is_last(burst):
    """Whether the burst that comes next ends its instruction."""
    return burst[ROWS] == 1 and burst[LEFT] == burst[BEATS]


@njit(cache=True, forceinline=True)
def next_burst(burst, beat_bytes):
    """The burst that comes next has been taken."""
    burst[LEFT] -= burst[BEATS]
    burst[ADDRESS] += burst[BEATS] * beat_bytes
    if burst[LEFT] == 0:
        burst[ROWS] -= 1
        burst[LEFT] = burst[ROW_BEATS]
        burst[ROW_ADDRESS] += burst[STRIDE]
        burst[ADDRESS] = burst[ROW_ADDRESS]
        burst[ACTIVE] = burst[ROWS] != 0
    burst[BEATS] = _beats(burst, beat_bytes)


@njit(cache=True, forceinline=True)
def begin_walk(walk, program, index, beats, slots, rows):
    """Row, pixel, slot and beat of the LOAD or STORE at ``index``, with ``beats`` beats per slot; ``rows`` rows.

    PLACES, COLUMNS and LINES are what is left of the pixel, the row and the instruction, this place included.
    """
    walk[PLACES] = walk[ALL_PLACES] = slots * beats
    walk[COLUMNS] = walk[WIDTH] = program[index, F.width]
    walk[LINES] = rows
    walk[X] = walk[X0] = program[index, F.x0]


@njit(cache=True, forceinline=True)
def walk_half(walk, pixel_bits):
    """The half of the banks' sub-banks in which the place lies, as a mask; ``pixel_bits`` is log2 P."""
    return 1 << (walk[X] >> pixel_bits & 1)


@njit(cache=True, forceinline=True)
def places_left(walk):
    """Places of the walk, this one included."""
    return ((walk[LINES] - 1) * walk[WIDTH] + walk[COLUMNS] - 1) * walk[ALL_PLACES] + walk[PLACES]


@njit(cache=True, forceinline=True)
def walk_is_last(walk):
    """Whether this is the last place."""
    return walk[PLACES] == 1 and walk[COLUMNS] == 1 and walk[LINES] == 1


@njit(cache=True, forceinline=True)
def next_place(walk):
    """To the next beat, slot, pixel or row."""
    walk[PLACES] -= 1
    if walk[PLACES] == 0:
        walk[PLACES] = walk[ALL_PLACES]
        walk[X] += 1
        walk[COLUMNS] -= 1
        if walk[COLUMNS] == 0:
            walk[X], walk[COLUMNS] = walk[X0], walk[WIDTH]
            walk[LINES] -= 1


@njit(cache=True, forceinline=True)
def later_place(walk, count):
    """`next_place`, ``count`` times; the walk does not end."""
    if count < walk[PLACES]:
        walk[PLACES] -= count
        return
    left = places_left(walk) - count - 1
    pixels = left // walk[ALL_PLACES]
    walk[PLACES] = left % walk[ALL_PLACES] + 1
    walk[COLUMNS] = pixels % walk[WIDTH] + 1
    walk[LINES] = pixels // walk[WIDTH] + 1
    walk[X] = walk[X0] + walk[WIDTH] - walk[COLUMNS]
