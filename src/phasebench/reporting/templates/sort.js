"use strict";
// Without scripts the tables stand as printed; with them, their headings become buttons.
for (const table of document.querySelectorAll("table.sortable")) {
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
