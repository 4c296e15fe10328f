"""Tests of the protocol checker: legal traffic passes, each broken rule is reported and no other."""

import pytest

from .axi_traffic import trace
from .play import play

OUTPUTS = ["violations", "broken"]
INPUTS = [
    "awaddr", "awlen", "awsize", "awburst", "awvalid", "awready", "wdata", "wstrb", "wlast", "wvalid", "wready",
    "bresp", "bvalid", "bready", "araddr", "arlen", "arsize", "arburst", "arvalid", "arready",
    "rdata", "rresp", "rlast", "rvalid", "rready", "arid", "arlock", "arcache", "arprot", "awid", "awlock", "awcache",
    "awprot", "rid", "bid",
]  # fmt: skip
LITE = [
    "awaddr", "awvalid", "awready", "wdata", "wstrb", "wvalid", "wready", "bresp", "bvalid", "bready",
    "araddr", "arvalid", "arready", "rdata", "rresp", "rvalid", "rready",
]  # fmt: skip
READY = dict.fromkeys(("awready", "wready", "bready", "arready", "rready"), 1)


def ar(**changes):
    return READY | {"araddr": 0x100, "arlen": 0, "arsize": 3, "arburst": 1, "arvalid": 1} | changes


def aw(**changes):
    return READY | {"awaddr": 0x100, "awlen": 0, "awsize": 3, "awburst": 1, "awvalid": 1} | changes


def w(**changes):
    return READY | {"wdata": 1, "wstrb": 0xF, "wlast": 1, "wvalid": 1} | changes


def r(**changes):
    return READY | {"rdata": 1, "rlast": 1, "rvalid": 1} | changes


def b(**changes):
    return READY | {"bvalid": 1} | changes


LEGAL = {
    "single transfers": [ar(), r(), aw(), w(), b()],
    "waiting": [*[ar(arready=0)] * 3, ar(), *[aw(awready=0)] * 2, aw(), *[w(wready=0)] * 2, w(), b(), r()],
    "up to the boundary": [ar(araddr=0x1E00, arlen=63), *[r(rlast=int(i == 63)) for i in range(64)]],
    "last beat before the boundary": [ar(araddr=0x1FF8), r()],
    "four bursts each way": [*[ar()] * 4, *[aw()] * 4, *[w()] * 4, *[b()] * 4, *[r()] * 4],
    "a new burst with the last beat": [
        *[ar()] * 4,
        ar() | r(),
        *[r()] * 4,
        *[aw()] * 4,
        *[w()] * 4,
        aw() | b(),
    ],
    "IDs": [ar(arid=1), ar(), r(rid=1), r(), aw(awid=1), aw(), w(), w(), b(bid=1), b()],
    "caches": [ar(arcache=0b0011), ar(arcache=0b1111), r(), r(), aw(awcache=0b0010, awprot=7), w(), b()],
    "nothing is looked at without valid": [
        READY | {"araddr": 3, "arlen": 255, "wlast": 1, "rlast": 1, "rdata": 9}
    ],
}


BROKEN = {
    1: {
        "ar drops": [ar(arready=0), READY],
        "aw drops": [aw(awready=0), READY],
        "w drops": [aw(), w(wready=0), READY],
        "r drops": [ar(), r(rready=0), READY],
        "b drops": [aw(), w(), b(bready=0), READY],
    },
    2: {
        "araddr": [ar(arready=0), ar(araddr=0x200)],
        "arlen": [ar(arready=0), ar(arlen=1)],
        "awaddr": [aw(awready=0), aw(awaddr=0x200)],
        "wdata": [aw(), w(wready=0), w(wdata=2)],
        "wstrb": [aw(), w(wready=0), w(wstrb=1)],
        "rdata": [ar(), r(rready=0), r(rdata=2)],
        "bresp": [aw(), w(), b(bready=0), b(bresp=2)],
        "arprot": [ar(arready=0), ar(arprot=1)],
        "awcache": [aw(awready=0), aw(awcache=2)],
    },
    3: {"read": [ar(araddr=0x1FF8, arlen=1)], "write": [aw(awaddr=0x1E08, awlen=63)]},
    4: {"read": [ar(araddr=0x1000, arlen=64)], "write": [aw(awaddr=0x1000, awlen=255)]},
    5: {"read": [ar(araddr=0x104)], "write": [aw(awaddr=0x101)]},
    6: {
        "fixed": [ar(arburst=0)],
        "wrap": [aw(awburst=2)],
        "narrow": [aw(awsize=2)],
        "wide": [ar(arsize=4)],
    },
    7: {
        "wlast early": [aw(awlen=1), w(), w()],
        "wlast late": [aw(awlen=1), w(wlast=0), w(wlast=0)],
        "rlast early": [ar(arlen=1), r(), r()],
        "rlast missing": [ar(), r(rlast=0)],
        "second burst": [*[aw(awlen=1)] * 2, w(wlast=0), w(), w(), w()],
    },
    8: {"first": [w(wready=0)], "with its address": [aw() | w(wready=0)], "too many": [aw(), w(), w()]},
    9: {
        "beat": [r()],
        "beat too many": [ar(), r(), r()],
        "beat with its address": [ar() | r()],
        "response": [b()],
        "response before the last beat": [aw(awlen=1), w(wlast=0), b()],
        "response too many": [aw(), w(), b(), b()],
    },
    10: {"reads": [*[ar()] * 5], "writes": [*[aw()] * 5], "responses": [*[aw()] * 4, *[w()] * 4, aw()]},
    11: {"r": [ar(), r(rready=0), r()], "b": [aw(), w(), b(bready=0), b()]},
    12: {
        "read": [ar(arid=1), r()],
        "write": [aw(), w(), b(bid=1)],
        "in another order": [ar(arid=1), ar(), r(rid=0), r(rid=1)],
    },
    13: {
        "exclusive read": [ar(arlock=1)],
        "exclusive write": [aw(awlock=1)],
        "allocates": [aw(awcache=0b0100)],
        "allocates a read": [ar(arcache=0b1001)],
    },
}


