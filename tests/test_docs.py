"""The manual's code runs, and its commands print what it says.

Blocks of ``python`` on one page share their names and run in order, in one empty folder with the page's ``console``
blocks. In these, a line after ``$ `` is a command; the lines below are what it prints, where ``...`` stands for
anything. A block below a comment that begins with ``not run:`` is not run.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from hwshift.cli import main

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(<!-- not run: .*? -->\n)?^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """Code of a page."""

    kind: str
    text: str
    line: int


def blocks(text):
    """Blocks that are to run."""
    for found in BLOCK.finditer(text):
        if found[1] is None:
            yield Block(found[2], found[3], text.count("\n", 0, found.start(3)))


def commands(text):
    """Of a console block: each command with the lines it prints."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert parts[0] == "", "a console block begins with a command"
    for part in parts[1:]:
        command, *lines = part.splitlines()
        yield command, lines


def agrees(expected, printed):
    """Whether lines fit, however wide the blanks; ``...`` is anything, also many lines."""
    pattern = r"\s+".join(re.escape(word) for line in expected for word in line.split())
    pattern = (
        pattern.replace(re.escape("..."), r".*?").replace(r".*?\s+", r".*?\s*").replace(r"\s+.*?", r"\s*.*?")
    )
    return re.fullmatch(rf"\s*{pattern}\s*", printed, re.DOTALL) is not None


@pytest.mark.parametrize("page", [page for page in PAGES if any(blocks((ROOT / page).read_text()))])
def test_code_runs(page, tmp_path, monkeypatch, capsys, rtl_builds):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HWSHIFT_CACHE_DIR", str(rtl_builds))
    names = {"__name__": "page"}
    for block in blocks((ROOT / page).read_text(encoding="utf-8")):
        if block.kind == "python":
            code = compile("\n" * block.line + block.text, page, "exec")
            exec(code, names)  # the manual's own text
            continue
        for command, expected in commands(block.text):
            capsys.readouterr()
            program, *arguments = shlex.split(command)
            assert program == "hwshift"
            assert main(arguments) == 0, command
            printed = capsys.readouterr().out
            assert agrees(expected, printed), f"{page}: {command} prints\n{printed}"


def test_blocks_and_outputs():
    text = "x\n```python\na = 1\n```\n<!-- not run: why -->\n```python\nb\n```\n"
    text += "```console\n$ hwshift x\n1  2\n...\n```\n"
    first, second = blocks(text)
    assert (first.kind, first.text, first.line) == ("python", "a = 1\n", 2)
    ((command, lines),) = commands(second.text)
    assert command == "hwshift x" and agrees(lines, "1 2\n3\n4\n")
    assert not agrees(lines, "1 3\n") and agrees(["a ... b"], "a  anything b\n") and not agrees(["a"], "a b")


def test_what_is_not_run_says_why():
    for page in PAGES:
        for found in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")):
            assert found[1] is None or re.fullmatch(r"<!-- not run: \w.{5,} -->\n", found[1])


def test_every_page_is_in_the_navigation():
    listed = re.findall(r"^ +- (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(set(listed)) == len(listed)
    assert {path.name for path in (ROOT / "docs").glob("*.md")} <= set(listed)


def test_files_that_are_named_exist():
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:hwshift|golden|rtl|sim|tests)/[\w/.]+\.py)`", text))
    assert len(named) > 15
    assert {name for name in named if not (ROOT / name).is_file()} == set()
