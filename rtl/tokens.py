"""The five token counters that order load, compute and store."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hwshift.program.isa import Token
from hwshift.rtl.queue import stepped

__all__ = ["TokenCounters"]

_COUNT = len(Token)


class TokenCounters(wiring.Component):
    """One counter per token, one producer and one consumer each.

    A producer first *reserves* a token (it may not where ``at_limit``) and *pushes* it when the work has retired;
    load and store do both at once. All changes show in the next cycle.

    Members
    -------
    reserve, push, pop : In(5)
        Strobes, one bit per `Token`.
    available : Out(5)
        Counters above zero.
    at_limit : Out(5)
        Counters at ``limit``, tokens under way included.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        super().__init__(
            {
                "reserve": In(_COUNT),
                "push": In(_COUNT),
                "pop": In(_COUNT),
                "available": Out(_COUNT),
                "at_limit": Out(_COUNT),
            }
        )

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        for index in range(_COUNT):
            count = Signal(range(self._limit + 1), name=f"count_{index}")
            owed = Signal(range(self._limit + 1), name=f"owed_{index}")
            m.d.sync += [
                count.eq(stepped(count, self.push[index], self.pop[index])),
                owed.eq(stepped(owed, self.reserve[index], self.pop[index])),
            ]
            # from registers, though the strobes come late in a cycle
            push, pop, reserve = self.push[index], self.pop[index], self.reserve[index]
            available, at_limit = self.available[index], self.at_limit[index]
            m.d.sync += [
                available.eq(Mux(push == pop, available, push | (count != 1))),
                at_limit.eq(Mux(reserve == pop, at_limit, reserve & (owed == self._limit - 1))),
            ]
        return m
