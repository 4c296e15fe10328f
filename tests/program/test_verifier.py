"""The verifier accepts what the compiler makes and finds every seeded fault."""

from dataclasses import replace

import pytest

from hwshift.errors import ProgramError
from hwshift.program.image import Region
from hwshift.program.instruction import Instruction
from hwshift.program.isa import LoadKind, Opcode, Token
from hwshift.program.token_game import play
from hwshift.program.verifier import problems, verify

from .programs import changed, find, resident, residual_in_place, strips, swapped, token_pairs, without

TAKES_PART = (Opcode.LOAD, Opcode.COMPUTE, Opcode.STORE)


def test_compiled_programs_pass():
    assert problems(strips()) == []
    assert verify(resident()) is resident()


def test_verify_raises_the_first_problem():
    broken = changed(resident(), find(resident(), Opcode.STORE), rows=0)
    with pytest.raises(ProgramError) as caught:
        verify(broken)
    assert str(caught.value).startswith(f"{broken.name}: instruction ")
    assert caught.value.message == problems(broken)[0]


# -- tokens ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", list(Token))
def test_no_token_is_superfluous(token):
    """The compiler gives no token it could leave out: without any one of them something is unordered."""
    program = strips()
    pairs = token_pairs(program, token)
    assert pairs
    for push, pop in pairs:
        cut = changed(program, push, push=program.instructions[push]["push"] & ~token)
        cut = changed(cut, pop, pop=cut.instructions[pop]["pop"] & ~token)
        found = problems(cut)
        assert found and all("no token orders them" in line for line in found), (push, pop)


@pytest.mark.parametrize("token", list(Token))
def test_a_missing_push_deadlocks(token):
    program = strips()
    for push, _ in token_pairs(program, token)[:4]:
        cut = changed(program, push, push=program.instructions[push]["push"] & ~token)
        (line,) = problems(cut)
        assert line.startswith("deadlock: ") and f"waits for {token.name}" in line


@pytest.mark.parametrize("token", list(Token))
def test_a_missing_pop_leaves_a_token(token):
    program = strips()
    for _, pop in token_pairs(program, token)[:4]:
        cut = changed(program, pop, pop=program.instructions[pop]["pop"] & ~token)
        last = max(push for push, _ in token_pairs(program, token))
        assert f"left over at the end: 1 {token.name}, the last from instruction {last}" in problems(cut)


def test_too_many_tokens_deadlock():
    """Loads push before anything pops: the counter holds 15, one load waits to finish, 4 in the queue."""
    program = resident()
    config = program.config
    load = Instruction(Opcode.LOAD, {"push": Token.LOAD_COMPUTE, "kind": LoadKind.LANES})
    compute = Instruction(Opcode.COMPUTE, {"pop": Token.LOAD_COMPUTE, "hold_weights": 1})
    weights = Instruction(Opcode.LOAD, {"kind": LoadKind.WEIGHTS, "count": 30})
    header, end = program.instructions[0], program.instructions[-1]
    for count, stuck in ((15, False), (20, False), (21, True)):
        items = (header, weights, *[load] * count, *[compute] * count, end)
        assert bool(play(config, items).stuck) == stuck
    assert play(config, items).stuck == [
        "load: instruction 17 cannot give LOAD_COMPUTE",
        "dispatch: instruction 22 finds its queue full",
    ]


def test_queues_hold_four():
    """A load that waits for a compute behind it: with room in the queue it ends, without it does not."""
    program = resident()
    header, end = program.instructions[0], program.instructions[-1]
    wait = Instruction(Opcode.LOAD, {"pop": Token.COMPUTE_LOAD, "kind": LoadKind.LANES})
    more = Instruction(Opcode.LOAD, {"kind": LoadKind.LANES})
    give = Instruction(Opcode.COMPUTE, {"push": Token.COMPUTE_LOAD, "hold_weights": 1})
    weights = Instruction(Opcode.LOAD, {"kind": LoadKind.WEIGHTS, "count": 1})
    assert not play(program.config, (header, weights, wait, more, more, more, give, end)).stuck
    outcome = play(program.config, (header, weights, wait, more, more, more, more, give, end))
    assert outcome.stuck == [
        "load: instruction 2 waits for COMPUTE_LOAD",
        "dispatch: instruction 6 finds its queue full",
    ]


