"use strict";
// Without scripts the tables stand as printed; with them, headings become buttons, and long tables get a filter.
const FILTERED_FROM = 8;
const filters = new Map();
const contents = document.querySelector(".contents");
const isNarrow = window.matchMedia("(max-width: 64rem)");

for (const table of document.querySelectorAll("table.sortable")) {
  makeSortable(table);
  if (table.tBodies[0].rows.length >= FILTERED_FROM || table.classList.contains("runs")) {
    filters.set(table, makeFilter(table));
  }
}

function makeSortable(table) {
  const body = table.tBodies[0];
  const order = Array.from(body.rows);
  const columns = [];
  // Headings that span both rows of a head come first; the second row's cells start after them.
  const spanning = Array.from(table.tHead.rows[0].cells).filter((cell) => cell.rowSpan > 1).length;
  for (const cell of table.tHead.querySelectorAll("th[data-sort]")) {
    const isBelow = cell.parentElement !== table.tHead.rows[0];
    columns[cell.cellIndex + (isBelow ? spanning : 0)] = cell;
  }
  columns.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const first = heading.dataset.sort === "text" ? "ascending" : "descending";
      const second = first === "ascending" ? "descending" : "ascending";
      const previous = heading.getAttribute("aria-sort");
      const next = previous === null ? first : previous === first ? second : null;
      for (const other of columns) other.removeAttribute("aria-sort");
      if (next) heading.setAttribute("aria-sort", next);
      body.append(...(next ? sorted(order, column, heading.dataset.sort, next) : order));
    });
  });
}

function sorted(rows, column, kind, direction) {
  const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  const isMissing = (text) => text === "";
  const sign = direction === "ascending" ? 1 : -1;
  return rows.slice().sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    // What was not measured stays below, either way.
    if (isMissing(x) || isMissing(y)) return isMissing(x) - isMissing(y);
    return sign * (kind === "text" ? x.localeCompare(y) : Number(x) - Number(y));
  });
}

// A row is shown if it has every word of the field and, once a count of seeds was followed, if it is one of its runs.
function makeFilter(table) {
  const rows = Array.from(table.tBodies[0].rows);
  const texts = rows.map((row) => `${row.textContent} ${row.title}`.toLowerCase());
  const field = Object.assign(document.createElement("input"), { type: "search", placeholder: "Filter rows" });
  field.setAttribute("aria-label", `Filter: ${table.parentElement.getAttribute("aria-label")}`);
  const count = document.createElement("output");
  const reset = Object.assign(document.createElement("button"), { type: "button", textContent: "Show all", hidden: true });
  const line = Object.assign(document.createElement("p"), { className: "filter" });
  line.append(field, count, reset);
  table.caption.append(line);

  let chosen = null;
  function apply() {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, index) => {
      row.hidden = !((chosen === null || chosen.has(row.id)) && words.every((word) => texts[index].includes(word)));
      if (!row.hidden) shown += 1;
    });
    reset.hidden = chosen === null && words.length === 0;
    count.textContent = reset.hidden ? "" : `${shown} of ${rows.length} rows`;
  }
  function choose(ids) {
    chosen = ids;
    field.value = "";
    apply();
  }
  field.addEventListener("input", apply);
  reset.addEventListener("click", () => {
    choose(null);
    field.focus();
  });
  return choose;
}

// A link inside the page: one to runs leaves only these in their table, and no row that is led to stays hidden.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (link === null) return;
  const row = document.getElementById(link.hash.slice(1))?.closest("tr");
  const choose = row && filters.get(row.closest("table"));
  if (!choose) return;
  if (link.dataset.runs) choose(new Set(link.dataset.runs.split(" ")));
  else if (row.hidden) choose(null);
});

// Where the side bar is a menu, it opens when asked for and closes when a link was followed.
if (contents) {
  const fit = () => { contents.open = !isNarrow.matches; };
  fit();
  isNarrow.addEventListener("change", fit);
  contents.querySelector("summary").addEventListener("click", (event) => {
    if (!isNarrow.matches) event.preventDefault();
  });
  contents.addEventListener("click", (event) => {
    if (isNarrow.matches && event.target.closest("a")) contents.open = false;
  });
}

// Whoever is led to something that is folded away sees it.
function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target === null) return;
  for (let fold = target.closest("details:not([open])"); fold; fold = fold.parentElement.closest("details:not([open])")) {
    fold.open = true;
  }
  target.scrollIntoView();
}
window.addEventListener("hashchange", unfold);
unfold();

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") document.activeElement?.closest("td")?.querySelector(":focus")?.blur();
});
