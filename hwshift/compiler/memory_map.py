"""The memory a program works on: segments that grow while the schedule is written, then get addresses."""

from collections.abc import Mapping

import numpy as np

from hwshift.compiler.placement import Tensor, View
from hwshift.config import AcceleratorConfig
from hwshift.program.image import Part, Region, Segment, TensorRecord

__all__ = ["MemoryMap", "PAGE"]

PAGE = 4096
_ALIGN = 64


class MemoryMap:
    """Segments ``tables``, ``weights``, ``input`` and ``maps``; addresses are relative until `place`.

    Equal contents are stored once.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        self._blobs: dict[str, bytearray] = {"tables": bytearray(), "weights": bytearray()}
        self._known: dict[tuple[str, bytes], int] = {}
        self._sizes = {"input": 0, "maps": 0}
        self.tensors: dict[str, tuple[str, int]] = {}
        self.gates: dict[str, tuple[str, int]] = {}
        self.bases: dict[str, int] = {}

    def add(self, segment: str, content: bytes) -> int:
        """Store constants; returns their address in the segment."""
        key = segment, content
        if key not in self._known:
            blob = self._blobs[segment]
            blob.extend(bytes(-len(blob) % _ALIGN))
            self._known[key] = len(blob)
            blob.extend(content)
        return self._known[key]

    def pixel_bytes(self, tensor: Tensor) -> int:
        """Bytes of one pixel of a map or input in memory."""
        return tensor.slots * tensor.lanes(self._config) * self._config.act.storage_bits // 8

    def reserve(self, tensor: Tensor, segment: str) -> None:
        """Space for a whole tensor."""
        self.tensors[tensor.name] = segment, self._sizes[segment]
        size = tensor.shape[1] * tensor.shape[2] * self.pixel_bytes(tensor)
        self._sizes[segment] += -(-size // _ALIGN) * _ALIGN

    def reserve_gates(self, tensor: Tensor) -> None:
        """Space for a tensor of one pixel as epilogue parameters."""
        if tensor.name not in self.gates:
            self.gates[tensor.name] = "maps", self._sizes["maps"]
            size = tensor.slots * self._config.gate_beats * self._config.beat_bytes
            self._sizes["maps"] += -(-size // _ALIGN) * _ALIGN

    def place(self, instructions: int) -> None:
        """Give every segment its address, now that the program's length is known."""
        sizes = {
            "program": instructions * 64,
            **{name: len(blob) for name, blob in self._blobs.items()},
            **self._sizes,
        }
        address = PAGE
        for name, size in sizes.items():
            self.bases[name] = address
            address += max(1, -(-size // PAGE)) * PAGE
        self._ends = {name: self.bases[name] + size for name, size in sizes.items()}
        self.size = address

    def segments(self) -> tuple[Segment, ...]:
        """After `place`."""
        blobs = {name: np.frombuffer(bytes(blob), np.uint8) for name, blob in self._blobs.items()}
        return tuple(
            Segment(name, base, self._ends[name] - base, blobs.get(name)) for name, base in self.bases.items()
        )

    def regions(self) -> Mapping[str, Region]:
        """What instructions, loads and stores may touch; after `place`."""
        return {
            "program": Region(self.bases["program"], self._ends["program"] - 1),
            "read": Region(self.bases["tables"], self.size - 1),
            "write": Region(self.bases["maps"], self.size - 1),
        }

    def record(
        self, layer: str, shape: tuple[int, int, int], view: View, tensors: Mapping[str, Tensor]
    ) -> TensorRecord:
        """Where a layer's channels lie; its view's tensors are in memory."""
        own = [tensors[name] for name in view.tensors]
        parts = []
        for tensor in own:
            segment, offset = self.tensors[tensor.name]
            parts.append(Part(self.bases[segment] + offset, tensor.slots, tensor.lanes(self._config)))
        layout = "input" if len(own) == 1 and own[0].is_input else "map"
        return TensorRecord(layer, shape, layout, tuple(parts), self._placement(view))

    def gate_record(self, tensor: Tensor, view: View) -> TensorRecord:
        """Where a tensor of one pixel lies as epilogue parameters."""
        segment, offset = self.gates[tensor.name]
        part = Part(self.bases[segment] + offset, tensor.slots, self._config.rows)
        return TensorRecord(tensor.name, tensor.shape, "gates", (part,), self._placement(view))

    def _placement(self, view: View) -> np.ndarray:
        rows = self._config.rows
        return np.stack((view.source, view.channel // rows, view.channel % rows), axis=1)
