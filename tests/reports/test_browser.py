"""The page in a real browser: it renders, sorts, adapts to width and colour scheme, and prints."""

import json
import re
import shutil
import subprocess
from html import escape
from pathlib import Path

import pytest
from PIL import Image

from hwshift.reports.html import render_html

from .build import with_everything

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Before anything else on the page: what goes wrong is kept.
LISTEN = """<script>window.problems = [];
window.addEventListener("error", function (event) { window.problems.push(String(event.message)); });
console.error = console.warn = function (text) { window.problems.push(String(text)); };</script>"""

# After everything else: `act` runs, and what it returns becomes the text of an element.
REPORT = """<script>window.addEventListener("load", function () {
  const out = document.createElement("pre");
  out.id = "result";
  const found = (function () { %s })();
  out.textContent = JSON.stringify({ found: found, problems: window.problems });
  document.body.appendChild(out);
});</script>"""


@pytest.fixture(scope="module")
def browser():
    """The path of a browser; skips, with the reason, where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium: install Debian's package chromium")
    return found


@pytest.fixture
def chromium(browser, tmp_path):
    """Runs the browser on a page, with no network; returns what it prints."""

    def run(page, *options):
        path = tmp_path / "page.html"
        path.write_text(page, encoding="utf-8")
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
            f"--user-data-dir={tmp_path / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND",
            "--allow-file-access-from-files", "--enable-logging=stderr", *options, path.as_uri(),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert "CONSOLE" not in done.stderr, done.stderr
        return done.stdout

    return run


def acted(chromium, page, act, *options):
    """What JavaScript returns that runs in the loaded page; nothing may go wrong."""
    page = page.replace("<head>", "<head>" + LISTEN).replace("</body>", REPORT % act + "</body>")
    text = chromium(page, "--dump-dom", *options)
    result = json.loads(re.search(r'<pre id="result">(.*?)</pre>', text, re.DOTALL)[1])
    assert result["problems"] == []
    return result["found"]


ACT = """
const head = Array.from(document.querySelectorAll("#layers th")).find(th => th.textContent.startsWith("energy"));
const column = head.cellIndex;
const values = () => Array.from(document.querySelectorAll("#layers tbody tr"),
  row => Number(row.cells[column].dataset.value));
const out = { orders: [values()] };
for (let i = 0; i < 3; i += 1) { head.click(); out.orders.push(values()); out.sort = head.getAttribute("aria-sort"); }
document.querySelector("button[data-zoom='4']").click();
out.zoom = document.getElementById("cycles").style.width;
document.querySelector("button[data-measure='energy']").click();
out.graph = document.getElementById("graph").getAttribute("class");
const shade = () => getComputedStyle(document.body).backgroundColor;
out.shades = [shade()];
for (let i = 0; i < 2; i += 1) { document.getElementById("theme").click(); out.shades.push(shade()); }
const wide = element => element.getBoundingClientRect().width;
out.bars = Array.from(document.querySelectorAll("#energy-by-layer .rows .track"),
  track => Array.from(track.querySelectorAll("i"), wide).reduce((a, b) => a + b, 0));
const filter = document.getElementById("filter");
filter.value = "POOL";
filter.dispatchEvent(new Event("input"));
out.rows = Array.from(document.querySelectorAll("#layers tbody tr")).filter(row => !row.hidden)
  .map(row => row.cells[0].textContent);
out.elements = document.querySelectorAll("*").length;
return out;
"""


def test_it_renders_and_sorts(chromium):
    report = with_everything()
    found = acted(chromium, render_html(report), ACT)
    energies = [row.energy_pj for row in report.rows]
    first, down, up, last = found["orders"]
    assert first == last == pytest.approx(energies)
    assert down == pytest.approx(sorted(energies, reverse=True)) and up == down[::-1]
    assert found["sort"] is None
    assert found["zoom"] == "400%" and found["graph"] == "graph by-energy"
    assert (
        found["rows"] == [row.name for row in report.rows if "pool" in f"{row.name} {row.op}".lower()] != []
    )
    light, dark, again = found["shades"]
    assert light == again == "rgb(255, 255, 255)" and dark == "rgb(20, 24, 28)"
    drawn = [energy for energy in energies if energy]
    scale = max(found["bars"]) / max(drawn)
    assert found["bars"] == pytest.approx([energy * scale for energy in drawn], abs=1.5)


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(chromium, width):
    frame = f'<iframe width="{width}" height="900" style="border: 0" srcdoc="{escape(render_html(with_everything()))}">'
    page = f"<!DOCTYPE html><html><head></head><body>{frame}</iframe></body></html>"
    act = """const page = document.querySelector("iframe").contentDocument.documentElement;
    return [page.clientWidth, page.scrollWidth, page.querySelectorAll("figure").length];"""
    inside, needed, figures = acted(chromium, page, act)
    assert needed <= inside == width and figures == 9


@pytest.mark.parametrize(("scheme", "light"), [(1, True), (0, False)])
def test_light_and_dark(chromium, tmp_path, scheme, light):
    chromium(
        render_html(with_everything()), f"--screenshot={tmp_path / 'shot.png'}", "--window-size=1280,2400",
        f"--blink-settings=preferredColorScheme={scheme}",
    )  # fmt: skip
    image = Image.open(tmp_path / "shot.png").convert("L").resize((64, 120))
    mean = sum(image.tobytes()) / (64 * 120)
    assert mean > 215 if light else mean < 60
    assert len(set(image.tobytes())) > 20  # there is something on it


def test_it_prints(chromium, tmp_path):
    chromium(render_html(with_everything()), f"--print-to-pdf={tmp_path / 'page.pdf'}")
    data = Path(tmp_path / "page.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    pages = re.findall(rb"/Type\s*/Page\b", data)
    assert 3 <= len(pages) <= 12
    boxes = {tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox\s*\[([^\]]*)\]", data)}
    assert all(x1 > y1 for _, _, x1, y1 in boxes)  # landscape: nothing of a wide table is cut off
