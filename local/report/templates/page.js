"use strict";
const tables = [...document.querySelectorAll("main table")].filter((table) => table.tHead && table.tBodies.length);

// Sorting: by the number that a cell stands for, or by its text; cells without a number stay last.
function key(row, column, numeric) {
  const cell = row.cells[column];
  return numeric ? parseFloat(cell.dataset.value ?? cell.textContent) : cell.textContent;
}
function sort(table, column) {
  const heads = [...table.tHead.rows[0].cells];
  const numeric = heads[column].classList.contains("n");
  const sign = heads[column].getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[column].setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const keyed = [...table.tBodies[0].rows].map((row) => [key(row, column, numeric), row]);
  const collator = new Intl.Collator("en", { numeric: true });
  keyed.sort(([a], [b]) => {
    if (!numeric) return sign * collator.compare(a, b);
    return Number.isNaN(a) || Number.isNaN(b) ? Number.isNaN(a) - Number.isNaN(b) : sign * (a - b);
  });
  table.tBodies[0].append(...keyed.map(([, row]) => row));
}
for (const table of tables) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, column));
    head.append(button);
  });
}

// Search: rows that hold all words stay, and so do other blocks that do; a section of nothing goes.
const texts = new Map();
function holds(element, words) {
  if (!texts.has(element)) texts.set(element, element.textContent.toLowerCase());
  return words.every((word) => texts.get(element).includes(word));
}
function search(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  let rows = 0, found = 0;
  for (const block of document.querySelectorAll("main .block")) {
    const own = block.querySelectorAll("tbody tr");
    let shown = 0;
    for (const row of own) {
      row.hidden = !holds(row, words);
      shown += !row.hidden;
    }
    block.hidden = own.length ? !shown : !holds(block, words);
    rows += shown;
    found += shown > 0;
  }
  for (const section of document.querySelectorAll("main > section")) {
    section.hidden = words.length > 0 && !section.querySelector(".block:not([hidden])");
  }
  const several = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
  document.getElementById("count").textContent =
    !words.length ? "" : rows ? `${several(rows, "row")} in ${several(found, "table")}` : "no row holds that";
}
const field = document.getElementById("query");
let waiting = 0;
field.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => search(field.value), 120);
});
document.getElementById("search").hidden = false;
