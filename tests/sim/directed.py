"""Programs for the ends of fields that drawn ones hardly reach."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from hwshift.compiler import compile as compile_network
from hwshift.config import AcceleratorConfig
from hwshift.network.graph import Network
from hwshift.network.random import NetworkBuilder, csc_network
from hwshift.program.image import Program, Region
from hwshift.program.instruction import Instruction
from hwshift.program.isa import INPUT_CHANNELS, INSTRUCTION_BYTES, TOKENS, LoadKind, Opcode, Token
from hwshift.program.verifier import problems, verify
from hwshift.resolve import prepare
from hwshift.timing import timing

from .ends import Bin, bins_of, changed

_ROOM = 8192


def _of(program: Program, items: list[Instruction]) -> Program:
    """With other instructions, however many: the header and the region that they are fetched from agree."""
    header, base = items[0].with_(count=len(items)), program.program_base
    regions = dict(program.regions) | {"program": Region(base, base + len(items) * INSTRUCTION_BYTES - 1)}
    return replace(program, instructions=(header, *items[1:]), regions=regions)


def _store_again(program: Program) -> Program:
    """With the last STORE a second time, without tokens."""
    items = list(program.instructions)
    index = max(index for index, item in enumerate(items) if item.opcode is Opcode.STORE)
    items.insert(index + 1, items[index].with_(pop=0, push=0))
    return _of(program, items)


def _at_the_end_of_the_table(program: Program) -> Program:
    """With its k-tiles in the last entries of the table."""
    config, items = program.config, list(program.instructions)
    per_beat = config.bus_width // 32
    loads = [item for item in items if item.opcode is Opcode.LOAD and item["kind"] == LoadKind.KTILES]
    distance = config.ktile_entries - max(
        item["dest"] + -(-item["count"] // per_beat) * per_beat for item in loads
    )
    for index, item in enumerate(items):
        if item in loads:
            items[index] = item.with_(dest=item["dest"] + distance)
        elif item.opcode is Opcode.COMPUTE:
            items[index] = item.with_(ktile_base=item["ktile_base"] + distance)
    return replace(program, instructions=tuple(items))


def _with_one_more_token(program: Program, goal: Bin) -> Iterator[Program]:
    """With a token that one instruction gives and a later one takes, so that one of them reaches a goal."""
    items = list(program.instructions)
    queues = {Opcode[name.upper()]: masks for name, masks in TOKENS.items()}
    for first, second in combinations(
        [index for index, item in enumerate(items) if item.opcode in queues], 2
    ):
        gives, takes = items[first], items[second]
        for token in Token:
            if (
                not queues[gives.opcode][1] & queues[takes.opcode][0] & token
                or (gives.push | takes.pop) & token
            ):
                continue
            changed = list(items)
            changed[first] = gives.with_(push=int(gives.push | token))
            changed[second] = takes.with_(pop=int(takes.pop | token))
            found = replace(program, instructions=tuple(changed))
            if goal in bins_of(found) and not problems(found):
                yield found
                return


def many_tokens(config: AcceleratorConfig) -> Program:
    """More COMPUTEs in a row, each of which gives a token, than a token counter counts; their STOREs come behind."""
    program = _narrow(config)
    by = {item.opcode: item for item in program.instructions}
    computes = [item for item in program.instructions if item.opcode is Opcode.COMPUTE]
    weights = next(item for item in program.instructions
                   if item.opcode is Opcode.LOAD and item["kind"] == LoadKind.WEIGHTS)  # fmt: skip
    assert len(computes) == 1
    first = program.instructions.index(weights)
    head = [item for item in program.instructions[:-1] if item.opcode not in (Opcode.COMPUTE, Opcode.STORE)]
    one = {"rows": 1, "chunk_rows": 1, "chunks": 1}
    body, tail = [], []
    for number in range(timing(config).token_limit + 4):
        place = {"out_base": 8 + number, "out_length": 1, "out_offset": 0, "out_row_step": 0}
        compute = computes[0].with_(**one, **place, pop=computes[0]["pop"] if number == 0 else 0)
        body += [compute] if number == 0 else [weights.with_(pop=0, push=0), compute]
        tail.append(by[Opcode.STORE].with_(rows=1, base=8 + number, length=1, offset=0, row_step=0))
    items = [*head, *body, *tail, program.instructions[-1]]
    assert items[first] == weights
    return verify(_of(program, items))


def kept_weights(config: AcceleratorConfig) -> Program:
    """As many COMPUTEs as the weight ring has tiles keep theirs, one behind the other; as many take them again."""
    program = _narrow(config)
    (compute,) = [item for item in program.instructions if item.opcode is Opcode.COMPUTE]
    weights = next(item for item in program.instructions
                   if item.opcode is Opcode.LOAD and item["kind"] == LoadKind.WEIGHTS)  # fmt: skip
    again = weights.with_(pop=0, push=0)
    items: list[Instruction] = []
    for item in program.instructions:
        if item == weights:
            items += [again] * (config.weight_tiles - 1) + [weights]
        elif item is compute:
            quiet = compute.with_(pop=0, push=0)
            items += [(quiet if tile else compute.with_(push=0)).with_(keep_weights=1, weight_offset=tile)
                      for tile in range(config.weight_tiles)]  # fmt: skip
            items += [quiet] * (config.weight_tiles - 1) + [compute.with_(pop=0)]
        else:
            items.append(item)
    return verify(_of(program, items))


def _narrow(config: AcceleratorConfig) -> Program:
    """One COMPUTE of one tile, one step per row."""
    build = NetworkBuilder(2, 3, 4, 1)
    build.conv("conv", "input", 4)
    return _network(config, build.network("narrow"))


def _network(config: AcceleratorConfig, network: Network) -> Program:
    return roomy(compile_network(prepare(network, config), config))


def directed(config: AcceleratorConfig) -> Iterator[Program]:
    """Programs for ends that drawn ones hardly reach."""
    taps = config.ktile_entries // 2
    build = NetworkBuilder(1, 2 * config.rows, 4, taps // 4 + 2)
    build.conv("conv", "input", config.param_tiles * config.columns, (4, taps // 4), padding=(0, 0, 0, 0))
    build.conv("after", "conv", 1)
    program = _network(config, build.network("tables"))
    yield program
    yield _store_again(program)
    program = _narrow(config)
    last = _at_the_end_of_the_table(program)
    compute = next(index for index, item in enumerate(last.instructions) if item.opcode is Opcode.COMPUTE)
    empty = changed(
        last, compute, {"ktile_base": config.ktile_entries - 1}
    )  # all zeros: what the first k-tile is too
    yield empty or last
    wide = NetworkBuilder(2, INPUT_CHANNELS + 1, 4, 1)  # its input is a map, of many rows
    wide.conv("conv", "input", 4)
    program = _network(config, wide.network("wide"))
    load = next(index for index, item in enumerate(program.instructions)
                if item.opcode is Opcode.LOAD and item["kind"] == LoadKind.MAP)  # fmt: skip
    repeated = changed(program, load, {"rows": 0xFFFF, "row_stride": 0})
    assert repeated is not None
    yield repeated
    (compute,) = [index for index, item in enumerate(program.instructions) if item.opcode is Opcode.COMPUTE]
    long = {
        "rows": 0xFFFF,
        "chunk_rows": 1,
        "chunks": 0xFFFF,
        "chunk_y": program.instructions[compute]["stride_y"],
    }
    repeated = changed(program, compute, long)
    assert repeated is not None
    yield repeated
    yield many_tokens(config)
    yield kept_weights(config)
    strips = _network(config, csc_network(4, 10, 5, 2, stride2=(1,)))  # its maps go through memory
    yield strips
    for goal in (("STORE", "push", "high"), ("LOAD", "pop", "high")):
        yield from _with_one_more_token(strips, goal)


def long_stores(config: AcceleratorConfig) -> Iterator[Program]:
    """STOREs of as many rows and of as many vectors per pixel as their fields hold: more than 100 000 beats."""
    beats, most = config.vector_beats, 0xFFFF
    program = roomy(_narrow(config), most * beats * config.beat_bytes)
    store = next(index for index, item in enumerate(program.instructions) if item.opcode is Opcode.STORE)
    row = {
        "rows": most,
        "slots": 1,
        "row_step": 0,
        "row_beats": beats,
        "row_stride": beats * config.beat_bytes,
    }
    for fields in (row, {"rows": 1, "slots": most, "pitch": 0, "row_beats": most * beats}):
        found = changed(program, store, {"width": 1} | fields)
        assert found is not None
        yield found


def roomy(program: Program, room: int = _ROOM) -> Program:
    """With more room for stores than the maps need."""
    write = program.regions["write"]
    return replace(program, size=program.size + room,
                   regions=dict(program.regions) | {"write": Region(write.base, write.limit + room)})  # fmt: skip
