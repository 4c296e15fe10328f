"""The stand-in integers in C++ against Python's, and the scale of the epilogue against unbounded integers."""

import random
import subprocess

import pytest

from hwshift.config import AcceleratorConfig
from hwshift.golden.epilogue import epilogue_exact
from hwshift.golden.formats import QFormat
from hwshift.golden.scale import restrict_scale
from hwshift.hls.build import compiler
from hwshift.hls.render import sources
from hwshift.program.isa import PARAM_ENTRY
from hwshift.program.params import encode_param

DIGITS = AcceleratorConfig(scale_digits=4)

MAIN = r"""
#include <iostream>
#include <string>
#include "arithmetic.h"
using namespace hwshift;
int main() {
    std::string what;
    long long a, b, c, d;
    const long long low = -(1LL << 31), high = (1LL << 31) - 1;
    while (std::cin >> what >> a >> b >> c >> d) {
        if (what == "s7") std::cout << std::int64_t(sint<7>(a));
        if (what == "s64") std::cout << std::int64_t(sint<64>(a));
        if (what == "u5") std::cout << std::uint64_t(uintw<5>(a));
        if (what == "wrap") std::cout << std::int64_t(add_wrap(sint<56>(a), sint<56>(b)));
        if (what == "piece") {
            bits<96> word;
            set_bits<64>(word, int(b), std::uint64_t(a));
            drop_bits(word, int(c));
            std::cout << get_bits<17>(word, int(d));
        }
        if (what == "multiply") std::cout << clip(scale_multiplied(a, sint<18>(b), int(c)) + d, low, high);
        if (what == "digits") std::cout << clip(scale_by_digits<4>(a, sint<24>(b), int(c)) + d, low, high);
        std::cout << "\n";
    }
}
"""


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Runs questions through the C++; a list of integers."""
    folder = tmp_path_factory.mktemp("integers")
    for name, data in sources("common").items():
        (folder / name.removeprefix("src/")).write_bytes(data)
    (folder / "main.cpp").write_text(MAIN)
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-O1", "-fsanitize=undefined",
             "-fno-sanitize-recover=all"]  # fmt: skip
    subprocess.run([compiler(), *flags, "-o", folder / "main", folder / "main.cpp"], check=True)

    def run(lines):
        text = "\n".join(" ".join(map(str, line)) for line in lines)
        done = subprocess.run([folder / "main"], input=text, capture_output=True, text=True, check=True)
        return list(map(int, done.stdout.split()))

    return run


def wrapped(value, width):
    half = 1 << (width - 1)
    return (value + half) % (2 * half) - half


def test_widths(ask):
    random.seed(1)
    values = [0, 1, -1, 63, 64, -64, -65, 127, 128, (1 << 63) - 1, -(1 << 63)] + [
        random.randrange(-(1 << 63), 1 << 63) for _ in range(200)
    ]
    for kind, expected in (("s7", lambda v: wrapped(v, 7)), ("s64", lambda v: v), ("u5", lambda v: v % 32)):
        assert ask([(kind, value, 0, 0, 0) for value in values]) == [expected(value) for value in values]


def test_sums_that_wrap(ask):
    random.seed(2)
    pairs = [tuple(random.randrange(-(1 << 55), 1 << 55) for _ in range(2)) for _ in range(200)]
    assert ask([("wrap", a, b, 0, 0) for a, b in pairs]) == [wrapped(a + b, 56) for a, b in pairs]


def test_pieces_of_words(ask):
    random.seed(3)
    asked, expected = [], []
    for _ in range(400):
        value, low, drop = random.randrange(1 << 63), random.randrange(33), random.randrange(96)
        at = random.randrange(80)
        asked.append(("piece", value, low, drop, at))
        expected.append(((value << low) % (1 << 96) >> drop >> at) % (1 << 17))
    assert ask(asked) == expected


@pytest.mark.parametrize("kind", ["multiply", "digits"])
def test_scales(ask, kind):
    """As `epilogue_exact`, with accumulators at both ends of 64 bits and shifts from 0 to 62."""
    random.seed(4)
    act = QFormat(16, 16)
    asked, expected = [], []
    for _ in range(3000):
        acc = random.choice(
            [random.randrange(-(1 << 63), 1 << 63), random.randrange(-(1 << 40), 1 << 40), -(1 << 63)]
        )
        m, places, b = (
            random.randrange(-(1 << 17), 1 << 17),
            random.randrange(63),
            random.randrange(-(1 << 31), 1 << 31),
        )
        code = m
        if kind == "digits":
            m, _ = restrict_scale(m, 40, 4)
            code = PARAM_ENTRY.unpack(encode_param(DIGITS, m, 0, 0))["scale"]
        asked.append((kind, acc, code, places, b))
        expected.append(epilogue_exact(acc, m, places, b, 0, act))
    assert ask(asked) == expected
