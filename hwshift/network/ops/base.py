"""The base of all operators, and the input."""

from dataclasses import dataclass

from hwshift.network.checks import Shape

__all__ = ["Input", "Op"]


@dataclass(frozen=True, eq=False)
class Op:
    """Base of all operators."""

    @property
    def arity(self) -> int | None:
        """Number of inputs; None: one or more."""
        return 1

    def check(self) -> None:
        """Check the parameters alone. Raises ValueError with one line."""

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """Shape of the output. Raises ValueError with one line where the inputs do not fit."""
        return inputs[0]

    @property
    def parameters(self) -> int:
        """Number of trained values."""
        return 0

    def macs(self, output: Shape) -> int:
        """Multiply-accumulates for one image, given the output's shape."""
        del output
        return 0


@dataclass(frozen=True, eq=False)
class Input(Op):
    """The network's input map."""

    channels: int
    height: int
    width: int

    @property
    def arity(self) -> int:
        """No inputs."""
        return 0

    def check(self) -> None:
        """Sizes are at least 1."""
        size = (self.channels, self.height, self.width)
        if not all(isinstance(v, int) and v >= 1 for v in size):
            raise ValueError(f"the input's size must be integers of at least 1, not {size!r}")

    def shape(self, inputs: tuple[Shape, ...]) -> Shape:
        """Its own size."""
        del inputs
        return self.channels, self.height, self.width
