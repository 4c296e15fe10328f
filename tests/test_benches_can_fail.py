"""Every bench stands in the table of what shows that it can fail, and the tests named there exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "verification.md").read_text()
TABLE = TEXT[TEXT.index("## Every bench can fail") : TEXT.index("## Functional coverage")]


def test_every_bench_is_listed() -> None:
    folders = ("sim/benches", "tests/sim", "tests/mutation", "tests/rtl")
    benches = {path.stem for folder in folders for path in (ROOT / folder).glob("bench_*.py")}
    assert benches == set(re.findall(r"`(bench_\w+)`", TABLE))


def test_the_tests_exist() -> None:
    for row in TABLE.splitlines():
        names = re.findall(r"`(?:(tests/[\w/]+\.py)::)?(test_\w+)`", row)
        file = ""
        for path, name in names:
            file = path or file
            assert f"def {name}(" in (ROOT / file).read_text(), (file, name)
