"use strict";
(() => {
  const table = document.getElementById("runs"), body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => row.cells[column].dataset.by;
  const sort = (column) => {
    const down = heads[column].getAttribute("aria-sort") === "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      if (x === "" || y === "") return x === y ? 0 : x === "" ? 1 : -1; // what is not known comes last
      const order = Number.isFinite(+x) && Number.isFinite(+y) ? x - y : x.localeCompare(y, undefined, { numeric: true });
      return down ? -order : order;
    });
    body.append(...rows);
  };
  heads.forEach((head, column) => { if (head.firstChild) head.firstChild.onclick = () => sort(column); });
  document.getElementById("find").oninput = (event) => {
    const wanted = event.target.value.toLowerCase();
    for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  };
  document.documentElement.dataset.ready = "sheet";
})();
