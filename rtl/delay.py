"""Delay lines."""

from amaranth import Module, Signal, Value
from amaranth.lib import data

__all__ = ["delay"]


def delay(
    m: Module, signal: Value | data.View, cycles: int, name: str, *, reset_less: bool = False
) -> Value | data.View:
    """The value ``signal`` had ``cycles`` cycles ago: a chain of registers that starts as zeros.

    Parameters
    ----------
    m : Module
        Gets the registers, in its ``sync`` domain.
    signal : Value or view
        Anything with a shape; the result has the same shape.
    cycles : int
        0 gives ``signal`` itself.
    name : str
        The registers are called ``name_1``, ``name_2``, ...
    reset_less : bool
        Leave the registers out of the reset: right for what a valid bit qualifies.

    Returns
    -------
    Value or view
    """
    if cycles < 0:
        raise ValueError(f"cycles must be 0 or more, not {cycles!r}")
    for stage in range(1, cycles + 1):
        register = Signal(signal.shape(), name=f"{name}_{stage}", reset_less=reset_less)
        m.d.sync += register.eq(signal)
        signal = register
    return signal
