"""Every stream of the core keeps its offer until it is taken; none of them is left out."""

from math import gcd

import pytest
from amaranth import Module, Signal
from amaranth.hdl import Assert, Assume, Fragment
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.rtl.core import Core
from hwshift.rtl.dispatch import Dispatch
from hwshift.rtl.fetch import Fetch
from hwshift.rtl.gearbox import Gearbox
from hwshift.rtl.loader import Loader
from hwshift.rtl.pass_generator import PassGenerator
from hwshift.rtl.queue import BlockQueue, Queue
from hwshift.rtl.storer import Storer
from tests.formal import test_credits as credits
from tests.formal.prover import Opened, Refuted, in_order, offered, prove, stays

CONFIG = credits.CONFIG
DEPTH = 3
PASSED_ON = {
    ("ComputeSide", "load"): "Queue.o",
    ("ComputeSide", "store"): "Queue.o",
    ("LoadWriter", "port"): "Loader.port",
    ("Bursts", "o"): "tests/formal/test_masters.py",
    ("PixelCutter", "o"): "Loader.port",
}
"""Streams that are another one, or are proven elsewhere."""


class Stalled(wiring.Component):
    """A component between streams that keep their offers and streams that are taken at any moment."""

    def __init__(self, component, rules=None):
        self._component, self._rules = component, rules
        members = component.signature.members
        ready = {f"{name}_ready": In(1) for name, member in members.items() if is_source(member)}
        super().__init__({name: member for name, member in members.items() if member.flow == In} | ready)

    def elaborate(self, _platform):
        m, component = Module(), self._component
        m.submodules.component = inner = Opened(component)
        for name, member in component.signature.members.items():
            port = getattr(component, name)
            if is_source(member):
                m.d.comb += port.ready.eq(getattr(self, f"{name}_ready"))
                stays(m, port.valid, port.ready, port.payload, name)
            elif member.flow == In and member.is_signature:
                mine = getattr(self, name)
                wiring.connect(m, wiring.flipped(mine), port)
                offered(m, mine.valid, mine.ready, mine.payload, name)
            elif member.flow == In:
                m.d.comb += port.eq(getattr(self, name))
        if self._rules:
            self._rules(m, self, inner)
        return m


def is_source(member):
    """Whether a member is a stream that goes out."""
    return member.is_signature and member.flow == Out and isinstance(member.signature, stream.Signature)


def queue_rules(m, _proof, inner):
    in_order(m, inner, DEPTH)


def gearbox_rules(m, proof, inner):
    """A load begins when the one before has given all its words."""
    used = inner["used"]
    word = CONFIG.weight_word_bits // gcd(CONFIG.weight_word_bits, CONFIG.bus_width)
    m.d.comb += [
        Assume(~proof.start | (used == 0)), Assume(~proof.start | (proof.tiles != 0)),
        Assert(inner["less"] == (used - word)[: len(used)]),
    ]  # fmt: skip


def pass_rules(m, proof, inner):
    """The table is not written while a pass that waits reads it: tokens order loads and passes. One state at a time."""
    states = inner["is_idle"] + inner["prepares"] + inner["runs"]
    m.d.comb += [
        Assume(~proof.ktile_write.en), Assert(states == 1), Assert(inner["busy"] != inner["is_idle"]),
    ]  # fmt: skip


PROOFS = {
    "Queue": (lambda: Queue(4, DEPTH), queue_rules),
    "BlockQueue": (lambda: BlockQueue(4, DEPTH), None),
    "Dispatch": (lambda: Dispatch(CONFIG), None),
    "Gearbox": (lambda: Gearbox(CONFIG), gearbox_rules),
    "PassGenerator": (lambda: PassGenerator(CONFIG), pass_rules),
}
WITH_CREDITS = {
    "Loader": (credits.Loads, lambda: Loader(CONFIG)),
    "Storer": (credits.Stores, lambda: Storer(CONFIG)),
    "Fetch": (credits.Fetches, lambda: Fetch(CONFIG)),
}
"""Proven beside their credits."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "PassGenerator")) for name in PROOFS]
)
def test_offers_stay(name, tmp_path):
    component, rules = PROOFS[name]
    prove(Stalled(component(), rules), tmp_path, cycles=3, induction=3)


def sources(fragment):
    """Class and name of every stream that a component of a design gives."""
    found = set()
    for origin in fragment.origins or ():
        if isinstance(origin, wiring.Component):
            found |= {
                (type(origin).__name__, name)
                for name, member in origin.signature.members.items()
                if is_source(member)
            }
    for inner, *_ in fragment.subfragments:
        found |= sources(inner)
    return found


def test_no_stream_of_the_core_is_left_out():
    found = sources(Fragment.get(Core(AcceleratorConfig()), None))
    assert {("Queue", "o"), ("Loader", "port")} <= found
    assert not {(owner, name) for owner, name in found if owner not in PROOFS | WITH_CREDITS} - set(PASSED_ON)


def flickering(component, name):
    """The component, but its offers on one stream are taken back now and then."""
    domain = "sync" if isinstance(component, BlockQueue) else "comb"  # its offer is a register

    class Flickering(type(component)):
        def elaborate(self, platform):
            m, count = super().elaborate(platform), Signal(2)
            m.d.sync += count.eq(count + 1)
            with m.If(count == 3):
                m.d[domain] += getattr(self, name).valid.eq(0)
            return m

    component.__class__ = Flickering
    return component


@pytest.mark.parametrize(
    "owner, name",
    [("Queue", "o"), ("BlockQueue", "o"), ("Dispatch", "store"), ("Gearbox", "o"), ("PassGenerator", "o")],
)
def test_an_offer_that_is_taken_back_is_refuted(owner, name, tmp_path):
    component, rules = PROOFS[owner]
    with pytest.raises(Refuted):
        prove(Stalled(flickering(component(), name), rules), tmp_path, cycles=7)


@pytest.mark.slow
@pytest.mark.parametrize("owner, name", [("Loader", "burst"), ("Storer", "port"), ("Fetch", "burst")])
def test_an_offer_beside_credits_that_is_taken_back_is_refuted(owner, name, tmp_path):
    claim, component = WITH_CREDITS[owner]
    with pytest.raises(Refuted):
        prove(claim(flickering(component(), name)), tmp_path, cycles=7)
