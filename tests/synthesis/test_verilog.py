"""Tests of the text transformations, on modules small enough to read."""

import pytest

from hwshift.synthesis.verilog import Port, chained_top, module_texts, plain_names, ports_of, unique_modules

LEAF = """\
module \\top.leaf_{n} (clk, a, y);
  input clk;
  wire clk;
  input [3:0] a;
  wire [3:0] a;
  output y;
  wire y;
  assign y = {f}a;
endmodule
"""
TWIN = """\
module \\top.twin_{n} (clk, a, y);
  \\top.leaf_{n}  leaf (
    .clk(clk)
  );
endmodule
"""
TOP = """\
module top(clk);
  \\top.twin_0  twin_0 (
    .a(x)
  );
  \\top.twin_1  twin_1 (
    .a(x)
  );
  \\top.leaf_2  leaf_2 (
    .a(x)
  );
endmodule
"""
TEXT = "".join([
    *(LEAF.format(n=n, f=f) for n, f in enumerate("&&|")), *(TWIN.format(n=n) for n in range(2)), TOP,
])  # fmt: skip


def test_alike_modules_are_kept_once_from_the_leaves_up():
    text = unique_modules(TEXT)
    assert text.count("endmodule") == 4
    assert text.count("\\top.twin_0  twin_") == 2
    assert "twin_1 (" in text
    assert "module \\top.leaf_1" not in text
    assert "  \\top.leaf_2  leaf_2 (" in text
    assert unique_modules(text) == text


def test_ports():
    expected = [Port("clk", 1, True), Port("a", 4, True), Port("y", 1, False)]
    assert ports_of(TEXT, "top.leaf_2") == expected
    with pytest.raises(ValueError, match=r"^module must be one of the text's, not 'x'$"):
        ports_of(TEXT, "x")


def test_names_of_elements():
    assert plain_names("  wire \\x[0] ;\n  wire \\y[12].z[3] ;\n  assign \\$1 [3] = a[2];\n") == (
        "  wire \\x.0 ;\n  wire \\y.12.z.3 ;\n  assign \\$1 [3] = a[2];\n"
    )


def test_a_top_with_three_pins():
    text = chained_top(TEXT, "top.leaf_2", "clk")
    assert "module chained (input clk, input i, output o);" in text
    assert "reg [3:0] chain;" in text
    assert "reg [0:0] kept;" in text
    assert "\\top.leaf_2 inner (.clk(clk), .a (chain[3:0]), .y (seen[0:0]));" in text


def test_modules_that_start_their_blocks_alike_are_one():
    """Yosys numbers the registers that start blocks through the whole design."""
    one = r"""module \a (y);
  reg \$auto$verilog_backend.cc:2355:dump_module$NUMBER ;
  initial \$auto$verilog_backend.cc:2355:dump_module$NUMBER = 0;
endmodule
"""
    text = one.replace("NUMBER", "33") + one.replace(r"\a", r"\b").replace("NUMBER", "34")
    assert list(module_texts(unique_modules(text))) == ["\\a"]
