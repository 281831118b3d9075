// The table: sort, filter, walk with the arrow keys, open a cell. Then the theme.

const evidence = JSON.parse(document.getElementById("evidence").textContent);
const board = document.getElementById("board");
const body = board.tBodies[0];
const published = board.querySelector(".published");
const dialog = document.getElementById("cell");
const byId = (id) => document.getElementById(id);
const rows = () => [...body.rows].filter((row) => !row.hidden);

// Sort

function valueOf(row, column) {
  const cell = row.cells[column];
  return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
}

function sortBy(header) {
  const column = header.cellIndex, kind = header.dataset.sort;
  // The first click shows the best first: high figures, low ranks, names from A.
  const first = kind === "figure" ? "descending" : "ascending";
  const now = header.getAttribute("aria-sort");
  const way = now === null ? first : now === "descending" ? "ascending" : "descending";
  const sign = way === "ascending" ? 1 : -1;
  const compare = (a, b) => {
    if (kind === "text") return sign * a.cells[column].textContent.localeCompare(b.cells[column].textContent);
    const [x, y] = [valueOf(a, column), valueOf(b, column)];
    if (x === null || y === null) return (x === null) - (y === null);
    return sign * (x - y);
  };
  for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", way);
  for (const part of [body, published]) part?.append(...[...part.rows].sort(compare));
}

for (const header of board.tHead.rows[0].cells) {
  header.querySelector(".sort")?.addEventListener("click", () => sortBy(header));
}

// Filter

const filters = byId("filters");
const chosen = [...filters.querySelectorAll("select")];

function filter() {
  const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of [...body.rows, ...(published?.rows ?? [])]) {
    const text = `${row.cells[0].textContent} ${row.cells[1].textContent}`.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word)) ||
      !chosen.every(({ name, value }) => !value || row.dataset[name] === value);
  }
  for (const part of board.querySelectorAll(".divider, .published")) part.hidden = !byId("published").checked;
  const shown = rows().length, all = body.rows.length;
  byId("shown").value = shown === all ? `${all} rows` : `${shown} of ${all} rows`;
  rove();
}

filters.hidden = false;
filters.addEventListener("input", filter);
filters.addEventListener("submit", (event) => event.preventDefault());

// Walk: one cell is in the order of the tab key, arrow keys lead to the others

const buttonsOf = (row) => [...row.querySelectorAll("button.cell")];

function rove(button) {
  const wanted = button ?? rows().flatMap(buttonsOf)[0];
  for (const old of body.querySelectorAll("button.cell[tabindex='0']")) old.tabIndex = -1;
  if (wanted) wanted.tabIndex = 0;
}

function neighbour(button, key) {
  const row = button.closest("tr"), column = button.closest("td").cellIndex;
  const mine = buttonsOf(row), at = mine.indexOf(button);
  const beside = { ArrowLeft: mine[at - 1], ArrowRight: mine[at + 1], Home: mine[0], End: mine.at(-1) };
  if (key in beside) return beside[key];
  const step = { ArrowUp: -1, ArrowDown: 1 }[key];
  const all = rows();
  for (let n = all.indexOf(row) + step; step && all[n]; n += step) {
    const found = all[n].cells[column].querySelector("button.cell");
    if (found) return found;
  }
  return undefined;
}

body.addEventListener("keydown", (event) => {
  const button = event.target.closest("button.cell");
  const next = button && !event.altKey && !event.ctrlKey && !event.metaKey && neighbour(button, event.key);
  if (!next) return;
  event.preventDefault();
  rove(next);
  next.focus();
});

// Open a cell

let opener = null;

function bestOf(cell) {
  const best = evidence.cells[evidence.best[cell.test_set]];
  return best && best !== cell && best.seeds?.[0].roc.length ? best : null;
}

function panels(cell, seed) {
  const swept = (cell.sweeps ?? []).map(sweepFigure);
  if (cell.lacking) return [element("p", {}, cell.lacking), ...swept];
  const faces = evidence.faces[cell.test_set] ?? {};
  const worst = worstFigure(seed, evidence.ids[cell.test_set], faces);
  const parts = Object.entries(seed.parts).map((part) => partsFigure(...part));
  return [rocFigure(seed, bestOf(cell)), histogramFigure(seed), calibrationFigure(seed), worst, figuresFigure(seed), ...parts, ...swept];
}

function show(cell, seed) {
  byId("panels").replaceChildren(...panels(cell, seed));
}

function open(button) {
  const cell = evidence.cells[Number(button.dataset.cell)];
  const seeds = cell.seeds ?? [];
  opener = button;
  rove(button);
  byId("cell-title").textContent = `${cell.detector} on ${cell.test_set}`;
  byId("cell-said").textContent = cell.said;
  byId("seed-choice").hidden = seeds.length < 2;
  byId("seed").replaceChildren(...seeds.map((seed, n) => element("option", { value: n }, String(seed.seed))));
  byId("seed").onchange = (event) => show(cell, seeds[Number(event.target.value)]);
  show(cell, seeds[0]);
  dialog.showModal();
  byId("close").focus();  // and not the seed, which arrow keys would change
  dialog.scrollTop = 0;
}

body.addEventListener("click", (event) => {
  const button = event.target.closest("button.cell");
  if (button) open(button);
});
byId("close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();  // the backdrop
});
dialog.addEventListener("close", () => opener?.focus());

// Theme: the reader's system decides until the button is pressed

const theme = byId("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");

function wear(name) {
  if (name) document.documentElement.dataset.theme = name;
  const isDark = name ? name === "dark" : dark.matches;
  theme.textContent = isDark ? "Light" : "Dark";
  theme.setAttribute("aria-label", `Change to ${isDark ? "light" : "dark"} colours`);
}

theme.hidden = false;
theme.addEventListener("click", () => wear(theme.textContent.toLowerCase()));
dark.addEventListener("change", () => wear(document.documentElement.dataset.theme));
wear();
filter();
