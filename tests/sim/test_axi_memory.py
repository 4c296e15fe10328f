"""Tests of the Verilog memory: its timing to the cycle, stalls, errors, files; against the Python model too."""

import numpy as np
import pytest

from hwshift.sim.models.axi_memory import MASTER_INPUTS
from hwshift.sim.stalls import CHANNELS, StallPattern

from .axi_traffic import BEAT, WORDS, trace, words
from .play import play

OUTPUTS = ["awready", "wready", "bvalid", "bresp", "arready", "rvalid", "rdata", "rlast", "rresp", "failed"]
CLEAR = ["awaddr", "awlen", "awvalid", "wdata", "wstrb", "wvalid", "bready", "araddr", "arlen", "arvalid", "rready",
         "load", "dump", "image", "cycle", "base"]  # fmt: skip
OKAY, SLVERR, DECERR = 0, 2, 3


class Case:
    """Inputs by cycle, the image, and how the memory behaves."""

    def __init__(self, rows, image, *, latency=(3, 2), stalls=None, bad=(1, 0)):
        self.rows = [{"rready": 1, "bready": 1} | row for row in rows]
        self.image, self.stalls = image, stalls
        names = ("read_latency", "write_latency", "error_base", "error_last")
        self.constants = dict(zip(names, (*latency, *bad), strict=True))