def test_the_ring_can_block():
    program = resident()
    header, end = program.instructions[0], program.instructions[-1]
    tiles = program.config.weight_tiles
    weights = Instruction(Opcode.LOAD, {"kind": LoadKind.WEIGHTS, "count": tiles + 1})
    load = Instruction(Opcode.LOAD, {"push": Token.LOAD_COMPUTE, "kind": LoadKind.LANES})
    compute = Instruction(
        Opcode.COMPUTE, {"pop": Token.LOAD_COMPUTE, "tiles": 1, "ktile_count": tiles + 1, "chunks": 1}
    )
    outcome = play(program.config, (header, weights, load, compute, end))
    assert outcome.stuck == [
        f"load: instruction 1 waits for room for 1 weight tiles ({tiles} of {tiles} taken)",
        "compute: instruction 3 waits for LOAD_COMPUTE",
    ]
    free = compute.with_(pop=0)
    assert not play(program.config, (header, weights, free, end)).stuck
    again = free.with_(chunks=2)
    assert play(program.config, (header, weights, again, end)).stuck


def test_weights_that_are_left_or_missing():
    program = resident()
    index = find(program, Opcode.LOAD, kind=LoadKind.WEIGHTS)
    assert any("deadlock" in line for line in problems(without(program, index)))
    count = program.instructions[index]["count"]
    beats = program.config.tile_beats
    more = changed(program, index, count=count + 1, row_beats=(count + 1) * beats)
    last = find(program, Opcode.LOAD, -1, kind=LoadKind.WEIGHTS)
    assert f"left over at the end: 1 weight tiles, the last from instruction {last}" in problems(more)


# -- order -------------------------------------------------------------------------------------------------


def test_every_exchange_of_neighbours_is_harmless_or_found():
    """Exchanging neighbours of one queue, or across queues against a token, never passes unless nothing conflicts."""
    program = strips()
    found = 0
    for index in range(1, len(program.instructions) - 2):
        one, other = program.instructions[index : index + 2]
        if {one.opcode, other.opcode} == {
            Opcode.LOAD,
            Opcode.COMPUTE,
        } and other.pop & Token.LOAD_COMPUTE & one.push:
            found += bool(problems(swapped(program, index, index + 1)))
        if one.opcode == Opcode.COMPUTE and other.opcode == Opcode.STORE:
            assert problems(swapped(program, index, index + 1)), index
            found += 1
    assert found


def test_a_missing_drain():
    program = strips()
    drains = [
        i for i, item in enumerate(program.instructions) if item.opcode == Opcode.COMPUTE and item["drain"]
    ]
    assert drains
    for index in drains:
        line = f"instruction {index} (COMPUTE): it reads what is not visible yet and does not drain"
        assert line in problems(changed(program, index, drain=0))


def test_reading_what_nobody_wrote():
    program = resident()
    index = find(program, Opcode.LOAD, kind=LoadKind.INPUT)
    found = problems(without(program, index))
    assert any(
        "reads buffer entries that nothing has written" in line or "deadlock" in line for line in found
    )


def test_reading_what_it_writes():
    program = resident()
    index = find(program, Opcode.COMPUTE, number=1)
    source = program.instructions[find(program, Opcode.DESCRIPTOR, number=1)]
    found = problems(changed(program, index, out_base=source["base"]))
    assert any("it reads words of the shift buffer that it writes itself" in line for line in found)


def test_a_residual_is_replaced_in_place():
    """It is read pixel by pixel in front of the write; one word further it would be read after it."""
    program = residual_in_place()
    index = find(program, Opcode.COMPUTE, residual=1)
    item = program.instructions[index]
    assert item["res_base"] == item["out_base"] and problems(program) == []
    moved = changed(program, index, res_base=item["res_base"] + 1)
    assert any("it reads words of the shift buffer that it writes itself" in line for line in problems(moved))


# -- single instructions -----------------------------------------------------------------------------------

