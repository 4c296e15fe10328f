"""Tokens from footprints."""

import pytest

from hwshift.compiler.operations import Operation, Span
from hwshift.compiler.tokens import assign_tokens
from hwshift.program.instruction import Instruction
from hwshift.program.isa import Opcode, Token


def load(*spans):
    return Operation(Instruction(Opcode.LOAD), [], list(spans))


def compute(reads, writes):
    return Operation(Instruction(Opcode.COMPUTE), list(reads), list(writes))


def store(reads, writes=()):
    return Operation(Instruction(Opcode.STORE), list(reads), list(writes))


def words(first, end):
    return Span("buffer", first, end)


def masks(operations):
    assign_tokens(operations)
    return [(item.instruction.pop, item.instruction.push) for item in operations]


def test_load_compute_store():
    items = [load(words(0, 8)), compute([words(0, 8)], [words(8, 12)]), store([words(8, 12)])]
    none = Token(0)
    assert masks(items) == [
        (none, Token.LOAD_COMPUTE),
        (Token.LOAD_COMPUTE, Token.COMPUTE_STORE),
        (Token.COMPUTE_STORE, none),
    ]


def test_only_the_last_load_counts():
    items = [load(words(0, 4)), load(words(4, 8)), compute([words(0, 8)], [words(8, 9)])]
    assert masks(items) == [(0, 0), (0, Token.LOAD_COMPUTE), (Token.LOAD_COMPUTE, 0)]


def test_what_follows_needs_no_token():
    items = [load(words(0, 8)), compute([words(0, 8)], [words(8, 9)]), compute([words(0, 8)], [words(9, 10)])]
    assert masks(items)[2] == (0, 0)


def test_overwriting_waits_for_readers():
    items = [
        load(words(0, 8)),
        compute([words(0, 8)], [words(8, 9)]),
        store([words(8, 9)]),
        load(words(4, 6)),
        compute([], [words(8, 9)]),
    ]
    assert masks(items) == [
        (0, Token.LOAD_COMPUTE),
        (Token.LOAD_COMPUTE, Token.COMPUTE_LOAD | Token.COMPUTE_STORE),
        (Token.COMPUTE_STORE, Token.STORE_COMPUTE),
        (Token.COMPUTE_LOAD, 0),
        (Token.STORE_COMPUTE, 0),
    ]


def test_memory_goes_round():
    items = [store([], [Span("map a", 0, 4)]), Operation(Instruction(Opcode.LOAD), [Span("map a", 3, 4)], [])]
    assert masks(items) == [(0, Token.STORE_LOAD), (Token.STORE_LOAD, 0)]


def test_tokens_in_flight_are_bounded():
    loads = [load(words(i, i + 1)) for i in range(40)]
    computes = [compute([words(i, i + 1)], []) for i in range(40)]
    result = masks([*loads, *computes])
    pushes = [push for _, push in result[:40] if push]
    pops = [pop for pop, _ in result[40:] if pop]
    assert len(pushes) == len(pops) <= 8
    assert result[40][0] == Token.LOAD_COMPUTE


def test_a_store_cannot_wait_for_a_load():
    with pytest.raises(ValueError, match="^no token orders a store after a load$"):
        assign_tokens([load(words(0, 1)), store([words(0, 1)])])
