"""What the papers measured of the time that kinds of layers take, and the networks to measure the same on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hwshift.benchmarks.bars import Setting
from hwshift.compiler.shift_mode import ShiftMode
from hwshift.zoo.shift_layers import SPARSITY

__all__ = ["STUDIES", "Case", "Study"]


@dataclass(frozen=True)
class Case:
    """One row.

    Members
    -------
    label, network : str
        The network with its options, as `hwshift.resolve.load_network` takes it.
    shift : "fused", "moved" or None
    setting : str
        Of `hwshift.benchmarks.bars.fixed_setting`.
    paper : mapping of str to float
        What the paper prints for it, by platform and unit.
    against : str or None
        Label of the row that ratios are to; None: the study's first.
    acc_width : int or None
        Bits of the accumulators, where the sums take more than the setting has.
    """

    label: str
    network: str
    shift: ShiftMode | None = None
    setting: Setting = "16x16"
    paper: Mapping[str, float] = field(default_factory=dict)
    against: str | None = None
    acc_width: int | None = None


@dataclass(frozen=True)
class Study:
    """Rows that are compared; ``times``: the paper's figures are times, so that ratios can be compared."""

    title: str
    source: str
    cases: tuple[Case, ...]
    times: bool = False


_SSL = "Chen et al., All You Need is a Few Shifts, CVPR 2019"
_SHUFFLE = "Zhang et al., ShuffleNet, CVPR 2018"


def _table_6() -> Iterator[Case]:
    printed = {
        "FE-Net-1.0x": (16.1, 1.9),
        "MobileNetV2": (21.4, 2.9),
        "FE-Net-1.0x-DW": (21.8, 2.7),
        "FE-Net-1.375x": (23.1, 3.8),
        "MobileNetV2-1.4x": (30.6, 5.8),
        "FE-Net-1.375x-DW": (30.4, 5.3),
    }
    for name, (gpu, cpu) in printed.items():
        yield Case(name, name, paper={"GPU ms": gpu, "CPU s": cpu})


def _table_3() -> Iterator[Case]:
    """The sparsest layers are removed first: those that remain keep the shares of Table 2."""
    accuracy = {0: 91.7, 4: 91.5, 6: 91.4, 8: 89.4, 9: 81.5}
    shares = SPARSITY["cifar10"]
    order = sorted(range(len(shares)), key=lambda index: -shares[index])
    for removed, percent in accuracy.items():
        kept = [1.0 if index in order[:removed] else share for index, share in enumerate(shares)]
        network = f"ShiftResNet20-6-SSL,sparsity={':'.join(f'{share:.4f}' for share in kept)}"
        yield Case(f"{removed} removed", network, "moved", paper={"CIFAR10 %": percent})
    yield Case("all fused", "ShiftResNet20-6-SSL", "fused")


def _table_8() -> Iterator[Case]:
    """The last pool of the largest images sums 23 x 40 values of 32 bits and 15 guard bits, which takes 57."""
    printed = {
        "224x224": (15.2, 37.8, 108.8),
        "480x640": (87.4, 222.2, 617.0),
        "720x1280": (260.1, 684.5, 1857.6),
    }
    for size, times in printed.items():
        for width, time in zip(("0.5x", "1x", "2x"), times, strict=True):
            wide = 57 if size == "720x1280" else None
            label = f"{width} {size}" + (f", acc_width {wide}" if wide else "")
            yield Case(label, f"ShuffleNet-{width}-g3@{size}", paper={"ARM ms": time}, acc_width=wide)


def _section_4_3() -> Iterator[Case]:
    """Gates take multipliers in the epilogue, so both rows of a pair are on the array that has them."""
    for width in ("0.5x", "1x", "2x"):
        for suffix, label in (("", ""), ("-SE", " with SE")):
            network = f"ShuffleNet-{width}-g3{suffix}"
            yield Case(f"{width}{label}", network, setting="16x16-mac", against=width)


STUDIES: tuple[Study, ...] = (
    Study(
        "what the shift takes",
        f"{_SSL}, Fig. 2: batch 32, Xeon E5-2650 and TITAN X",
        (
            Case("fused", "ShiftNet-A", "fused"),
            Case("moved", "ShiftNet-A", "moved", paper={"CPU %": 3.6, "GPU %": 28.1}),
            Case("moved, 80 % unshifted", "ShiftNet-A,shifts=learned,sparsity=0.8", "moved"),
            Case("depthwise", "ShiftNet-A,spatial=depthwise", paper={"GPU %": 79.2}),
            Case("depthwise 3x3", "ShiftNet-A,spatial=depthwise,kernel=3", paper={"GPU %": 62.1}),
        ),
    ),
    Study("shift or depthwise", f"{_SSL}, Table 6: batch 32", tuple(_table_6()), times=True),
    Study("removed shift layers", f"{_SSL}, Table 3", tuple(_table_3())),
    Study(
        "ShuffleNet by size",
        f"{_SHUFFLE}, Table 8: Snapdragon 820, one thread",
        tuple(_table_8()),
        times=True,
    ),
    Study(
        "squeeze-and-excite",
        f"{_SHUFFLE}, section 4.3: 25 to 40 % slower on mobile devices",
        tuple(_section_4_3()),
    ),
)
"""In the order they are printed. For Fig. 2 (e), 80 % unshifted, the paper's text has no figure."""
