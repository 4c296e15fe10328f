"""A passive checker of an AXI4-Lite port in Amaranth's simulator: the rules of ``axi_lite_checker.v`` but for X."""

from collections import Counter

__all__ = ["NAMES", "LiteRules", "watch"]

_PAYLOAD = {"aw": ("awaddr", "awprot"), "w": ("wdata", "wstrb"), "b": ("bresp",), "ar": ("araddr", "arprot"),
            "r": ("rdata", "rresp")}  # fmt: skip
NAMES = [
    name for channel, names in _PAYLOAD.items() for name in (f"{channel}valid", f"{channel}ready", *names)
]
"""The signals that are watched."""


class LiteRules:
    """What both sides of an AXI4-Lite port keep to, seen cycle by cycle."""

    def __init__(self):
        self._waiting, self._done = {}, Counter()

    def cycle(self, signals):
        """The values of `NAMES` in a cycle; AssertionError names the rule that is broken."""
        for channel, names in _PAYLOAD.items():
            offer = tuple(signals[name] for name in names) if signals[f"{channel}valid"] else None
            before = self._waiting.get(channel)
            assert before is None or offer is not None, (
                f"{channel.upper()}VALID falls before {channel.upper()}READY"
            )
            assert before in (None, offer), f"{channel.upper()} changes while it waits"
            self._waiting[channel] = None if signals[f"{channel}ready"] else offer
        done = self._done
        assert not signals["rvalid"] or done["r"] < done["ar"], "R without AR"
        assert not signals["bvalid"] or done["b"] < min(done["aw"], done["w"]), "B without AW and W"
        for channel in _PAYLOAD:
            done[channel] += signals[f"{channel}valid"] & signals[f"{channel}ready"]


def watch(port):
    """A background bench that watches a port."""

    async def bench(ctx):
        rules = LiteRules()
        while True:
            _, _, *values = await ctx.tick().sample(*(getattr(port, name) for name in NAMES))
            rules.cycle(dict(zip(NAMES, values, strict=True)))

    return bench
