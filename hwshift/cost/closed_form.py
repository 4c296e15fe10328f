"""Costs of convolutions as formulas: parameters, operations, memory accesses, and their ratio.

Wu et al., "Shift" (CVPR 2018), section 2 (equations 4 and 5), with its error mended: the kernel's size is D_K
throughout. Zhang et al., "ShuffleNet" (CVPR 2018), section 3.2, for whole units. One operation is one
multiply-accumulate; every value counts as one access when it is read or written for the first time.
"""

from dataclasses import dataclass
from pathlib import Path

from hwshift.errors import DataError
from hwshift.palette import BLUE, GREEN, RED, picture, styled
from hwshift.writing import refusals_as, replace_file

__all__ = [
    "LayerCost",
    "depthwise",
    "plot_intensity",
    "pointwise",
    "resnet_unit",
    "resnext_unit",
    "shift",
    "shift_pointwise",
    "shufflenet_unit",
    "standard",
]


@dataclass(frozen=True)
class LayerCost:
    """Costs of a layer with stride 1 whose output is as large as its input.

    Members
    -------
    params : int
        Weights.
    flops : int
        Multiply-accumulates.
    accesses : int
        Values read and written: input and output map, and weights.
    """

    params: int
    flops: int
    accesses: int

    @property
    def intensity(self) -> float:
        """Multiply-accumulates for each access."""
        return self.flops / self.accesses

    def __add__(self, other: "LayerCost") -> "LayerCost":
        """One layer after the other."""
        return LayerCost(self.params + other.params, self.flops + other.flops, self.accesses + other.accesses)


def standard(m: int, n: int, kernel: int, size: int) -> LayerCost:
    """Convolution from m to n channels with a square kernel on a square map (equation 4)."""
    _check(m=m, n=n, kernel=kernel, size=size)
    params, pixels = m * n * kernel**2, size**2
    return LayerCost(params, params * pixels, pixels * (m + n) + params)


def depthwise(m: int, kernel: int, size: int) -> LayerCost:
    """Depthwise convolution of m channels (equation 5)."""
    _check(m=m, kernel=kernel, size=size)
    params, pixels = m * kernel**2, size**2
    return LayerCost(params, params * pixels, 2 * pixels * m + params)


def pointwise(m: int, n: int, size: int) -> LayerCost:
    """1x1 convolution."""
    return standard(m, n, 1, size)


def shift(m: int, size: int, shifted: int | None = None) -> LayerCost:
    """Shift of a map as a pass of its own: nothing is computed; `shifted` channels (None: all) are read and written."""
    shifted = m if shifted is None else shifted
    _check(m=m, size=size)
    if not 0 <= shifted <= m:
        raise DataError(f"0 to {m} channels can be shifted, not {shifted!r}", where="shifted")
    return LayerCost(0, 0, 2 * shifted * size**2)


def shift_pointwise(m: int, n: int, size: int, *, moved: bool = False) -> LayerCost:
    """Shift and 1x1 convolution: reading at shifted addresses costs nothing; `moved` adds a pass of its own."""
    cost = pointwise(m, n, size)
    return cost + shift(m, size) if moved else cost


def shufflenet_unit(height: int, width: int, c: int, m: int, groups: int) -> int:
    """Operations of a ShuffleNet unit of c channels, m inside: ``hw (2cm/g + 9m)``."""
    _check(height=height, width=width, c=c, m=m, groups=groups)
    return height * width * (_divided(2 * c * m, groups) + 9 * m)


def resnet_unit(height: int, width: int, c: int, m: int) -> int:
    """Operations of a bottleneck of ResNet: ``hw (2cm + 9m**2)``."""
    _check(height=height, width=width, c=c, m=m)
    return height * width * (2 * c * m + 9 * m**2)


def resnext_unit(height: int, width: int, c: int, m: int, groups: int) -> int:
    """Operations of a unit of ResNeXt: ``hw (2cm + 9m**2/g)``."""
    _check(height=height, width=width, c=c, m=m, groups=groups)
    return height * width * (2 * c * m + _divided(9 * m**2, groups))


def _divided(value: int, groups: int) -> int:
    if value % groups:
        raise DataError(f"must divide {value} weights, not {groups}", where="groups")
    return value // groups


def _check(**values: int) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise DataError(f"must be an integer of at least 1, not {value!r}", where=name)


_SIZES = (56, 14, 7)
_CHANNELS = (16, 32, 64, 128, 256, 512, 1024)
_SUFFIXES = (".svg", ".png", ".pdf")


def plot_intensity(path: str | Path, kernel: int = 3) -> None:
    """Plot multiply-accumulates for each memory access over the number of channels, as many out as in.

    Parameters
    ----------
    path : path
        Ends in .svg, .png or .pdf.
    kernel : int
        Of the standard and depthwise convolutions.

    Raises
    ------
    DataError
        For another suffix, or when the file cannot be written.
    """
    if Path(path).suffix.lower() not in _SUFFIXES:
        raise DataError(f"a plot must end in {', '.join(_SUFFIXES)}", where=str(path))
    from matplotlib.figure import Figure

    k = f"{kernel}×{kernel}"
    with styled():
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        for axes, size in zip(figure.subplots(1, len(_SIZES), sharey=True), _SIZES, strict=True):
            for label, colour, style, costs in (
                (f"{k} convolution", BLUE, "-", [standard(c, c, kernel, size) for c in _CHANNELS]),
                (
                    "shift in the reads + 1×1",
                    GREEN,
                    "-",
                    [shift_pointwise(c, c, size) for c in _CHANNELS],
                ),
                (
                    "shift as a pass + 1×1",
                    GREEN,
                    "--",
                    [shift_pointwise(c, c, size, moved=True) for c in _CHANNELS],
                ),
                (
                    f"{k} depthwise + 1×1",
                    RED,
                    "-",
                    [depthwise(c, kernel, size) + pointwise(c, c, size) for c in _CHANNELS],
                ),
                (f"{k} depthwise alone", RED, "--", [depthwise(c, kernel, size) for c in _CHANNELS]),
            ):
                axes.plot(_CHANNELS, [cost.intensity for cost in costs], style, color=colour, label=label)
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.set_xticks(_CHANNELS, [str(c) for c in _CHANNELS])
            axes.set_title(f"{size} × {size} pixels")
            axes.set_xlabel("channels")
            axes.grid(True)
        figure.axes[0].set_ylabel("multiply-accumulates per access")
        figure.axes[-1].legend(frameon=False, fontsize=8, loc="upper right")
        with refusals_as(DataError, path):
            replace_file(path, picture(figure, Path(path).suffix))
