"use strict";
(() => {
  const one = (selector) => document.querySelector(selector);
  const every = (selector) => Array.from(document.querySelectorAll(selector));
  const body = one("#table tbody");
  const rows = every("tr.model").map((row, place) => ({
    row,
    place,
    text: null,
    flows: row.dataset.flows.split(" "),
  }));
  // Read when the first letter is typed: a thousand rows take a moment, and many never search.
  const text = (entry) => (entry.text ??= entry.row.textContent.toLowerCase());
  const query = one("#query");
  const chips = every(".chip");
  const all = one("#all");
  const headings = every("th[data-key]");
  const order = ["failed", "missing", "unverified", "ok"];
  let flow = null;

  const show = () => {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = new Set(chips.filter((chip) => chip.ariaPressed === "true").map((chip) => chip.dataset.status));
    let count = 0;
    for (const entry of rows) {
      const { row, flows } = entry;
      const shown = wanted.has(row.dataset.status) && (flow === null || flows.includes(flow)) && words.every((word) => text(entry).includes(word));
      row.hidden = !shown;
      count += shown;
    }
    const told = one("#shown");
    told.value = told.dataset.text.replace("%1", count).replace("%2", rows.length);
    one("#none").hidden = count > 0;
    all.hidden = count === rows.length && flow === null && !query.value;
  };

  const value = ({ row }, key, column) => {
    if (key === "status") return order.indexOf(row.dataset.status);
    if (key === "size") return Number(row.dataset.size);
    return row.cells[column].textContent.trim().toLowerCase() || "\uffff";
  };
  const sort = (heading) => {
    const down = heading.ariaSort === "ascending";
    for (const other of headings) other.removeAttribute("aria-sort");
    heading.ariaSort = down ? "descending" : "ascending";
    const column = headings.indexOf(heading);
    const keyed = rows.map((entry) => [value(entry, heading.dataset.key, column), entry]);
    const sign = down ? -1 : 1;
    keyed.sort(([a, x], [b, y]) => (a < b ? -sign : a > b ? sign : x.place - y.place));
    body.append(...keyed.map(([, entry]) => entry.row));
  };

  one("form").addEventListener("submit", (event) => event.preventDefault());
  query.addEventListener("input", show);
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.ariaPressed = String(chip.ariaPressed !== "true");
      show();
    });
  }
  for (const heading of headings) heading.firstElementChild.addEventListener("click", () => sort(heading));
  for (const button of every("button[data-flow]")) {
    button.addEventListener("click", () => {
      flow = button.dataset.flow;
      show();
      one("#models").focus();
      one("#models").scrollIntoView();
    });
  }
  const reset = () => {
    flow = null;
    query.value = "";
    for (const chip of chips) chip.ariaPressed = "true";
    show();
  };
  all.addEventListener("click", reset);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") reset();
    if (event.key !== "/" || event.target === query || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    query.focus();
  });
  show();
})();
