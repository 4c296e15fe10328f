"""Adders that can subtract, and multiplexers: what synthesis does not find by itself.

In exported Verilog they are instances of small modules, whose text `hwshift.rtl.export` adds. Their plain form says
what they do, for simulators and for synthesis tools in general. With ``HWSHIFT_ALU`` or ``HWSHIFT_LUT6`` defined,
Yosys (``read_verilog -icells``) gets one adder for the one and LUT6s of Xilinx for the others. ``HWSHIFT_LUT6`` also
says that block RAM leaves most of a cycle to what follows it, as Xilinx' does.
"""

from amaranth import Cat, Instance, Module, Mux, Signal, Value

__all__ = ["PRIMITIVES", "VerilogTarget", "accumulated", "add_sub", "by_device", "mux4"]

_ADD_SUB = "hwshift_add_sub"
_ACCUMULATED = "hwshift_accumulated"
_MUX4 = "hwshift_mux4"
_BY_DEVICE = "hwshift_by_device"

PRIMITIVES = {
    _ADD_SUB: f"""\
// y = subtract ? a - b : a + b
module {_ADD_SUB} #(parameter WIDTH = 4) (
  input [WIDTH-1:0] a, b, input subtract, output [WIDTH-1:0] y
);
`ifdef HWSHIFT_ALU
  wire [WIDTH-1:0] equal, carry;
  \\$alu #(.A_SIGNED(0), .B_SIGNED(0), .A_WIDTH(WIDTH), .B_WIDTH(WIDTH), .Y_WIDTH(WIDTH))
    adder (.A(a), .B(b), .CI(subtract), .BI(subtract), .Y(y), .X(equal), .CO(carry));
`else
  assign y = subtract ? a - b : a + b;
`endif
endmodule
""",
    _BY_DEVICE: f"""\
// y = xilinx or other: two ways to the same results
module {_BY_DEVICE} #(parameter WIDTH = 4) (
  input [WIDTH-1:0] xilinx, other, output [WIDTH-1:0] y
);
`ifdef HWSHIFT_LUT6
  assign y = xilinx;
`else
  assign y = other;
`endif
endmodule
""",
    _ACCUMULATED: f"""\
// y = larger ? stored : maximum ? sums : result; on Xilinx, stored is forward ? written : memory if larger
module {_ACCUMULATED} #(parameter WIDTH = 4) (
  input [WIDTH-1:0] result, sums, stored, memory, written, input forward, maximum, larger,
  output [WIDTH-1:0] y
);
`ifdef HWSHIFT_LUT6
  {_MUX4} #(.WIDTH(WIDTH)) chosen (
    .a(result), .b(sums), .c(memory), .d(written), .select({{larger, larger ? forward : maximum}}), .y(y)
  );
`else
  assign y = larger ? stored : maximum ? sums : result;
`endif
endmodule
""",
    _MUX4: f"""\
// y = a, b, c or d as select is 0, 1, 2 or 3
module {_MUX4} #(parameter WIDTH = 4) (
  input [WIDTH-1:0] a, b, c, d, input [1:0] select, output [WIDTH-1:0] y
);
`ifdef HWSHIFT_LUT6
  genvar i;
  generate for (i = 0; i < WIDTH; i = i + 1) begin : bits
    LUT6 #(.INIT(64'hff00f0f0ccccaaaa))
      lut (.I0(a[i]), .I1(b[i]), .I2(c[i]), .I3(d[i]), .I4(select[0]), .I5(select[1]), .O(y[i]));
  end endgenerate
`else
  assign y = select[1] ? (select[0] ? d : c) : (select[0] ? b : a);
`endif
endmodule
""",
}
"""Verilog of the modules that the functions below make instances of, by name."""


class VerilogTarget:
    """The platform of exported Verilog: blocks may use the modules of `PRIMITIVES`."""


def add_sub(m: Module, platform: object, a: Value, b: Value, subtract: Value, name: str) -> Value:
    """``a - b`` with ``subtract``, else ``a + b``; exact.

    Parameters
    ----------
    m : Module
        Gets the adder.
    platform : object
        A `VerilogTarget` gives an instance; anything else, such as None in Amaranth's simulator, an expression.
    a, b : signed value
    subtract : value of one bit
    name : str
        Of the result.
    """
    if not isinstance(platform, VerilogTarget):
        return Mux(subtract, a - b, a + b)
    width = max(len(a), len(b)) + 1
    wide = [Cat(value, value[-1].replicate(width - len(value))) for value in (a, b)]
    result = Signal(width, name=name)
    m.submodules[f"{name}_adder"] = Instance(
        _ADD_SUB, p_WIDTH=width, i_a=wide[0], i_b=wide[1], i_subtract=subtract, o_y=result
    )
    return result.as_signed()


def mux4(m: Module, platform: object, options: list[Value], select: Value, name: str) -> Value:
    """The option at ``select``, which has two bits; all four options are of one width, and so is the result.

    `m`, `platform` and `name` are those of `add_sub`.
    """
    if not isinstance(platform, VerilogTarget):
        a, b, c, d = (option.as_unsigned() for option in options)
        return Mux(select[1], Mux(select[0], d, c), Mux(select[0], b, a))
    width = len(options[0])
    result = Signal(width, name=name)
    inputs = {f"i_{letter}": option for letter, option in zip("abcd", options, strict=True)}
    m.submodules[f"{name}_mux"] = Instance(_MUX4, p_WIDTH=width, **inputs, i_select=select, o_y=result)
    return result


def by_device(m: Module, platform: object, xilinx: Value, other: Value, name: str) -> Value:
    """``xilinx`` in Verilog with ``HWSHIFT_LUT6`` defined, else ``other``, which has the same number of bits.

    `m`, `platform` and `name` are those of `add_sub`.
    """
    if not isinstance(platform, VerilogTarget):
        return other
    result = Signal(len(other), name=name)
    m.submodules[f"{name}_choice"] = Instance(
        _BY_DEVICE, p_WIDTH=len(other), i_xilinx=xilinx, i_other=other, o_y=result
    )
    return result


def accumulated(
    m: Module, platform: object, values: dict[str, Value], flags: dict[str, Value], name: str
) -> Value:
    """``larger ? stored : maximum ? sums : result``.

    Parameters
    ----------
    values : dict
        ``result``, ``sums``, ``stored``, all of one width, and ``memory``, ``written``: on Xilinx, where ``larger`` is
        1, ``stored`` is ``written`` with ``forward``, else ``memory``.
    flags : dict
        ``forward``, ``maximum``, ``larger``, of one bit.

    `m`, `platform` and `name` are those of `add_sub`.
    """
    if not isinstance(platform, VerilogTarget):
        chosen = Mux(flags["maximum"], values["sums"].as_unsigned(), values["result"].as_unsigned())
        return Mux(flags["larger"], values["stored"].as_unsigned(), chosen)
    width = len(values["result"])
    result = Signal(width, name=name)
    inputs = {f"i_{key}": value for key, value in (values | flags).items()}
    m.submodules[f"{name}_choice"] = Instance(_ACCUMULATED, p_WIDTH=width, **inputs, o_y=result)
    return result
