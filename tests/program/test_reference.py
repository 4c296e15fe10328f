"""The written references are what the tables they are rendered from say."""

from pathlib import Path

import pytest

from hwshift.program.reference import render_instruction_set
from hwshift.program.registers import render_markdown

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("page", "text"), [
    ("instruction-set.md", render_instruction_set()), ("registers.md", "# Registers\n\n" + render_markdown()),
])  # fmt: skip
def test_page_is_up_to_date(page, text):
    assert (DOCS / page).read_text() == text