COMPUTE, LOAD, STORE, DESCRIPTOR = Opcode.COMPUTE, Opcode.LOAD, Opcode.STORE, Opcode.DESCRIPTOR
FAULTS = [
    (STORE, {}, {"address": 64}, "lie outside the region"),
    (STORE, {}, {"address": 1 << 50}, "lie outside the region"),
    (STORE, {}, {"rows": 0}, "rows and row_beats must be at least 1"),
    (STORE, {}, {"width": 0}, "width and slots must be at least 1"),
    (STORE, {}, {"width": 1}, "row_beats must be width * slots"),
    (STORE, {}, {"offset": 60000}, "offset must be below the length"),
    (STORE, {}, {"base": 60000}, "do not lie within feature_depth"),
    (STORE, {}, {"x0": 65535}, "a row reaches pixel"),
    (STORE, {}, {"last_lanes": 1 << 31}, "last_lanes has bits beyond the 8 lanes"),
    (STORE, {}, {"push": 1}, "a store takes"),
    (STORE, {}, {"rows": 1 << 16}, "STORE.rows must lie in 0..65535, not 65536"),
    (LOAD, {"kind": LoadKind.INPUT}, {"address": 8}, "lie outside the region"),
    (LOAD, {"kind": LoadKind.INPUT}, {"address": 2}, "must be multiples of the 4 bytes of a value"),
    (LOAD, {"kind": LoadKind.INPUT}, {"rows": 2}, "take one row of"),
    (LOAD, {"kind": LoadKind.INPUT}, {"width": 1}, "values behind 0 of a beat take one row of"),
    (LOAD, {"kind": LoadKind.INPUT}, {"count": 0}, "count must be at least 1"),
    (LOAD, {"kind": LoadKind.INPUT}, {"kind": 7}, "unknown kind 7"),
    (LOAD, {"kind": LoadKind.INPUT}, {"channels": 5}, "channels must lie in 1..4, not 5"),
    (LOAD, {"kind": LoadKind.INPUT}, {"pitch": 1, "x0": 60000}, "a row reaches word"),
    (LOAD, {"kind": LoadKind.WEIGHTS}, {"count": 0}, "take one row of"),
    (LOAD, {"kind": LoadKind.PARAMS}, {"dest": 4095}, "lie outside a table of"),
    (LOAD, {"kind": LoadKind.LANES}, {"dest": 255}, "lie outside a table of 256"),
    (
        LOAD,
        {"kind": LoadKind.KTILES},
        {"dest": 1},
        "dest must be a multiple of the 2 entries of a beat, not 1",
    ),
    (LOAD, {"kind": LoadKind.LANES}, {"push": 2}, "a load takes"),
    (DESCRIPTOR, {}, {"length": 0}, "do not lie within feature_depth"),
    (DESCRIPTOR, {}, {"row_step": 60000}, "row_step must be below the length"),
    (DESCRIPTOR, {}, {"pop": 1}, "it can take and give no tokens"),
    (COMPUTE, {}, {"tiles": 0}, "tiles must be at least 1"),
    (COMPUTE, {}, {"steps": 600}, "exceeds acc_depth"),
    (COMPUTE, {}, {"chunks": 9}, "chunks must be rows / chunk_rows rounded up, not 9"),
    (COMPUTE, {}, {"out_step": 3}, "out_step must be a power of two"),
    (COMPUTE, {}, {"last_pixels": 5}, "and last_pixels lie in 1.."),
    (COMPUTE, {}, {"group0": 9}, "group0 and last_columns must fit"),
    (COMPUTE, {}, {"last_columns": 1 << 20}, "group0 and last_columns must fit"),
    (COMPUTE, {}, {"param_base": 4095}, "lie outside a table of"),
    (COMPUTE, {}, {"ktile_base": 65535}, "lie outside a table of"),
    (COMPUTE, {}, {"act": 3}, "the configuration leaves out sigmoid"),
    (STORE, {}, {"gates": 1}, "the configuration leaves out gates"),
    (COMPUTE, {}, {"out_offset": 60000}, "out_offset must be below the length"),
    (COMPUTE, {}, {"out_x0": 60000}, "a row reaches word"),
    (COMPUTE, {}, {"out_x0": 65535, "steps": 9}, "a row reaches pixel"),
    (COMPUTE, {}, {"rows": 2000, "stride_y": 200}, "it reaches source row"),
    (COMPUTE, {}, {"steps": 2000, "x_step": 200}, "it reaches source column"),
    (COMPUTE, {}, {"push": 8}, "a compute takes"),
]


