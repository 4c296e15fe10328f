"""The mutation campaign: every mutant meets the benches until one kills it; what is left is tried for equivalence.

``python -m tests.mutation.campaign FOLDER [COUNT]`` goes on where it was ended: results stand in ``results.json``
of the folder, one entry per mutant.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from ..sim.cases import SMALL as CONFIG
from .benches import BENCHES, Bench, build, digests, killed
from .equivalence import equivalent
from .netlist import Mutant, draw, netlists

COUNT = 320
SURVIVED = "survived"
EQUIVALENT = "equivalent"
PASSED = "passed "
"""With the number of benches that have not killed it yet."""
FLOOR = 0.98
"""Share of the mutants that are not proven equivalent which the benches have to kill."""


class Campaign:
    """Mutants, and what became of them.

    Members
    -------
    mutants : list of Mutant
    results : dict of str to str
        A mutant's number to the bench that killed it, to "equivalent: " and the proof, to "survived", or to
        "passed " and how many benches it has met so far.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.mutants = draw(folder, CONFIG, count)
        self._files = netlists(folder, self.mutants)
        self._path = folder / "results.json"
        stored = json.loads(self._path.read_text()) if self._path.is_file() else {}
        self.results: dict[str, str] = (
            stored if set(stored) <= {str(item.number) for item in self.mutants} else {}
        )

    def run(self, chosen: list[Mutant] | None = None, benches_first: int | None = None) -> dict[str, str]:
        """Meet the benches, or the first of them: all mutants the first, those that are left the next, and so on."""
        plain = build(self.folder / "core.v", self.folder)
        for number, make in enumerate(BENCHES[:benches_first]):
            if not any(self._waits(item, number) for item in chosen or self.mutants):
                continue
            bench = make()
            expected = digests(plain, bench)
            last = number == len(BENCHES) - 1
            for module in sorted({item.module for item in self.mutants}):
                left = [
                    item
                    for item in chosen or self.mutants
                    if item.module == module and self._waits(item, number)
                ]
                if left:
                    self._meet(bench, expected, number, left, last)
        return self.results

    def _waits(self, mutant: Mutant, number: int) -> bool:
        """Whether it has passed the benches before this one, and not met it."""
        result = self.results.get(str(mutant.number), f"{PASSED}0")
        return result.startswith(PASSED) and int(result.removeprefix(PASSED)) == number

    def prove(self) -> None:
        """Try to prove the survivors equivalent."""
        for mutant in self.survivors():
            if proof := equivalent(self.folder, mutant):
                self._store(mutant, f"{EQUIVALENT}: {proof}")

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
        by = Counter(value.partition(":")[0] for value in self.results.values())
        lines = [f"{len(self.results)} of {len(self.mutants)} mutants"]
        lines += [f"  {number:4d} {name}" for name, number in by.most_common()]
        lines += [f"killed {self.killed()}, {self.share:.2%} of those not proven equivalent; survivors:"]
        return "\n".join([*lines, *(f"  {item}" for item in self.survivors())])

    def _meet(
        self, bench: Bench, expected: list[str], number: int, mutants: list[Mutant], last: bool
    ) -> None:
        built = build(self._files[mutants[0].module], self.folder)
        path = mutants[0].module.split(".")[1:]
        runs = killed(built, bench, expected, path, [item.number for item in mutants])
        for item in mutants:
            survives = SURVIVED if last else f"{PASSED}{number + 1}"
            self._store(item, bench.name if runs[item.number] >= 0 else survives)

    def _store(self, mutant: Mutant, result: str) -> None:
        self.results[str(mutant.number)] = result
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(self.results, indent=1))
        partial.rename(self._path)
        print(f"{mutant}: {result}", flush=True)


def main(folder: str, count: str = str(COUNT)) -> int:
    """Run all; 0 if enough were killed."""
    campaign = Campaign(Path(folder).resolve(), int(count))
    campaign.run()
    campaign.prove()
    print(campaign.report())
    return int(campaign.share < FLOOR)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
