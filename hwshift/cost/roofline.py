"""The roofline: what the array could do in each cycle, and what the bus lets it do."""

from dataclasses import dataclass

from hwshift.config import AcceleratorConfig
from hwshift.cost.counts import MemoryCounts

__all__ = ["RooflinePoint", "point"]


@dataclass(frozen=True)
class RooflinePoint:
    """Work and traffic of a layer or a whole image.

    The bus reads and writes at the same time, so what counts is the busier of its two directions.

    Members
    -------
    macs : int
        Useful multiply-accumulates.
    cycles : int
        They took, idle ones included.
    read_bytes, write_bytes : int
        Of the memory behind the bus, instructions and tables included.
    peak : int
        Multiply-accumulates of the array in one cycle: R * C * P.
    bytes_per_cycle : int
        Of the bus in one direction.
    """

    macs: int
    cycles: int
    read_bytes: int
    write_bytes: int
    peak: int
    bytes_per_cycle: int

    @property
    def intensity(self) -> float:
        """Multiply-accumulates for each byte of the busier direction; 0 without traffic."""
        busier = max(self.read_bytes, self.write_bytes)
        return self.macs / busier if busier else 0.0

    @property
    def roof(self) -> float:
        """Multiply-accumulates per cycle that array and bus allow at this intensity; the array's without traffic."""
        return min(self.peak, self.intensity * self.bytes_per_cycle) if self.intensity else float(self.peak)

    @property
    def achieved(self) -> float:
        """Multiply-accumulates per cycle; 0 without cycles.

        A single layer's can lie above its roof: its weights arrive while the layer before computes.
        """
        return self.macs / self.cycles if self.cycles else 0.0

    @property
    def ridge(self) -> float:
        """Intensity from which the array is the limit."""
        return self.peak / self.bytes_per_cycle

    @property
    def memory_bound(self) -> bool:
        """Whether the bus allows less than the array."""
        return 0 < self.intensity < self.ridge


def point(config: AcceleratorConfig, macs: int, cycles: int, memory: MemoryCounts) -> RooflinePoint:
    """The point of so much work.

    Parameters
    ----------
    config : AcceleratorConfig
    macs, cycles : int
    memory : MemoryCounts
    """
    peak = config.rows * config.columns * config.pixels
    return RooflinePoint(
        macs, cycles, memory.read_bits // 8, memory.map_write_bits // 8, peak, config.beat_bytes
    )
