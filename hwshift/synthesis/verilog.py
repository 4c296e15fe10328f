"""Verilog as text: its modules, each kept once, and a top whose ports fit any package."""

import re
from dataclasses import dataclass

__all__ = ["Port", "chained_top", "module_texts", "plain_names", "ports_of", "unique_modules"]

_MODULE = re.compile(r"^(?:\(\*.*\*\)\n)*module (\\\S+|\w+) ?.*?^endmodule\n", re.MULTILINE | re.DOTALL)
_PORT = re.compile(r"^  (input|output) (?:\[(\d+):0\] )?(\\\S+|\w+) ?;", re.MULTILINE)
_TRIGGER = re.compile(r"(\\\$auto\$verilog_backend\S*?)\$\d+ ")
"""The register of a module that starts its blocks; Yosys numbers them through the whole design."""


@dataclass(frozen=True)
class Port:
    """A port of a module: name, bits, and whether it is an input."""

    name: str
    width: int
    is_input: bool


def unique_modules(text: str) -> str:
    """Keep one module of those that are alike but for their names, with all instances made of that one.

    Amaranth writes a module for every instance; a tool then works on each. The netlist stays the same.
    """
    text = _TRIGGER.sub(r"\1 ", text)
    while same := _same_modules(text):
        text = _merged(text, same)
    return text


def module_texts(text: str) -> dict[str, str]:
    """The modules of a text by name, a name that is escaped with its backslash."""
    return {match[1]: match[0] for match in _MODULE.finditer(text)}


def _same_modules(text: str) -> dict[str, str]:
    """Names of modules that are like one before them, and the name of that."""
    first: dict[str, str] = {}
    found = (
        (match[1], match[0].replace(f"module {match[1]}", "module", 1)) for match in _MODULE.finditer(text)
    )
    return {name: first[body] for name, body in found if first.setdefault(body, name) != name}


def _merged(text: str, same: dict[str, str]) -> str:
    """The text without some modules, whose instances become ones of others."""
    text = _MODULE.sub(lambda match: "" if match[1] in same else match[0], text)
    instance = re.compile(r"^  (\\\S+)(?= )", re.MULTILINE)
    return instance.sub(lambda match: "  " + same.get(match[1], match[1]), text)


def plain_names(text: str) -> str:
    """Write the element ``\\x[0]`` of an array as ``\\x.0``: abc9 takes the former for bit 0 of a port ``x``."""
    return re.sub(r"\\[^\s\[]+\[\d+\]\S* ", lambda match: re.sub(r"\[(\d+)\]", r".\1", match[0]), text)


def ports_of(text: str, module: str) -> list[Port]:
    """The ports of a module, in their order."""
    for match in _MODULE.finditer(text):
        if match[1].lstrip("\\") == module:
            found = _PORT.findall(match[0])
            return [Port(name, int(high or 0) + 1, way == "input") for way, high, name in found]
    raise ValueError(f"module must be one of the text's, not {module!r}")


def chained_top(text: str, module: str, clock: str, name: str = "chained") -> str:
    """Verilog of a module with three pins around another one, for place and route.

    Every input comes from a register of one chain, every output goes into a register of another, so that all paths
    of the inner module lie between registers and nothing is optimised away.
    """
    ports = [port for port in ports_of(text, module) if port.name != clock]
    inputs = [port for port in ports if port.is_input]
    outputs = [port for port in ports if not port.is_input]
    bits_in, bits_out = (max(1, sum(port.width for port in some)) for some in (inputs, outputs))
    connections, at = [f".{clock}(clk)"], {True: 0, False: 0}
    for port in ports:
        start = at[port.is_input]
        at[port.is_input] += port.width
        wire = "chain" if port.is_input else "seen"
        connections.append(f".{port.name} ({wire}[{start + port.width - 1}:{start}])")
    return f"""
module {name} (input clk, input i, output o);
  reg [{bits_in - 1}:0] chain;
  reg [{bits_out - 1}:0] kept;
  wire [{bits_out - 1}:0] seen;
  always @(posedge clk) chain <= {{chain, i}};
  always @(posedge clk) kept <= {{kept, 1'b0}} ^ seen;
  assign o = kept[{bits_out - 1}];
  \\{module} inner ({", ".join(connections)});
endmodule
"""