@pytest.fixture
def run_all(simulator, rtl_builds, tmp_path):
    """Run cases; for each the outputs by cycle and the memory afterwards."""

    def run_all(cases, width=64):
        for index, case in enumerate(cases):
            raw = case.image.view(np.uint8).reshape(-1, width // 8)
            (tmp_path / f"memory_{index}.bin").write_bytes(raw[:, ::-1].tobytes())
            if case.stalls is not None:
                case.stalls.write(tmp_path / f"stalls_{index}.bin")
        out = play(
            "axi_memory", [(case.rows, case.constants) for case in cases], OUTPUTS, simulator=simulator,
            builds=rtl_builds, folder=tmp_path, clear=CLEAR, files=True,
            ADDRESS_BITS=40, DATA_BITS=width, WORDS=WORDS,
        )  # fmt: skip
        return [(rows, np.fromfile(tmp_path / f"result_{i}.bin", np.uint64)) for i, rows in enumerate(out)]

    return run_all


@pytest.fixture
def run(run_all):
    """The same for one case."""
    return lambda *args, **options: run_all([Case(*args, **options)])[0]


def ar(word, beats):
    return {"araddr": word * BEAT, "arlen": beats - 1, "arvalid": 1}


def aw(word, beats):
    return {"awaddr": word * BEAT, "awlen": beats - 1, "awvalid": 1}


def w(value, strobes=0xFF):
    return {"wdata": int(value), "wstrb": strobes, "wvalid": 1}


def rows(length, *parts):
    """``length`` cycles; each part is (cycle, inputs)."""
    out = [{} for _ in range(length)]
    for cycle, inputs in parts:
        out[cycle] |= inputs
    return out


def cycles(recorded, name):
    """Cycles in which an output is 1."""
    return [cycle for cycle, row in enumerate(recorded) if row[name]]


def pattern(**stalled):
    """Stalls in the given cycles of each channel."""
    streams = {name: np.zeros(64, np.uint8) for name in CHANNELS}
    for name, where in stalled.items():
        streams[name][where] = 1
    return StallPattern(**streams)


LATENCIES = (1, 2, 7)


def test_read_latency(run_all):
    """First beat after the latency; bursts that wait follow without a gap; a late one waits again."""
    image = words(32)
    offered = rows(48, (2, ar(4, 3)), (3, ar(10, 2)), (30, ar(0, 1)))
    found = run_all([Case(offered, image, latency=(latency, 9)) for latency in LATENCIES])
    for latency, (out, _) in zip(LATENCIES, found, strict=True):
        first = 2 + latency
        expected = [*range(first, first + 5), 30 + latency]
        assert cycles(out, "rvalid") == expected
        assert [out[cycle]["rdata"] for cycle in expected] == list(image[[4, 5, 6, 10, 11, 0]])
        assert [cycle for cycle in expected if out[cycle]["rlast"]] == [first + 2, first + 4, 30 + latency]
        assert len(cycles(out, "arready")) == 48


def test_write_latency(run_all):
    """W waits for its AW; the response comes after the latency, one per cycle; data is there."""
    image, new = words(8), words(3, seed=1)
    parts = [
        (2, aw(1, 2)),
        (3, aw(6, 1)),
        (1, w(new[0])),
        (2, w(new[0])),
        *((3 + i, w(new[i])) for i in range(3)),
    ]
    found = run_all([Case(rows(24, *parts), image.copy(), latency=(5, latency)) for latency in LATENCIES])
    image[[1, 2, 6]] = new
    for latency, (out, memory) in zip(LATENCIES, found, strict=True):
        assert cycles(out, "wready") == [3, 4, 5]
        assert cycles(out, "bvalid") == [4 + latency, 5 + latency]
        assert (memory == image).all()


def test_address_and_last_beat_decide_separately(run):
    """A second address while beats of the first are under way."""
    image, new = words(8), words(4, seed=1)
    parts = [(1, aw(0, 3)), *((2 + i, w(new[i])) for i in range(3)), (3, aw(5, 1)), (9, w(new[3]))]
    out, memory = run(rows(20, *parts), image, latency=(1, 4))
    assert cycles(out, "wready") == [*range(2, 10)]
    assert cycles(out, "bvalid") == [8, 13]
    image[[0, 1, 2, 5]] = new
    assert (memory == image).all()


def test_addresses_are_stalled_by_cycle(run):
    out, _ = run(rows(20), words(8), stalls=pattern(ar=[3, 4], aw=[4, 7], w=[5]))
    assert [cycle for cycle, row in enumerate(out) if not row["arready"]] == [3, 4]
    assert [cycle for cycle, row in enumerate(out) if not row["awready"]] == [4, 7]


def test_write_data_is_stalled_by_cycle(run):
    new = words(2, seed=1)
    parts = [(1, aw(0, 2)), (2, w(new[0])), *((cycle, w(new[1])) for cycle in (3, 4, 5))]
    out, _ = run(rows(20, *parts), words(8), stalls=pattern(w=[3, 4, 5, 6]), latency=(1, 1))
    assert cycles(out, "wready") == [2, *range(7, 20)]
    assert cycles(out, "bvalid") == []


def test_beats_and_responses_are_stalled_by_cycle(run):
    """No new beat appears in a stalled cycle; order and number stay."""
    image = words(8)
    parts = [(1, ar(0, 4)), (1, aw(7, 1)), (2, w(1))]
    out, _ = run(rows(24, *parts), image, stalls=pattern(r=[4, 5, 7], b=[4, 5, 6]), latency=(3, 2))
    assert cycles(out, "rvalid") == [6, 8, 9, 10]
    assert [out[cycle]["rdata"] for cycle in (6, 8, 9, 10)] == list(image[:4])
    assert cycles(out, "bvalid") == [7]


def test_stalls_wrap_around(run):
    streams = {name: np.array([1, 0, 0], np.uint8) for name in CHANNELS}
    out, _ = run(rows(30, (1, ar(0, 8))), words(8), stalls=StallPattern(**streams))
    assert [cycle for cycle, row in enumerate(out) if not row["arready"]] == [*range(0, 30, 3)]
    assert cycles(out, "rvalid") == [4, 5, 7, 8, 10, 11, 13, 14]


def test_what_is_not_taken_stays(run):
    """VALID and payload stay until READY, also in stalled cycles."""
    image = words(8)
    parts = [
        (1, ar(0, 2)),
        (1, aw(5, 1)),
        (2, w(1)),
        *((cycle, {"rready": 0, "bready": 0}) for cycle in range(3, 9)),
    ]
    out, _ = run(rows(20, *parts), image, stalls=pattern(r=[5, 6], b=[6, 7]), latency=(3, 2))
    assert cycles(out, "rvalid") == [*range(4, 10), 10]
    assert [out[cycle]["rdata"] for cycle in range(4, 11)] == [image[0]] * 6 + [image[1]]
    assert cycles(out, "bvalid") == [*range(4, 10)]


def test_a_beat_shows_the_writes_of_cycles_before(run_all):
    """The beat is raised in cycle 5."""
    image, written = words(8), (3, 4, 5, 6)
    found = run_all(
        [Case(rows(20, (1, aw(3, 1)), (cycle, w(99)), (2, ar(3, 1))), image) for cycle in written]
    )
    for cycle, (out, _) in zip(written, found, strict=True):
        assert out[5]["rvalid"] and out[5]["rdata"] == (99 if cycle < 5 else image[3])


def test_strobes(run):
    image = np.zeros(2, np.uint64)
    _, memory = run(rows(10, (1, aw(1, 1)), (2, w(0x1122334455667788, 0b10000101))), image)
    assert list(memory) == [0, 0x1100000000660088]


def test_errors(run):
    """SLVERR in the range, DECERR beyond the image; neither reads nor writes anything. Reads follow the writes."""
    image = words(8)
    parts = [(1, ar(2, 4)), (2, ar(6, 4)), (1, aw(2, 3)), *((2 + i, w(5)) for i in range(3)), (5, aw(6, 4)),
             *((6 + i, w(6)) for i in range(4)), (11, aw(0, 1)), (12, w(7))]  # fmt: skip
    out, memory = run(rows(30, *parts), image, bad=(3 * BEAT, 5 * BEAT - 1))
    beats = [out[cycle] for cycle in cycles(out, "rvalid")]
    assert [beat["rresp"] for beat in beats] == [OKAY, SLVERR, SLVERR, OKAY, OKAY, OKAY, DECERR, DECERR]
    assert [beat["rdata"] for beat in beats] == [5, 0, 0, image[5], 6, 6, 0, 0]
    assert [out[cycle]["bresp"] for cycle in cycles(out, "bvalid")] == [SLVERR, DECERR, OKAY]
    image[[2, 6, 7, 0]] = 5, 6, 6, 7
    assert (memory == image).all()


@pytest.mark.parametrize("width", [32, 128, 512])
def test_width(run_all, simulator, width):
    """Bytes of the image lie at their addresses for every width of the bus."""
    if simulator == "verilator":
        pytest.skip("each width is a build; runs of whole networks cover it")
    image, size = words(2 * width // 8), width // 8
    parts = [(1, {"araddr": 3 * size, "arvalid": 1}), (1, {"awaddr": size, "awvalid": 1})]
    [(out, memory)] = run_all([Case(rows(12, *parts, (2, w(0x0102, 3))), image)], width)
    raw = bytearray(image.tobytes())
    assert out[4]["rdata"] == int.from_bytes(raw[3 * size : 4 * size], "little")
    raw[size : size + 2] = b"\x02\x01"
    assert memory.tobytes() == raw


def test_image_that_does_not_fit(run_all):
    found = run_all([Case(rows(3), words(WORDS)), Case(rows(3), words(WORDS + 1))])
    assert [out[-1]["failed"] for out, _ in found] == [0, 1]


SETTINGS = [(0.0, (1, 1)), (0.5, (4, 1)), (0.5, (1, 9)), (0.95, (12, 5))]


def test_against_the_python_model(run_all):
    traces = [trace(seed, density, latency, 800) for density, latency in SETTINGS for seed in (1, 2)]
    cases = []
    latencies = [latency for _, latency in SETTINGS for _ in range(2)]
    for (inputs, _, stalls, image, _), latency in zip(traces, latencies, strict=True):
        given = [{key: value for key, value in row.items() if key != "wlast"} for row in inputs]
        cases.append(Case(given, image, stalls=stalls, latency=latency))
    for (_, answers, _, _, after), (out, memory) in zip(traces, run_all(cases), strict=True):
        for cycle, (row, answer) in enumerate(zip(out, answers, strict=True)):
            relevant = set(MASTER_INPUTS) - (set() if answer["rvalid"] else {"rdata", "rlast", "rresp"})
            relevant -= set() if answer["bvalid"] else {"bresp"}
            assert {name: row[name] for name in relevant} == {name: answer[name] for name in relevant}, cycle
        assert sum(answer["rvalid"] for answer in answers) > 20
        assert (memory == after).all()
