"""What is known of inputs and registers of modules, beyond what the modules themselves ask for."""

from hwshift.rtl.interfaces import write_request
from hwshift.rtl.pixel_walk import region_layout

from ..sim.cases import SMALL as CONFIG
from .assumed import Known

_REGION = region_layout()


def _field(name: str) -> str:
    """A field of a region in Verilog."""
    part = _REGION[name]
    return f"{{region}}[{part.offset + part.width - 1}:{part.offset}]"


_STEPS = (
    f"{_field('row_step')} < {_field('length')} && {{_step_down.q}}[16]",
    "rows of a region are less than its length apart: the verifier",
)
_TILES = CONFIG.weight_tiles
_RING = (
    f"{{head.q}} < {_TILES} && {{avail.q}} <= {_TILES} && {{room.q}} <= {_TILES}",
    "tiles that are there and free are at most those of the ring: tests/formal/test_credits.py",
)
_PLACE = write_request(CONFIG)["group"].offset
_GROUP = f"!{{write__payload}}[{_PLACE}] && !{{write_1.q}}[{_PLACE}]"
KNOWN = (
    Known("storer.walk", *_STEPS),
    Known("writer.walk", *_STEPS),
    Known("compute.weights", *_RING),
    Known("shift_buffer.port_b", _GROUP, "there is one group of columns: the verifier"),
)
"""For mutants of the 4x4 core with small memories, `tests.sim.cases.SMALL`."""
