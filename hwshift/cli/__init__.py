"""The command line.

Each module of this package whose name has no leading underscore is one command: ``doctor.py`` holds
a click command named `command` and becomes ``hwshift doctor``. A new command needs no other edit.
A command is imported when it is called or listed, so its heavy imports belong inside its functions.
"""

import os
import pkgutil
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

import click

from hwshift import __version__
from hwshift.errors import HwshiftError

__all__ = ["main", "root"]


class _Commands(click.Group):
    """A group that finds its commands among the modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        names = (module.name for module in pkgutil.iter_modules(__path__))
        return sorted(name.replace("_", "-") for name in names if not name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command = import_module(f"{__name__}.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hwshift")
def root() -> None:
    """Turn a shift-based or bit-shift CNN into a verified FPGA accelerator."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str or None
        Arguments without the program's name; those of the process if None.

    Returns
    -------
    int
        0 on success, 2 for wrong usage, the own code of a `HwshiftError` and 12 for want of memory (told in one
        line), 130 when interrupted, 1 for a bug (told with its traceback).
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        result = root.main(args=arguments, prog_name="hwshift", standalone_mode=False)
        sys.stdout.flush()
    except HwshiftError as error:
        click.echo(f"hwshift: error: {' '.join(str(error).split())}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("hwshift: interrupted", err=True)
        return 130
    except MemoryError as error:
        text = " ".join(str(error).split())
        click.echo(f"hwshift: error: not enough memory{': ' if text else ''}{text}", err=True)
        return 12
    except BrokenPipeError:  # the reader of a pipe has left: `hwshift ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception:
        traceback.print_exc()
        return 1
    return result if isinstance(result, int) else 0
