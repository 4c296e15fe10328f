"""Streaming designs as C++: the project's files."""

import json
from collections.abc import Mapping, Sequence

import numpy as np

from hwshift.data import Images
from hwshift.hls.estimates import Estimate
from hwshift.hls.plan import Plan
from hwshift.hls.process import Process
from hwshift.hls.render import LINE, plain, product_shifts, render, sources, tool_files, wrapped
from hwshift.network.fixed import FixedLayer
from hwshift.program.isa import PARAM_ENTRY
from hwshift.program.params import encode_param
from hwshift.writing import toml_text

__all__ = ["expected_values", "input_values", "stream_files", "stream_sources"]


def stream_files(
    plan: Plan, found: Estimate, images: Images, maps: Sequence[Mapping[str, np.ndarray]]
) -> dict[str, bytes]:
    """Path to content of the whole project.

    Parameters
    ----------
    plan : Plan
    found : Estimate
        Of the plan.
    images : Images
    maps : sequence of mapping of layer name to ndarray of integers, shape (channels, height, width)
        The golden model's, per image.
    """
    files = {
        **stream_sources(plan),
        **tool_files("hwshift_stream", "src/design.cpp"),
        "config.toml": toml_text(plan.config.to_dict()).encode(),
        "estimate.json": (json.dumps(found.as_dict(), indent=1) + "\n").encode(),
        "README.md": render(
            "stream_README.md.j2",
            plan=plan,
            estimate=found,
            images=len(images.codes),
            description=images.description,
        ),
        "vectors/job.txt": _job(plan, len(images.codes)),
    }
    for index, (codes, layers) in enumerate(zip(images.codes, maps, strict=True)):
        files[f"vectors/input_{index}.bin"] = input_values(codes).tobytes()
        files[f"vectors/expected_{index}.bin"] = expected_values(plan, layers).tobytes()
    return files


def stream_sources(plan: Plan) -> dict[str, bytes]:
    """Path to content of the C++."""
    numbers = product_shifts(plan.config)
    comments = {layer.name: _comment(layer) for layer in plan.network.layers}
    return {
        **sources("common", "stream"),
        "src/hwshift_arithmetic.h": render("hwshift_arithmetic.h.j2", config=plan.config, numbers=numbers),
        "src/design.h": render("design.h.j2", plan=plan),
        "src/design.cpp": render("design.cpp.j2", plan=plan, comments=comments),
        "src/layers.h": render(
            "layers.h.j2",
            plan=plan,
            comments=comments,
            processes=[_constants(item, plan) for item in plan.processes],
        ),
    }


def input_values(codes: np.ndarray) -> np.ndarray:
    """A map as it flows: ndarray of int32, shape (height, width, channels), from (channels, height, width)."""
    return np.ascontiguousarray(np.moveaxis(codes, 0, 2).astype("<i4"))


def expected_values(plan: Plan, maps: Mapping[str, np.ndarray]) -> np.ndarray:
    """Every layer's map as it flows, one after the other; ndarray of int32."""
    return np.concatenate([input_values(maps[item.name]).ravel() for item in plan.network.layers[1:]])


def _job(plan: Plan, images: int) -> bytes:
    lines = [f"images {images}"]
    streams = {channel.layer: channel.name for channel in plan.channels if channel.layer is not None}
    for layer in plan.network.layers[1:]:
        channels, height, width = layer.shape
        lines.append(f"layer {streams[layer.name]} {height} {width} {channels} {plain(layer.name)}")
    return ("\n".join(lines) + "\n").encode()


def _comment(layer: FixedLayer) -> str:
    """One line about a layer."""
    channels, height, width = layer.shape
    return f"{plain(layer.name)}: {type(layer.op).__name__}, {channels} channels of {height} x {width}"


def _constants(process: Process, plan: Plan) -> dict:
    """What ``layers.h`` says about one process."""
    out = _told(process, plan)
    return out | {
        "sizes": wrapped((f"{name} = {value}" for name, value in out["sizes"].items()), 8).rstrip(",")
    }


def _told(process: Process, plan: Plan) -> dict:
    sizes = {"PIXELS": process.pixels, "CHANNELS": process.channels, "LANES": process.lanes}
    out: dict = {
        "name": process.name, "kind": process.kind, "layer": process.layer, "sizes": sizes,
        "lanes": process.out_lanes, "flag": None, "limits": None, "outside": None, "offsets": [], "weights": None,
        "params": None,
    }  # fmt: skip
    work = process.work
    if work is None:
        out["sizes"] = sizes | ({} if process.kind == "fork" else {"OUT_LANES": process.out_lanes})
    elif process.kind == "window":
        out |= _window(process)
    elif process.kind == "residual":
        out["limits"] = work.residual_limits
    else:
        out["limits"] = work.limits
        out["params"] = _params(process, plan)
        if process.kind != "sum":
            sizes["TAPS"] = work.taps
        if process.kind == "channelwise":
            out["flag"] = work.maximum
        if process.kind == "matrix":
            sizes |= {"OUT_CHANNELS": work.out_channels, "OUT_LANES": process.out_lanes}
            out["sizes"] = sizes
        out["weights"] = _weights(process, plan)
    return out


def _window(process: Process) -> dict:
    work = process.work
    assert work is not None and work.window is not None
    window = work.window
    sizes = {
        "HEIGHT": work.in_height, "WIDTH": work.in_width, "CHANNELS": process.channels, "LANES": process.lanes,
        "OUT_HEIGHT": work.height, "OUT_WIDTH": work.width, "TAPS": window.taps, "STRIDE_Y": window.stride[0],
        "STRIDE_X": window.stride[1], "LAST_DY": window.rows[1], "KEPT_ROWS": work.kept_rows,
    }  # fmt: skip
    offsets = []
    for axis, name in enumerate(("dy", "dx")):
        taps = ", ".join(map(str, window.offsets[:, axis].tolist()))
        shift = None if window.shift is None else wrapped(window.shift[:, axis].tolist())
        offsets.append((name, taps, shift))
    outside = "ACT_MIN" if window.outside == "minimum" else "0"
    return {"sizes": sizes, "outside": outside, "offsets": offsets}


def _weights(process: Process, plan: Plan) -> dict | None:
    """A layer's weights in the order in which its process takes them."""
    work = process.work
    assert work is not None
    if work.terms is None:
        return None
    lanes, out_lanes = process.lanes, process.out_lanes
    if process.kind == "matrix":
        blocks = work.terms.reshape(work.out_channels // out_lanes, out_lanes, -1, lanes)
        rows = blocks.transpose(0, 2, 1, 3).reshape(-1, lanes)
        factor = out_lanes
    else:
        rows, factor = work.terms.reshape(-1, lanes), 1
    bits = plan.config.chip_code_bits
    texts = [f"{{{', '.join(map(str, row))}}}" for row in rows.tolist()]
    if max(map(len, texts)) < LINE:
        text = wrapped(texts)
    else:
        text = "\n".join(f"            {{\n{wrapped(row, 16)}\n            }}," for row in rows.tolist())
    return {"bits": bits, "rows": len(rows), "columns": lanes, "factor": factor, "text": text}


def _params(process: Process, plan: Plan) -> str:
    work = process.work
    assert work is not None
    entries = []
    for m, s, b in zip(work.m.tolist(), work.s.tolist(), work.b.tolist(), strict=True):
        fields = PARAM_ENTRY.unpack(encode_param(plan.config, m, s, b))
        scale = fields["scale"] - ((fields["scale"] & (1 << 23)) << 1)
        entries.append(f"{{{scale}, {fields['shift']}, {fields['bias']}}}")
    return wrapped(entries)
