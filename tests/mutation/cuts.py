"""Memories cut out of a module: what they give comes in, what they are given goes out.

Two copies of a module whose memories are given the same in every cycle have memories that give the same.
"""

import re

_CELL = re.compile(r"(?:^  attribute .*\n)*^  cell \$mem_v2 \\(\S+)\n((?:    .*\n)*)  end\n", re.MULTILINE)
_NUMBER = re.compile(r"\b(?:input|output) (\d+) ")


def without_memories(text: str) -> str:
    """RTLIL of one module. What is written counts where it is written."""
    first = 1 + max((int(number) for number in _NUMBER.findall(text)), default=0)
    parts, names = [], []

    def cut(found: re.Match) -> str:
        parts.append(_ports(found[1], found[2], first + 6 * len(names)))
        names.append(found[1])
        return ""

    rest = _CELL.sub(cut, text)
    head, end, tail = rest.rpartition("\nend\n")
    return "\n".join([head, *parts]) + end + tail


def _ports(name: str, body: str, number: int) -> str:
    """Ports and cells instead of a memory."""
    size = {key: int(value) for key, value in re.findall(r"parameter \\(\w+) (\d+)$", body, re.MULTILINE)}
    given = dict(re.findall(r"connect \\(\w+) (.*)$", body, re.MULTILINE))
    reads, writes, width, address = size["RD_PORTS"], size["WR_PORTS"], size["WIDTH"], size["ABITS"]
    lines = [f"  wire width {reads * width} input {number} \\{name}.RD_DATA"]
    lines.append(f"  connect {given['RD_DATA']} \\{name}.RD_DATA")
    shown = {"RD_ADDR": reads * address, "RD_EN": reads}
    if writes:
        shown["WR_EN"] = writes * width
        lines += [f"  wire width {writes * width} output {number + 3} \\{name}.WR_DATA",
                  _cell("and", f"{name}.written", writes * width, A=given["WR_DATA"], B=given["WR_EN"],
                        Y=f"\\{name}.WR_DATA")]  # fmt: skip
    if writes == 1:
        lines += [f"  wire width {address} output {number + 4} \\{name}.WR_ADDR", f"  wire \\{name}.writes",
                  f"  cell $reduce_or \\{name}.any", "    parameter \\A_SIGNED 0", f"    parameter \\A_WIDTH {width}",
                  "    parameter \\Y_WIDTH 1", f"    connect \\A {given['WR_EN']}", f"    connect \\Y \\{name}.writes",
                  "  end", f"  cell $mux \\{name}.where", f"    parameter \\WIDTH {address}",
                  f"    connect \\A {address}'{'0' * address}", f"    connect \\B {given['WR_ADDR']}",
                  f"    connect \\S \\{name}.writes", f"    connect \\Y \\{name}.WR_ADDR", "  end"]  # fmt: skip
    elif writes:
        shown["WR_ADDR"] = writes * address
    for index, (port, bits) in enumerate(shown.items()):
        lines += [f"  wire width {bits} output {number + (1, 2, 5, 4)[index]} \\{name}.{port}",
                  f"  connect \\{name}.{port} {given[port]}"]  # fmt: skip
    return "\n".join(lines)


def _cell(kind: str, name: str, width: int, **ports: str) -> str:
    lines = [f"  cell ${kind} \\{name}"]
    lines += [f"    parameter \\{side}_SIGNED 0" for side in "AB"]
    lines += [f"    parameter \\{side}_WIDTH {width}" for side in "ABY"]
    lines += [f"    connect \\{port} {value}" for port, value in ports.items()]
    return "\n".join([*lines, "  end"])
