"""Small compiled programs, and changes to them."""

from dataclasses import replace
from functools import cache

from hwshift.compiler import compile as compile_network
from hwshift.config import AcceleratorConfig
from hwshift.network.bind import bind
from hwshift.network.quantize import quantize
from hwshift.network.random import csc_network
from hwshift.program.isa import Opcode


@cache
def strips():
    """A program whose maps go through memory in strips, with every kind of token."""
    config = AcceleratorConfig(rows=8, columns=4, pixels=2, feature_depth=32, param_tiles=4, scale_digits=4)
    network = bind(quantize(csc_network(8, 10, 9, 2, stride2=(1,))), config.arithmetic)
    return compile_network(network, config)


@cache
def resident():
    """A program that stays on chip."""
    config = AcceleratorConfig(rows=8, columns=8)
    network = bind(quantize(csc_network(8, 6, 7, 1)), config.arithmetic)
    return compile_network(network, config)


@cache
def residual_in_place():
    """A module whose output takes the place of its input, because both do not fit."""
    config = AcceleratorConfig(rows=8, columns=8, feature_depth=96, scale_digits=4)
    network = bind(quantize(csc_network(8, 10, 10, 3)), config.arithmetic)
    return compile_network(network, config, keep="outputs")


def changed(program, index, **fields):
    """The program with fields of one instruction replaced."""
    items = list(program.instructions)
    items[index] = items[index].with_(**fields)
    return replace(program, instructions=tuple(items))


def swapped(program, one, other):
    """The program with two instructions exchanged."""
    items = list(program.instructions)
    items[one], items[other] = items[other], items[one]
    return replace(program, instructions=tuple(items))


def without(program, index):
    """The program without an instruction."""
    items = [item for i, item in enumerate(program.instructions) if i != index]
    items[0] = items[0].with_(count=len(items))
    return replace(program, instructions=tuple(items))


def find(program, opcode, number=0, **fields):
    """Index of the number-th instruction with these fields."""
    found = [i for i, item in enumerate(program.instructions)
             if item.opcode == opcode and all(item[name] == value for name, value in fields.items())]  # fmt: skip
    return found[number]


def token_pairs(program, token):
    """(index that pushes, index that pops) of every token of one kind."""
    pushes = [
        i for i, item in enumerate(program.instructions) if item.opcode in _TAKES_PART and item.push & token
    ]
    pops = [
        i for i, item in enumerate(program.instructions) if item.opcode in _TAKES_PART and item.pop & token
    ]
    assert len(pushes) == len(pops)
    return list(zip(pushes, pops, strict=True))


_TAKES_PART = (Opcode.LOAD, Opcode.COMPUTE, Opcode.STORE)
