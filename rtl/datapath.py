"""The rigid pipeline: shift buffer, array, accumulators and epilogue, tied together stage by stage."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hwshift.config import AcceleratorConfig
from hwshift.rtl.accumulator import Accumulator
from hwshift.rtl.array import Array
from hwshift.rtl.delay import delay
from hwshift.rtl.epilogue import Epilogue, param_write
from hwshift.rtl.interfaces import load_request, step_layout, store_request, weight_command
from hwshift.rtl.pass_generator import bounds_layout, wrap
from hwshift.rtl.row_taps import RowTaps
from hwshift.rtl.shift_buffer import ShiftBuffer, lane_write
from hwshift.rtl.weight_buffer import WeightBuffer, weight_write
from hwshift.timing import timing

__all__ = ["Datapath"]


class Datapath(wiring.Component):
    """Takes one step per cycle and is never stopped: the result is written ``timing.write_stage`` cycles later.

    Members
    -------
    step : In(step_layout), issue : In(1), command : In(weight_command), command_valid : In(1)
        Stage 0, combinational from the compute side.
    bounds : In(bounds_layout)
        Clamp bounds; change only while no step is under way.
    load, store : streams of port B requests; store_data : Out(array [R] of activations)
        The data ``timing.store_data`` cycles after a grant.
    lane_write, param_write, weight_write : In
        Table and weight writes of the loader.
    """

    def __init__(self, config: AcceleratorConfig) -> None:
        self._config = config
        self._buffer = ShiftBuffer(config)
        super().__init__({
            "step": In(step_layout(config)), "issue": In(1),
            "command": In(weight_command(config)), "command_valid": In(1),
            "bounds": In(bounds_layout(config)),
            "load": In(stream.Signature(load_request(config))),
            "store": In(stream.Signature(store_request(config))),
            "store_data": Out(self._buffer.store_data.shape()),
            "lane_write": In(lane_write(config)), "param_write": In(param_write(config)),
            "weight_write": In(weight_write(config)),
        })  # fmt: skip

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        t = timing(self._config)
        m.submodules.shift_buffer = self._buffer
        m.submodules.weights = self._weights = WeightBuffer(self._config)
        m.submodules.array = self._array = Array(self._config)
        m.submodules.accumulator = self._accumulator = Accumulator(self._config)
        m.submodules.epilogue = self._epilogue = Epilogue(self._config)
        stages = self._pipeline(m, t.write_request)
        self._read(m, stages, t)
        self._load_weights(m, stages, t)
        self._accumulate(m, stages, t)
        self._finish(m, stages, t)
        self._write(m, stages, t)
        self._connect_port_b(m)
        return m

    def _pipeline(self, m: Module, length: int) -> list[tuple[Signal, Signal]]:
        """(valid, step) at every stage; output and residual sums become words on the way from stage 1 to 2."""
        valid, step = self.issue, self.step
        stages = [(valid, step)]
        for index in range(1, length + 1):
            next_valid = Signal(name=f"valid_{index}")
            next_step = Signal(self.step.shape(), name=f"step_{index}", reset_less=True)
            m.d.sync += [next_valid.eq(valid), next_step.eq(step)]
            if index == 2:
                for name in ("out", "res"):
                    total, base, length_ = (
                        getattr(step, f"{name}_{key}") for key in ("sum", "base", "length")
                    )
                    m.d.sync += getattr(next_step, f"{name}_sum").eq(base + wrap(total, length_))
            valid, step = next_valid, next_step
            stages.append((valid, step))
        return stages

    def _read(self, m: Module, stages: list, t: object) -> None:
        valid, step = stages[t.lane_stage]
        m.d.comb += [
            self._buffer.cmd.valid.eq(valid), self._buffer.cmd.payload.eq(step), self._array.x.eq(self._buffer.x),
        ]  # fmt: skip
        if self._config.row_taps:
            self._read_taps(m, *stages[t.x_stage - 1])

    def _read_taps(self, m: Module, valid: Signal, step: Signal) -> None:
        m.submodules.row_taps = taps = RowTaps(self._config)
        m.d.comb += [
            taps.step.eq(valid), taps.row_taps.eq(step.row_taps), taps.coming.eq(self._buffer.coming),
            taps.x.eq(self._buffer.x[0]), self._array.aged.eq(taps.aged),
        ]  # fmt: skip

    def _load_weights(self, m: Module, stages: list, t: object) -> None:
        valid, step = stages[t.swap_stage]
        weights = self._weights
        m.d.comb += [
            weights.read.eq(delay(m, self.command, t.weight_stage, "command", reset_less=True)),
            weights.read_valid.eq(delay(m, self.command_valid, t.weight_stage, "command_valid")),
            self._array.swap.eq(valid & step.swap),
        ]  # fmt: skip
        m.d.comb += [self._array.shadow.eq(weights.shadow), weights.write.eq(self.weight_write)]

    def _accumulate(self, m: Module, stages: list, t: object) -> None:
        valid, step = stages[t.sum_stage]
        (_, ahead), (comes, coming) = stages[t.sum_stage - 2 : t.sum_stage]
        accumulator = self._accumulator
        m.d.comb += [
            accumulator.address_ahead.eq(ahead.acc), accumulator.address_next.eq(coming.acc),
            accumulator.writes_next.eq(comes & ~coming.last), accumulator.first_next.eq(coming.first),
            accumulator.address.eq(step.acc), accumulator.valid.eq(valid),
            accumulator.first.eq(step.first), accumulator.last.eq(step.last), accumulator.maximum.eq(step.maximum),
            accumulator.sums.eq(self._array.sums), self._epilogue.param.eq(coming.param),
        ]  # fmt: skip

    def _finish(self, m: Module, stages: list, t: object) -> None:
        valid, step = stages[t.epilogue_stage]
        epilogue = self._epilogue
        control = epilogue.control
        m.d.comb += [epilogue.valid.eq(valid & step.last), epilogue.acc.eq(self._accumulator.acc)]
        m.d.comb += [
            getattr(control, name).eq(getattr(step, name)) for name in ("act", "residual_act", "residual")
        ]
        m.d.comb += [
            getattr(control, name).eq(getattr(self.bounds, name)) for name in self.bounds.shape().members
        ]
        m.d.comb += epilogue.param_write.eq(self.param_write)

    def _write(self, m: Module, stages: list, t: object) -> None:
        valid, step = stages[t.write_request]
        write = self._buffer.write
        m.d.comb += [
            write.valid.eq(valid & step.last), write.payload.word.eq(step.out_sum),
            self._buffer.write_data.eq(self._epilogue.y),
        ]  # fmt: skip
        m.d.comb += [getattr(write.payload, name).eq(getattr(step, name))
                     for name in ("half", "lane0", "group", "pixels", "columns")]  # fmt: skip
        if self._config.residual:
            self._read_residual(m, *stages[t.residual_request])

    def _read_residual(self, m: Module, valid: Signal, step: Signal) -> None:
        residual = self._buffer.residual
        m.d.comb += [
            residual.valid.eq(valid & step.last & step.residual), residual.payload.word.eq(step.res_sum),
            self._epilogue.residual_data.eq(self._buffer.residual_data),
        ]  # fmt: skip
        m.d.comb += [
            getattr(residual.payload, name).eq(getattr(step, name)) for name in ("half", "lane0", "group")
        ]

    def _connect_port_b(self, m: Module) -> None:
        for name in ("load", "store", "lane_write"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(self._buffer, name))
        m.d.comb += self.store_data.eq(self._buffer.store_data)
