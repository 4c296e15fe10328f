"""Loops: counters that know in a register whether this turn is the first or the last."""

from amaranth import Module, Mux, Signal, Value

__all__ = ["Loop"]


class Loop:
    """A loop of at least one turn. `load` and `step` add statements where they are called, under its conditions.

    Parameters
    ----------
    m : Module
    name : str
        End of the registers' names.

    Members
    -------
    first, last : Signal
        Whether this turn is the first, the last.
    following : Signal
        What ``last`` will be in the next cycle.
    """

    def __init__(self, m: Module, name: str) -> None:
        self._m = m
        self.first, self.last = Signal(name=f"first_{name}", init=1), Signal(name=f"last_{name}")
        self._count = Signal(16, name=f"{name}_count")
        self.following = Signal(name=f"following_{name}")  # ``last`` of the next cycle
        m.d.comb += self.following.eq(self.last)
        m.d.sync += self.last.eq(self.following)
        self._left, self._single = Signal(16, name=f"{name}_left"), Signal(name=f"single_{name}")

    def load(self, count: Value) -> None:
        """Turn 0 of so many."""
        one = count == 1
        self._m.d.comb += self.following.eq(one)
        self._m.d.sync += [
            self.first.eq(1), self._single.eq(one), self._count.eq(count), self._left.eq(count),
        ]  # fmt: skip

    def step(self) -> None:
        """To the next turn, or from the last to the first."""
        self._m.d.comb += self.following.eq(Mux(self.last, self._single, self._left == 2))
        self._m.d.sync += [
            self.first.eq(self.last),
            self._left.eq(Mux(self.last, self._count, self._left - 1)),
        ]  # fmt: skip
