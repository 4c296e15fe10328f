"""The timeline of a simulated run, instruction by instruction: as a file for Perfetto, and as a picture.

A trace has the tracks fetch, load, compute and store, and a counter per cause of cycles without a step. Perfetto
(ui.perfetto.dev) shows a cycle as one microsecond.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hwshift import palette
from hwshift.errors import DataError
from hwshift.program.counters import Cause
from hwshift.program.hazards import total_steps
from hwshift.program.image import Program
from hwshift.program.isa import LoadKind, Opcode
from hwshift.sim.cycle.timeline import Timeline
from hwshift.writing import refusals_as, replace_file

__all__ = ["TRACKS", "Slice", "layer_names", "perfetto", "picture", "slices", "write_trace"]

TRACKS = ("fetch", "load", "compute", "store")
"""Tracks in their order."""

Slice = tuple[str, str, int, int, int]
"""Track, name, first cycle, cycles, index of the instruction."""

_COLOURS = dict(zip(TRACKS, (palette.GREY, palette.SKY, palette.GREEN, palette.ORANGE), strict=True))


def layer_names(program: Program) -> list[str]:
    """The layer that each instruction computes: "" for all but COMPUTE, or where layers take turns."""
    ends: dict[int, str] = {}
    steps = 0
    for layer in program.layers:
        steps += layer.get("steps", 0)
        ends.setdefault(steps, layer["name"])
    names, limits, steps = [], sorted(ends), 0
    for item in program.instructions:
        if item.opcode != Opcode.COMPUTE:
            names.append("")
            continue
        steps += total_steps(item)
        names.append(next((ends[limit] for limit in limits if steps <= limit), ""))
    return names


def slices(program: Program, timeline: Timeline) -> Iterator[Slice]:
    """What every track does, in the order of instructions."""
    names = layer_names(program)
    for index, item in enumerate(program.instructions):
        begin, end = int(timeline.begin[index]), int(timeline.end[index])
        if timeline.dispatched[index] >= 0:
            yield "fetch", item.opcode.name, int(timeline.dispatched[index]), 1, index
        if begin < 0 or end < 0:
            continue
        match item.opcode:
            case Opcode.LOAD:
                yield "load", LoadKind(item["kind"]).name.lower(), begin, end + 1 - begin, index
            case Opcode.COMPUTE:
                yield "compute", names[index] or "compute", begin, end + 1 - begin, index
            case Opcode.STORE:
                yield "store", "store", begin, end + 1 - begin, index


def perfetto(program: Program, timeline: Timeline) -> dict[str, Any]:
    """The trace in Chrome's trace event format, which Perfetto reads.

    Loads and stores may overlap on their tracks: one begins while another's data is on its way. They are written as
    pairs of asynchronous events. Counters hold the cycles of each cause since the end of the COMPUTE before.
    """
    events: list[dict[str, Any]] = [
        {
            "ph": "M",
            "name": "process_name",
            "pid": 1,
            "args": {"name": f"{program.name} on {program.config.name}"},
        }
    ]
    for number, track in enumerate(TRACKS):
        args = {"pid": 1, "tid": number}
        events.append({"ph": "M", "name": "thread_name", "args": {"name": track}} | args)
        events.append({"ph": "M", "name": "thread_sort_index", "args": {"sort_index": number}} | args)
    for track, name, begin, cycles, index in slices(program, timeline):
        common = {"name": name, "cat": track, "pid": 1, "tid": TRACKS.index(track)}
        about = {"args": {"instruction": index}}
        if track in ("fetch", "compute"):
            events.append(common | about | {"ph": "X", "ts": begin, "dur": cycles})
        else:
            events.append(common | about | {"ph": "b", "id": index, "ts": begin})
            events.append(common | {"ph": "e", "id": index, "ts": begin + cycles})
    events += _counters(program, timeline)
    return {"traceEvents": events, "displayTimeUnit": "ns", "otherData": {"unit": "1 us is one cycle"}}


def _counters(program: Program, timeline: Timeline) -> Iterator[dict[str, Any]]:
    before = [0] * len(Cause)
    for index, item in enumerate(program.instructions):
        if item.opcode != Opcode.COMPUTE or timeline.end[index] < 0:
            continue
        now = timeline.causes[index].tolist()
        values = {
            cause.name.lower(): now[cause] - before[cause] for cause in Cause if cause is not Cause.BUSY
        }
        yield {
            "ph": "C",
            "name": "cycles without a step",
            "pid": 1,
            "ts": int(timeline.end[index]),
            "args": values,
        }
        before = now


def write_trace(path: Path, program: Program, timeline: Timeline) -> None:
    """Write the trace, or the picture if the name ends in ``.svg`` or ``.png``; a file there is replaced at once.

    Raises
    ------
    DataError
        When it cannot be written.
    """
    if path.suffix in (".svg", ".png"):
        content = picture(program, timeline, path.suffix[1:])
    else:
        content = json.dumps(perfetto(program, timeline)).encode()
    with refusals_as(DataError, path):
        replace_file(path, content)


def picture(program: Program, timeline: Timeline, kind: str = "svg") -> bytes:
    """The tracks as bars over cycles, the layers' names below."""
    from matplotlib.figure import Figure

    with palette.styled():
        figure = Figure(figsize=(14, 3.2), layout="constrained")
        axes = figure.add_subplot()
        spans: dict[str, list[tuple[int, int]]] = {track: [] for track in TRACKS}
        layers: dict[str, list[int]] = {}
        for track, name, begin, cycles, _ in slices(program, timeline):
            spans[track].append((begin, cycles))
            if track == "compute":
                layers.setdefault(name, [begin, 0])[1] = begin + cycles
        for number, track in enumerate(TRACKS):
            axes.broken_barh(spans[track], (-number - 0.4, 0.8), facecolors=_COLOURS[track], linewidth=0)
        last = max((begin + cycles for items in spans.values() for begin, cycles in items), default=1)
        for name, (begin, end) in layers.items():
            axes.axvline(begin, color="#BBBBBB", linewidth=0.5, zorder=0)
            if end - begin > last / 60:
                axes.text(
                    (begin + end) / 2, -len(TRACKS) + 0.3, name, rotation=60, fontsize=6, ha="right", va="top"
                )
        axes.set_yticks([-number for number in range(len(TRACKS))], TRACKS)
        axes.set_xlim(0, last)
        axes.set_ylim(-len(TRACKS) - 1, 0.6)
        axes.set_xlabel("cycle")
        axes.set_title(f"{program.name} on {program.config.name}")
        return palette.picture(figure, kind, dpi=100)
