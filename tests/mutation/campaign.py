"""The mutation campaign: every mutant meets benches of its block, then those of the core, until one kills it.

Between the two, what is left is tried for equivalence.

``python -m tests.mutation.campaign FOLDER [COUNT]`` goes on where it was ended: results stand in ``results.json``
of the folder, one entry per mutant.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

from hwshift.sim.rtl_run import RtlResult
from hwshift.sim.runner import Build

from ..seeds import python_random
from ..sim.cases import SMALL as CONFIG
from .benches import BENCHES, Bench
from .blocks import LONG, SHORT
from .equivalence import equivalent
from .icarus import build, killed, reference
from .known import KNOWN
from .netlist import Mutant, draw, netlist
from .replay import Block, Replay, covers
from .screen import Screen
from .sequences import never_seen

COUNT = 320
SURVIVED = "survived"
EQUIVALENT = "equivalent"
PASSED = "passed "
"""With the number of stages that have not decided about it."""
FLOOR = 0.98
"""Share of the mutants that are not proven equivalent which the benches have to kill."""


class Campaign:
    """Mutants, and what became of them.

    Members
    -------
    mutants : list of Mutant
    results : dict of str to str
        A mutant's number to the bench and the run or cycle that killed it, to "equivalent: " and the proof, to
        "survived", or to "passed " and how many stages it has met so far.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.mutants = draw(folder, CONFIG, count)
        self._mutated = netlist(folder, self.mutants)
        self._path = folder / "results.json"
        stored = json.loads(self._path.read_text()) if self._path.is_file() else {}
        self.results: dict[str, str] = (
            stored if set(stored) <= {str(item.number) for item in self.mutants} else {}
        )

    def run(self) -> None:
        """All stages, each for the mutants that are left.

        Blocks, proofs of one step, the whole core, blocks in many cycles, and proofs of all cycles.
        """
        stages: list[Callable[[list[Mutant]], set[Mutant]]] = [partial(self.replay, block) for block in SHORT]
        stages += [self._prove, *(partial(self._core, make) for make in BENCHES)]
        stages += [*(partial(self.replay, block) for block in LONG), self._never]
        for number, stage in enumerate(stages):
            left = [item for item in self.mutants if self._waits(item, number)]
            begin = sum(os.times()[:4])
            decided = stage(left) if left else set()
            if left:
                print(f"stage {number}: {sum(os.times()[:4]) - begin:.0f} s of CPU, {len(left)} before, "
                      f"{len(decided)} decided", flush=True)  # fmt: skip
            for item in left:
                if item not in decided:
                    self._store(item, SURVIVED if number == len(stages) - 1 else f"{PASSED}{number + 1}")

    def replay(self, block: Block, left: list[Mutant]) -> set[Mutant]:
        """Those of some mutants that a block's vectors kill, on Icarus."""
        inside = [item for item in left if covers(block, item)]
        if not inside:
            return set()
        rng = python_random(1)
        folder = self.folder / "blocks" / block.module
        replay = Replay(folder, block, rng, self.folder / "core.v", self._mutated)
        found = dict(zip(inside, replay.differences(item.number for item in inside), strict=True))
        for item, cycle in found.items():
            if cycle is not None:
                self._store(item, f"block {block.module}: cycle {cycle}")
        return {item for item, cycle in found.items() if cycle is not None}

    def _prove(self, left: list[Mutant]) -> set[Mutant]:
        """Try to prove mutants equivalent."""
        proven = equivalent(self.folder, left)
        for item, proof in proven.items():
            self._store(item, f"{EQUIVALENT}: {proof}")
        return set(proven)

    def _never(self, left: list[Mutant]) -> set[Mutant]:
        """Try to prove that mutants are never seen, with what is known of what modules are given."""
        proven = never_seen(self.folder, left, KNOWN)
        for item, why in proven.items():
            self._store(item, f"{EQUIVALENT}: {why}")
        return set(proven)

    def _core(self, make: Callable[[], Bench], left: list[Mutant]) -> set[Mutant]:
        """A bench of the whole core.

        Verilator tells which run of it is different; it kills if it is so on Icarus, by itself or behind the runs
        before it.
        """
        bench = make()
        expected = self._screen.reference(bench)
        seen = {item: self._screen.seen(expected, item.number) for item in left}
        first = {item: [run] for item, run in seen.items() if run is not None}
        again = {item: list(range(runs[0] + 1)) for item, runs in first.items() if runs[0]}
        found = self._meet(bench, first, expected.results)
        rest = {item: runs for item, runs in again.items() if item not in found}
        return found | self._meet(bench, rest, expected.results)

    def sample(self, chosen: list[Mutant], bench: Bench) -> None:
        """Some mutants meet all runs of a bench on Icarus."""
        everything = list(range(len(bench.runs)))
        found = self._meet(bench, {item: everything for item in chosen}, None)
        for item in chosen:
            if item not in found:
                self._store(item, f"{PASSED}1")

    def survivors(self) -> list[Mutant]:
        """Those that no bench killed and no proof excused."""
        return [item for item in self.mutants if self.results.get(str(item.number)) == SURVIVED]

    def killed(self) -> int:
        """How many of them a bench killed."""
        return sum(not value.startswith((SURVIVED, EQUIVALENT, PASSED)) for value in self.results.values())

    @property
    def share(self) -> float:
        """Share of the mutants that are not proven equivalent which were killed."""
        return self.killed() / (self.killed() + len(self.survivors()))

    def report(self) -> str:
        """Counts, and the survivors one by one."""
        by = Counter(value.partition(":")[0].partition(" engine")[0] for value in self.results.values())
        lines = [f"{len(self.results)} of {len(self.mutants)} mutants"]
        lines += [f"  {number:4d} {name}" for name, number in by.most_common()]
        lines += [f"killed {self.killed()}, {self.share:.2%} of those not proven equivalent; survivors:"]
        return "\n".join([*lines, *(f"  {item}" for item in self.survivors())])

    @cached_property
    def _screen(self) -> Screen:
        return Screen(self.folder, self._mutated)

    @cached_property
    def _plain(self) -> Build:
        return build(self.folder / "core.v", self.folder)

    def _waits(self, mutant: Mutant, number: int) -> bool:
        """Whether it has passed the benches before this one, and not met it."""
        result = self.results.get(str(mutant.number), f"{PASSED}0")
        return result.startswith(PASSED) and int(result.removeprefix(PASSED)) == number

    def _meet(
        self, bench: Bench, meets: dict[Mutant, list[int]], results: Sequence[RtlResult] | None
    ) -> set[Mutant]:
        """Those of some mutants that runs of a bench kill on Icarus.

        The design as it was leaves what the models say, or has been seen to leave: ``results``.
        """
        used = sorted({index for runs in meets.values() for index in runs})
        if not used:
            return set()
        if any(run.script for run in bench.runs):  # cycles of a script are not the same in both
            used, results = list(range(len(bench.runs))), None
        place = {index: position for position, index in enumerate(used)}
        runs = [bench.runs[index] for index in used]
        left, digests = reference(self._plain, runs)
        if results is None:
            bench.check(left)
        else:
            assert left == [results[index] for index in used], f"{bench.name}: Icarus and Verilator differ"
        mine = {item: [place[index] for index in indices] for item, indices in meets.items()}
        unchanged = replace(self.mutants[0], number=0)
        found = killed(
            build(self._mutated, self.folder), runs, digests, {unchanged: list(place.values())} | mine
        )
        assert found.pop(unchanged) == -1, f"{bench.name}: the netlist is not what it was made of"
        for item, at in found.items():
            if at >= 0:
                self._store(item, f"{bench.name}: run {used[at]}")
        return {item for item, at in found.items() if at >= 0}

    def _store(self, mutant: Mutant, result: str) -> None:
        self.results[str(mutant.number)] = result
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(self.results, indent=1))
        partial.rename(self._path)
        if not result.startswith(PASSED):
            print(f"{mutant}: {result}", flush=True)


def main(folder: str, count: str = str(COUNT)) -> int:
    """Run all; 0 if enough were killed."""
    campaign = Campaign(Path(folder).resolve(), int(count))
    campaign.run()
    print(campaign.report())
    return int(campaign.share < FLOOR)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