@pytest.mark.parametrize(("opcode", "which", "change", "message"), FAULTS)
def test_single_faults(opcode, which, change, message):
    program = strips()
    found = problems(changed(program, find(program, opcode, **which), **change))
    assert any(message in line for line in found), found


def test_options_the_configuration_leaves_out():
    program = resident()
    config = program.config.with_(residual=False)
    other = replace(program, config=config)
    other = changed(other, 0, config_hash=config.hash)
    assert any("the configuration leaves out residual" in line for line in problems(other))


def test_ring_too_small_for_chunks():
    program = strips()
    index = find(program, COMPUTE, hold_weights=0)
    item = program.instructions[index]
    config = program.config.with_(weight_tiles=2)
    other = changed(replace(program, config=config), 0, config_hash=config.hash)
    other = changed(other, index, chunk_rows=1, chunks=item["rows"], chunk_y=item["stride_y"], ktile_count=3)
    assert any(
        "3 weight tiles are used again for every chunk, the ring holds 2" in line for line in problems(other)
    )


def test_chunk_y():
    program = strips()
    index = find(program, COMPUTE)
    item = program.instructions[index]
    other = changed(program, index, chunk_rows=1, chunks=item["rows"], chunk_y=99)
    assert any("chunk_y must be chunk_rows * stride_y, not 99" in line for line in problems(other))


def test_offsets_beyond_twice_the_length():
    program = resident()
    index = find(program, DESCRIPTOR)
    item = program.instructions[index]
    found = problems(changed(program, index, length=item["row_step"] + 1, offset=0))
    assert any("offsets of k-tile and lanes reach" in line for line in found)
    found = problems(without(program, index))
    assert any("descriptor 0 of length 0" in line for line in found)


def test_activation_bounds():
    program = resident()
    items = list(program.instructions)
    items[1] = Instruction(Opcode.ACTIVATION, {"lo": 5, "hi": 4})
    found = problems(replace(program, instructions=tuple(items)))
    assert "instruction 1 (ACTIVATION): lo and hi must be ordered within Q16.16, not 5 and 4" in found


def test_frame():
    program = resident()
    assert problems(replace(program, instructions=())) == ["a program has one HEADER, and it comes first"]
    assert "a program has one END, and it comes last" in problems(
        without(program, len(program.instructions) - 1)
    )
    assert problems(changed(program, 0, magic=3)) == [f"the header's magic must be {0x54485348}, not 3"]
    moved = replace(program, regions={**program.regions, "program": Region(4097, 8191)})
    assert problems(moved) == ["the program must start at a multiple of 256 and lie inside its region"]
    far = replace(program, regions={**program.regions, "read": Region(0, 1 << 40)})
    assert problems(far) == ["the region read must lie within 40 address bits"]


def test_weights_that_stay():
    """An instruction that keeps its tiles takes none, and waits for those before its own, too."""
    program = resident()
    header, end = program.instructions[0], program.instructions[-1]
    keep = Instruction(Opcode.COMPUTE, {"hold_weights": 1, "keep_weights": 1, "weight_offset": 2})
    use = Instruction(Opcode.COMPUTE, {"hold_weights": 1})
    for count, stuck in ((2, True), (3, False)):
        weights = Instruction(Opcode.LOAD, {"kind": LoadKind.WEIGHTS, "count": count})
        outcome = play(program.config, (header, weights, keep, keep, use, use, use, end))
        assert bool(outcome.stuck) == stuck and not outcome.left
    index = find(program, COMPUTE, hold_weights=0)
    ring = program.config.weight_tiles
    for fields, message in (
        ({"weight_offset": 1}, "weight_offset must be 0 without keep_weights, not 1"),
        ({"keep_weights": 1, "weight_offset": ring}, f"of the weight ring, which holds {ring}"),
    ):
        found = problems(changed(program, index, **fields))
        assert any(message in line for line in found), found
