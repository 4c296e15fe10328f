"""What is known of what modules are given, beyond what they themselves ask for."""

from dataclasses import replace

from hwshift.program.isa import COMPUTE, LoadKind, Opcode
from hwshift.rtl.instruction import EARLY
from hwshift.rtl.interfaces import step_layout, write_request
from hwshift.rtl.pixel_walk import region_layout
from hwshift.timing import timing

from ..sim.cases import SMALL as CONFIG
from .sequences import Known

_REGION = region_layout()


def _field(region: str, name: str) -> str:
    """A field of a region in Verilog."""
    part = _REGION[name]
    return f"{region}[{part.offset + part.width - 1}:{part.offset}]"


_GIVEN, _KEPT = ("{region}", "{_region}")
_STEPS = Known(
    "storer.walk",
    f"(!({{advance}} && {{start}}) || ({_field(_GIVEN, 'row_step')} < {_field(_GIVEN, 'length')}"
    f" && {_field(_GIVEN, 'offset')} < {_field(_GIVEN, 'length')}))"
    " && (!{advance} || {start} || begun)",
    "offsets and steps of a region are below its length: the verifier",
    state="  reg begun = 0; always @(posedge clk)"
    " begun <= !{rst} && !{reset} && (begun || ({advance} && {start}));\n"
    f"  wire [16:0] length = {{1'b0, {_field(_KEPT, 'row_step')}}} - {{_step_down}};",
    lemma="!begun || ({_row}[17:16] == 3 && {_step_down}[16] && length <= 65535 && length != 0)",
)
_RING = Known(
    "compute.weights",
    "(!{take_room} || ({has_room} && !writing)) && (!{tile_done} || writing)",
    "the loader begins a tile where there is room, and ends each: tests/formal/test_credits.py",
    state="  reg writing = 0; always @(posedge clk)"
    " writing <= !{rst} && !{reset} && (writing || {take_room}) && !{tile_done};",
)
_EMPTY = (
    "!{%sstart} || (({%sused} == 0 || ({%so__valid} && {%so__ready} && {%so__payload.last}))"
    " && !({%si__valid} && {%si__ready}))"
)
_KINDS = ", ".join(f"{{does_{kind.name.lower()}}}" for kind in LoadKind)
LOAD = Known(
    "loader.writer",
    "1",
    "proven by induction",
    state=f"wire [{len(LoadKind) - 1}:0] kinds = {{{_KINDS}}};",
    lemma=f"({_EMPTY.replace('%s', 'gearbox.')}) && (kinds & (kinds - 1)) == 0"
    " && !({does_weights} && ({walks} || {writes_table}))",
)
"""Of the writer: what `KNOWN` has of its gearbox is a lemma there."""
_LOAD = Known(
    "writer.gearbox",
    _EMPTY.replace("%s", ""),
    "a load begins with nothing held: tests/mutation/test_mutation.py",
)
_DEPTH = timing(CONFIG).load_fifo
FREE = Known(
    "loader.fifo",
    "1",
    "proven by induction",
    lemma=f"{{left}} < {_DEPTH} && {{left}} + {{ahead}} <= {_DEPTH} && {{some_left}} == ({{left}} != 0)",
)
"""Its memory is never full: a write to the place behind the last entry is one to a free place."""
_PLACE = write_request(CONFIG)["group"].offset
_GROUP = Known(
    "shift_buffer.port_b",
    f"!{{write__payload}}[{_PLACE}]",
    "there is one group of columns: the verifier",
)
_SUM = step_layout(CONFIG)["offset"]
_WORDS = Known(
    "engine.compute",
    f"{{step}}[{_SUM.offset + _SUM.width - 1}:{_SUM.offset}] < {2 * CONFIG.feature_depth}",
    "offsets of k-tile and lane stay below twice the length: the verifier",
)
_GROUP0 = COMPUTE.by_name["group0"].width, COMPUTE.offsets["group0"] - EARLY
_HEAD, _REST = f"{{port_{EARLY}}}[2:0]", f"{{port_{COMPUTE.bits - EARLY}}}"
_COMPUTES = Known(
    "compute.passes",
    f"!{{i__valid}} || {_HEAD} == {int(Opcode.DESCRIPTOR)} || {_HEAD} == {int(Opcode.ACTIVATION)}"
    f" || {_REST}[{sum(_GROUP0) - 1}:{_GROUP0[1]}] == 0",
    "of three kinds of instructions, those that compute name the only group of columns: dispatch, the verifier",
    lemma="!{busy} || {_group} == 0",
)
KNOWN = (_COMPUTES, _STEPS, replace(_STEPS, module="writer.walk"), _RING, _LOAD, _GROUP, _WORDS)
"""For mutants of the 4x4 core with small memories, `tests.sim.cases.SMALL`."""
