import json

import pytest

from hwshift.cost.counts import PROGRAM
from hwshift.cost.tables import ASIC_WARNING

from ..cost.examples import example
from .build import report_of


@pytest.mark.parametrize("case", [("csc", "8x8"), ("mixed", "8x8-mac"), ("mixed", "narrow")], ids="-".join)
def test_rows_add_up(case):
    report = report_of(*case)
    total, counters = report.counts.total, report.simulation.counters
    rows = report.rows
    assert sum(row.macs for row in rows) == report.simulation.macs
    assert sum(row.busy_cycles for row in rows) == counters["busy"]
    assert sum(row.busy_cycles + row.idle_cycles for row in rows) == counters["total"]
    assert sum(row.operations for row in rows) == total.array.operations
    assert sum(row.memory_bytes for row in rows) * 8 == total.memory.total_bits
    assert sum(row.energy_pj for row in rows) == pytest.approx(report.energy.total_pj)
    buffer = total.shift_buffer
    assert sum(row.buffer_accesses for row in rows) == (
        buffer.port_a_reads + buffer.residual_reads + buffer.epilogue_writes + buffer.loader_writes
        + buffer.storer_reads
    )  # fmt: skip


def test_every_layer_has_a_row():
    report = report_of("mixed", "8x8")
    network = example("mixed", "8x8", "outputs")[0]
    assert [row.name for row in report.rows] == [*(layer.name for layer in network.layers[1:]), PROGRAM]
    rows = {row.name: row for row in report.rows}
    for name, row in rows.items():
        takes_nothing = row.energy_pj == 0
        assert takes_nothing == row.note.startswith("another name"), name
    assert rows["shuffle"].op == "Shuffle" and rows["shuffle"].note
    assert rows[PROGRAM].note.startswith("header and end")


def test_utilisation_of_a_layer():
    report = report_of("csc", "8x8")
    row = report.rows[0]
    span = row.busy_cycles + row.idle_cycles
    assert row.utilisation == pytest.approx(row.macs / (64 * span))
    assert 0 < row.utilisation < 1


def test_limits_are_causes():
    report = report_of("csc", "8x8")
    for row, cycles in zip(report.rows, report.analysis.cycles, strict=True):
        idle = {name: value for name, value in cycles.causes.items() if name != "busy"}
        assert row.limit == "" if not idle else idle[row.limit] == max(idle.values())


def test_latency():
    report = report_of("csc", "8x8")
    assert report.latency_us == report.simulation.counters["total"] / 100


def test_json():
    report = report_of("csc", "8x8")
    data = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert data["energy_pj"]["total"] == pytest.approx(report.energy.total_pj)
    assert data["unit_costs"]["warning"] == ASIC_WARNING
    assert data["counts"][0]["array"]["operations"] == report.counts.layers[0].array.operations
    assert [row["name"] for row in data["layers"]] == [row.name for row in report.rows]
    assert data["config_hash"] == f"0x{report.config.hash:08x}"
    assert data["versions"]["hwshift"]
