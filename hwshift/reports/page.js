"use strict";
document.querySelectorAll("table.sortable").forEach(function (table) {
  const body = table.tBodies[0];
  const original = Array.from(body.rows);
  const value = function (row, column) {
    const cell = row.cells[column];
    return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent.trim();
  };
  const compare = function (a, b) {
    if (typeof a === "number") { return a - b; }
    return a.localeCompare(b, undefined, { numeric: true });
  };
  Array.from(table.tHead.rows[0].cells).forEach(function (head, column) {
    head.tabIndex = 0;
    const sort = function () {
      const next = { none: "descending", descending: "ascending", ascending: "none" };
      const order = next[head.getAttribute("aria-sort") || "none"];
      Array.from(head.parentNode.cells).forEach(function (cell) { cell.removeAttribute("aria-sort"); });
      const rows = original.slice();
      if (order !== "none") {
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        rows.sort(function (a, b) { return sign * compare(value(a, column), value(b, column)); });
      }
      rows.forEach(function (row) { body.appendChild(row); });
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", function (event) { if (event.key === "Enter") { sort(); } });
  });
});
const choose = function (buttons, chosen) {
  buttons.forEach(function (button) { button.setAttribute("aria-pressed", String(button === chosen)); });
};
const zooms = document.querySelectorAll("button[data-zoom]");
zooms.forEach(function (button) {
  button.addEventListener("click", function () {
    const wide = document.getElementById("cycles");
    wide.style.width = 100 * button.dataset.zoom + "%";
    wide.classList.toggle("zoomed", button.dataset.zoom !== "1");
    choose(zooms, button);
  });
});
choose(zooms, zooms[0]);
const measures = document.querySelectorAll("button[data-measure]");
measures.forEach(function (button) {
  button.addEventListener("click", function () {
    document.getElementById("graph").setAttribute("class", "graph by-" + button.dataset.measure);
    choose(measures, button);
  });
});
choose(measures, measures[0]);
document.getElementById("theme").addEventListener("click", function () {
  const root = document.documentElement;
  const dark = root.style.colorScheme ? root.style.colorScheme === "dark"
    : window.matchMedia("(prefers-color-scheme: dark)").matches;
  root.style.colorScheme = dark ? "light" : "dark";
});
document.getElementById("filter").addEventListener("input", function (event) {
  const wanted = event.target.value.toLowerCase();
  Array.from(document.getElementById("layers").tBodies[0].rows).forEach(function (row) {
    const text = (row.cells[0].textContent + " " + row.cells[1].textContent).toLowerCase();
    row.hidden = !text.includes(wanted);
  });
});
window.addEventListener("beforeprint", function () {
  document.querySelectorAll("details").forEach(function (item) { item.open = true; });
});
