"""The mutation campaign: every mutant meets the benches until one kills it; what is left is tried for equivalence.

``python -m tests.mutation.campaign FOLDER [COUNT]`` goes on where it was ended: results stand in ``results.json``
of the folder, one entry per mutant.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from hwshift.sim.runner import Build

from .benches import as_results, benches, build, simulate
from .equivalence import equivalent
from .netlist import CONFIG, Mutant, draw, netlists

COUNT = 320
SURVIVED = "survived"
EQUIVALENT = "equivalent"
FLOOR = 0.98
"""Share of the mutants that are not proven equivalent which the benches have to kill."""


class Campaign:
    """Mutants, and what became of them.

    Members
    -------
    mutants : list of Mutant
    results : dict of str to str
        A mutant's number to the bench that killed it, to "equivalent: " and the proof, or to "survived".
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.mutants = draw(folder, CONFIG, count)
        self._files = netlists(folder, self.mutants)
        self._path = folder / "results.json"
        self._references: dict[tuple[Path, str], list[dict]] = {}
        stored = json.loads(self._path.read_text()) if self._path.is_file() else {}
        self.results: dict[str, str] = (
            stored if set(stored) <= {str(item.number) for item in self.mutants} else {}
        )

    def run(self, chosen: list[Mutant] | None = None) -> dict[str, str]:
        """Meet the benches; those of one module one after the other."""
        for mutant in sorted(chosen or self.mutants, key=lambda item: item.module):
            if str(mutant.number) not in self.results:
                self._store(mutant, self._meet(mutant))
        return self.results

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
        return sum(not value.startswith((SURVIVED, EQUIVALENT)) for value in self.results.values())

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

    def _meet(self, mutant: Mutant) -> str:
        built = build(self._files[mutant.module], self.folder)
        for bench in benches():
            if simulate(built, bench, mutant.number) != self._reference(built, mutant.module, bench.name):
                return bench.name
        return SURVIVED

    def _reference(self, built: Build, module: str, name: str) -> list[dict]:
        """What the bench gives without a mutant, checked against the models."""
        key = (built.directory, name)
        if key not in self._references:
            bench = next(item for item in benches() if item.name == name)
            answers = simulate(built, bench, 0)
            if isinstance(answers, str):
                raise AssertionError(f"{module}: {answers}")
            bench.check(as_results(answers))
            self._references[key] = answers
        return self._references[key]

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
