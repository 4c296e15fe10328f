"""Latencies and queue depths that follow from a configuration: the one table RTL, cycle model and compiler read.

Stage k of a step that issues in cycle t is cycle t + k (`docs/architecture.md`, section Rigid pipeline).
"""

from dataclasses import asdict, dataclass

from hwshift.config import AcceleratorConfig

__all__ = ["COMMAND_QUEUE", "PART_BITS", "RESTART_CYCLES", "TREE_RADIX", "Timing", "timing"]

TREE_RADIX = 4
"""Operands added per stage of a column's adder tree."""
PART_BITS = 17
"""Unsigned bits that a multiplier of 18 x 18 signed bits takes: of an accumulator, in a product with its scale."""
COMMAND_QUEUE = 4
"""Runs that can wait for the one that goes on."""
RESTART_CYCLES = 2
"""Cycles between the last of a run and cycle 0 of one that waits for it: reset, start."""


@dataclass(frozen=True)
class Timing:
    """Stages in cycles after issue, and depths in entries."""

    lane_stage: int
    """Lane-table read address is presented."""
    read_stage: int
    """Port A addresses of the shift buffer are presented."""
    weight_stage: int
    """The weight-buffer read address is presented."""
    swap_stage: int
    """The active weights take the shadow weights at the end of this cycle; shadow rows are written there too."""
    x_stage: int
    """Activations are at the array's input register."""
    tree_stages: int
    """Register stages of the adder tree."""
    sum_stage: int
    """Column sums are registered: accumulate in this cycle; epilogue parameters are addressed here."""
    epilogue_stage: int
    """The finished accumulator is registered at the epilogue's input."""
    residual_request: int
    """Port B is asked for the residual; a cycle later loads and stores yield to it."""
    residual_stage: int
    """Port B read of the residual."""
    write_request: int
    """Port B is asked for the write of the result; a cycle later loads and stores yield to it."""
    write_stage: int
    """Port B write of the result."""
    retire: int
    """Tokens a step pushes can be popped from this stage on."""
    raw_distance: int
    """A step sees what another wrote if it issues at least this many cycles after it."""
    weight_release: int
    """A ring tile's credit is back this many cycles after the last row command."""
    store_data: int = 3
    """Cycles from a grant of port B to the storer until the vector is there."""
    instruction_queue: int = 8
    """Instructions fetched ahead."""
    unit_queue: int = 4
    """Instructions waiting per load, compute and store queue."""
    weight_queue: int = 4
    """COMPUTE loop records waiting for the weight fetcher."""
    pass_queue: int = 4
    """Passes generated ahead of issue."""
    read_bursts: int = 4
    """Read bursts outstanding (N_OUT)."""
    write_bursts: int = 4
    """Write bursts whose response is outstanding."""
    load_fifo: int = 256
    """Beats of load data: read_bursts * 64."""
    store_fifo: int = 64
    """Beats of store data."""
    job_queue: int = 4
    """Loads whose addresses are issued but whose data is still to be written."""
    token_limit: int = 15
    """Largest value of a token counter."""
    fetch_burst: int = 4
    """Instructions per fetch burst."""

    def to_dict(self) -> dict[str, int]:
        """Plain values for the generated constants file."""
        return asdict(self)


def timing(config: AcceleratorConfig) -> Timing:
    """The table for one configuration."""
    tree, operands = 0, config.rows
    while operands > 1:
        operands, tree = -(-operands // TREE_RADIX), tree + 1
    read, swap, x = 4, 6, 7
    total = x + 1 + tree
    epilogue = total + 1
    write = epilogue + 8
    return Timing(
        lane_stage=0,
        read_stage=read,
        weight_stage=swap - 2,
        swap_stage=swap,
        x_stage=x,
        tree_stages=tree,
        sum_stage=total,
        epilogue_stage=epilogue,
        residual_request=write - 5,
        residual_stage=write - 3,
        write_request=write - 2,
        write_stage=write,
        retire=write + 1,
        raw_distance=write - read + 1,
        weight_release=swap - 1,
    )