LITE_LEGAL = {
    "single accesses": [READY | ar(), r(), aw(), w(), b()],
    "data before address": [w(), aw(), b()],
    "waiting": [ar(arready=0), ar(), r(rready=0), r(), aw() | w(wready=0), w(), b(bready=0), b()],
    "answer and request at once": [ar(), ar() | r(), r(), aw() | w(), aw() | w() | b(), b()],
}
LITE_BROKEN = {
    1: {
        "ar drops": [ar(arready=0), READY],
        "aw drops": [aw(awready=0), READY],
        "w drops": [w(wready=0), READY],
        "r drops": [ar(), r(rready=0), READY],
        "b drops": [aw() | w(), b(bready=0), READY],
    },
    2: {
        "araddr": [ar(arready=0), ar(araddr=4)],
        "awaddr": [aw(awready=0), aw(awaddr=4)],
        "wdata": [w(wready=0), w(wdata=2)],
        "wstrb": [w(wready=0), w(wstrb=1)],
        "rdata": [ar(), r(rready=0), r(rdata=2)],
        "rresp": [ar(), r(rready=0), r(rresp=2)],
        "bresp": [aw() | w(), b(bready=0), b(bresp=2)],
    },
    3: {
        "r": [r()],
        "r too many": [ar(), r(), r()],
        "r with its address": [ar() | r()],
        "b without data": [aw(), b()],
        "b without address": [w(), b()],
        "b too many": [aw() | w(), b(), b()],
    },
}


UNKNOWN = {
    "valid": [READY | {"arvalid": None}],
    "address": [ar(araddr=None)],
    "data": [aw(), w(wdata=None)],
    "answer": [ar(), r(rdata=None)],
}


def traffic(seed):
    """Random transfers as the checker sees them."""
    inputs, answers, *_ = trace(seed, 0.5, (3, 2), 600)
    fixed = {"arsize": 3, "arburst": 1, "awsize": 3, "awburst": 1, "rready": 1, "bready": 1}
    return [fixed | row | answer for row, answer in zip(inputs, answers, strict=True)]


@pytest.fixture
def check(simulator, rtl_builds, tmp_path):
    """Play scenarios by name; for each the broken rules and the number of violations."""

    def check(scenarios, top="axi_checker", inputs=INPUTS, **parameters):
        if top == "axi_checker":
            parameters = {"ADDRESS_BITS": 40, "DATA_BITS": 64}
        rows = [
            [{name: value for name, value in row.items() if name in inputs} for row in item]
            for item in scenarios.values()
        ]
        out = play(
            top, [([*item, {}], {}) for item in rows], OUTPUTS, simulator=simulator,
            builds=rtl_builds, folder=tmp_path, clear=[*inputs, "cycle"], **parameters,
        )  # fmt: skip
        found = {}
        for name, answers in zip(scenarios, out, strict=True):
            last = answers[-1]
            found[name] = {rule for rule in range(14) if last["broken"] >> rule & 1}, last["violations"]
        return found

    return check


def test_legal(check):
    scenarios = LEGAL | {f"traffic {seed}": traffic(seed) for seed in (1, 2, 3)}
    assert check(scenarios) == dict.fromkeys(scenarios, (set(), 0))


def test_broken(check):
    """Every case breaks its rule and no other; a READY of 0 that holds up an answer breaks rule 11 by itself."""
    cases = {(rule, name): rows for rule, group in BROKEN.items() for name, rows in group.items()}
    for (rule, name), (broken, violations) in check(cases).items():
        rows = cases[rule, name]
        held = any(row.get(f"{side}valid") and not row[f"{side}ready"] for row in rows for side in "rb")
        assert broken == {rule} | ({11} if held else set()), name
        assert violations >= len(broken)


def test_unknown(check, simulator):
    if simulator == "verilator":
        pytest.skip("Verilator has no X")
    for name, (broken, _) in check(UNKNOWN).items():
        assert 0 in broken, name


def test_lite(check):
    cases = {(None, name): rows for name, rows in LITE_LEGAL.items()}
    cases |= {(rule, name): rows for rule, group in LITE_BROKEN.items() for name, rows in group.items()}
    for (rule, name), (broken, violations) in check(cases, "axi_lite_checker", LITE).items():
        assert broken == ({rule} if rule else set()), name
        assert (violations > 0) == (rule is not None)


def test_unknown_on_lite(check, simulator):
    if simulator == "verilator":
        pytest.skip("Verilator has no X")
    cases = {"valid": [READY | {"arvalid": None}], "ready": [READY | {"wready": None}], "data": [w(wdata=None)],
             "answer": [ar(), r(rdata=None)]}  # fmt: skip
    for name, (broken, _) in check(cases, "axi_lite_checker", LITE).items():
        assert 0 in broken, name
