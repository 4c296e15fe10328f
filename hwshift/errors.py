"""The errors hwshift raises on purpose, each with the exit code of the command line.

An error that is not one of these is a bug. Codes 1 and 2 are left to Python's traceback and to
wrong usage of the command line.
"""

__all__ = [
    "CompileError",
    "ConfigError",
    "DataError",
    "HwshiftError",
    "MismatchError",
    "NetworkError",
    "ProgramError",
    "QuantizeError",
    "SimulationError",
    "ToolError",
]


class HwshiftError(Exception):
    """Base of all errors with a known cause.

    Longer material, such as the end of a log, is attached with `add_note`, so that the message stays
    one line.

    Parameters
    ----------
    message : str
        What is wrong, with the allowed values or what to change.
    where : str or None
        The layer, field or file concerned; put in front of the message.

    Members
    -------
    exit_code : int
        What the command line returns; each class has its own.
    message, where
        As given.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where

    def __str__(self) -> str:
        return self.message if self.where is None else f"{self.where}: {self.message}"

    def __reduce__(self) -> tuple:
        return type(self), (self.message,), self.__dict__


class ConfigError(HwshiftError):
    """An accelerator configuration that cannot be built."""

    exit_code = 3


class NetworkError(HwshiftError):
    """A network that is malformed, or that holds an operator hwshift does not know."""

    exit_code = 4


class QuantizeError(HwshiftError):
    """Values that do not fit the number format asked for."""

    exit_code = 5


class CompileError(HwshiftError):
    """A network that does not fit the accelerator."""

    exit_code = 6


class ProgramError(HwshiftError):
    """A program image that is malformed, or made for another configuration."""

    exit_code = 7


class SimulationError(HwshiftError):
    """A simulation that did not build, did not end, or whose checks failed."""

    exit_code = 8


class MismatchError(HwshiftError):
    """Two models that have to agree and do not."""

    exit_code = 9


class ToolError(HwshiftError):
    """An external tool that is missing or fails."""

    exit_code = 10


class DataError(HwshiftError):
    """Images or weights that are missing or damaged."""

    exit_code = 11
