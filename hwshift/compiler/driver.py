"""From a bound network to a verified program."""

from dataclasses import replace
from typing import Literal

from hwshift.compiler.buffers import plan_buffers
from hwshift.compiler.fusion import AS_COMPILED, NotInPlace, Preference
from hwshift.compiler.in_place import laid_out, reordered
from hwshift.compiler.limits import check_layers
from hwshift.compiler.lower import lower
from hwshift.compiler.memory_map import MemoryMap
from hwshift.compiler.operations import Operation
from hwshift.compiler.placement import tensors_of, views_of
from hwshift.compiler.rename import Renaming, no_renaming, plan_renaming
from hwshift.compiler.schedule import Scheduler
from hwshift.compiler.shift_mode import ShiftMode, with_shifts
from hwshift.compiler.tokens import assign_tokens
from hwshift.config import AcceleratorConfig
from hwshift.errors import CompileError
from hwshift.network.fixed import FixedLayer, FixedNetwork
from hwshift.program.hazards import hazards
from hwshift.program.image import Program
from hwshift.program.instruction import Instruction
from hwshift.program.isa import ISA_VERSION, MAGIC, Opcode
from hwshift.program.verifier import verify
from hwshift.progress import Progress, Stage, silent

__all__ = ["compile", "draft"]


def compile(  # noqa: A001
    network: FixedNetwork,
    config: AcceleratorConfig,
    *,
    keep: Literal["all", "outputs"] = "all",
    shift: ShiftMode | None = None,
    preference: Preference = AS_COMPILED,
    progress: Progress = silent,
) -> Program:
    """Compile a network.

    Parameters
    ----------
    network : FixedNetwork
        Bound to ``config.arithmetic``.
    config : AcceleratorConfig
    keep : "all" or "outputs"
        Whether every layer's map ends up in memory, or the last one only (and those that had no room on chip).
    shift : "fused", "moved" or None
        Spatial shifts as part of the reads that follow, or as layers of their own; None: as in the network.
    preference : Preference
        What the schedule is chosen by; `hwshift.search` tries several.
    progress : callable
        Is told how far it is.

    Returns
    -------
    Program
        Verified.

    Raises
    ------
    CompileError
        When the network does not fit, or holds what the accelerator does not compute; names the layer, what it needs
        and what there is.
    """
    return verify(draft(network, config, keep=keep, shift=shift, preference=preference, progress=progress))


def draft(
    network: FixedNetwork,
    config: AcceleratorConfig,
    *,
    keep: Literal["all", "outputs"] = "all",
    shift: ShiftMode | None = None,
    preference: Preference = AS_COMPILED,
    progress: Progress = silent,
) -> Program:
    """What `compile` returns, before it is verified: to compare schedules by. Parameters and errors are the same."""
    network = with_shifts(network, shift)
    if keep not in ("all", "outputs"):
        raise CompileError(f"keep must be 'all' or 'outputs', not {keep!r}")
    if network.act != config.act:
        raise CompileError(
            f"its maps are in {network.act}, the accelerator works in {config.act}", where=network.name
        )
    check_layers(network, config)
    if len(network.layers) < 2:
        raise CompileError("there is no layer to compute", where=network.name)
    if not preference.rename:
        renaming = no_renaming(network, "this schedule was asked for")
        return _compile(network, config, keep, renaming, preference, progress)
    try:
        return _compile_with_names(network, config, keep, preference, progress)
    except CompileError as error:
        renaming = no_renaming(network, f"with names alone it does not fit: {error}")
    return _compile(network, config, keep, renaming, preference, progress)


def _compile_with_names(
    network: FixedNetwork, config: AcceleratorConfig, keep: str, preference: Preference, progress: Progress
) -> Program:
    """Compile with layers that only rename, and written over earlier maps in part where those stay on chip."""
    refused: set[str] = set()
    while True:
        renaming = plan_renaming(network, config, refused)
        try:
            return _compile(network, config, keep, renaming, preference, progress)
        except NotInPlace as error:
            refused.add(renaming.in_place.first[error.name])


def _compile(
    network: FixedNetwork,
    config: AcceleratorConfig,
    keep: str,
    renaming: Renaming,
    preference: Preference,
    progress: Progress,
) -> Program:
    """Compile with some layers only renamed."""
    renamed, why, in_place = renaming.layers, renaming.why, renaming.in_place
    views = views_of(network, renamed, in_place, renaming.follows)
    tensors = tensors_of(network, renamed, config, in_place)
    lowered = []
    for layer in network.layers[1:]:
        if layer.name not in renamed:
            layer, reads = laid_out(layer, views.reads[layer.name], in_place)
            if layer.name in views.orders:
                layer = reordered(layer, views.orders[layer.name])
            lowered.append(lower(layer, reads, tensors, config))
    output = network.output.name
    plan = plan_buffers(lowered, tensors, config, views.own[output].tensors, keep == "all", preference)
    memory = MemoryMap(config)
    for name, tensor in tensors.items():
        if name == network.input.name:
            memory.reserve(tensor, "input")
        elif keep == "all" or name in plan.through_memory or name in views.own[output].tensors:
            memory.reserve(tensor, "maps")
    for low in lowered:
        if low.gates is not None:
            memory.reserve_gates(tensors[low.gates])
    scheduler = Scheduler(config, tensors, plan, memory)
    for number, group in enumerate(plan.groups):
        progress(Stage("compiling", number, 3 * len(plan.groups)))  # checks take about twice as long
        scheduler.group(group)
    progress(Stage("compiling", 1, 3))
    layers = {layer["name"]: layer for layer in scheduler.layers}
    shown = [
        (layers.get(layer.name) or _renamed(layer)) | ({"why": why[layer.name]} if layer.name in why else {})
        for layer in network.layers[1:]
    ]
    assign_tokens(scheduler.operations)
    instructions = _finish(scheduler.operations, memory, config)
    records = [
        memory.record(layer.name, layer.shape, views.own[layer.name], tensors)
        for layer in network.layers
        if all(name in memory.tensors for name in views.own[layer.name].tensors)
    ]
    program = Program(
        network.name,
        config,
        instructions,
        memory.segments(),
        memory.regions(),
        tuple(records),
        memory.size,
        output,
        tuple(shown),
        tuple(memory.gate_record(tensors[name], views.own[name]) for name in memory.gates),
    )
    return _drained(program, progress)


def _renamed(layer: FixedLayer) -> dict:
    """What there is to say about a layer that is only another name for channels."""
    return {"name": layer.name, "op": type(layer.op).__name__, "shape": list(layer.shape), "where": "renamed"}


def _drained(program: Program, progress: Progress) -> Program:
    """The program with ``drain`` where an instruction reads what is not visible yet."""
    instructions = list(program.instructions)
    for index in hazards(program):
        instructions[index] = instructions[index].with_(drain=1)
    progress(Stage("compiling", 1, 2))
    return replace(program, instructions=tuple(instructions))


def _finish(
    operations: list[Operation], memory: MemoryMap, config: AcceleratorConfig
) -> tuple[Instruction, ...]:
    """Header, end and absolute addresses."""
    count = len(operations) + 2
    memory.place(count)
    header = {"version": ISA_VERSION, "magic": MAGIC, "config_hash": config.hash, "count": count}
    out = [Instruction(Opcode.HEADER, header)]
    for operation in operations:
        instruction = operation.instruction
        if operation.segment is not None:
            address = instruction["address"] + memory.bases[operation.segment]
            instruction = instruction.with_(address=address)
        out.append(instruction)
    return (*out, Instruction(Opcode.END))
