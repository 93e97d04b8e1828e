// Tables that are sorted by a click on a heading: numbers by value, the greatest first; words from a to z;
// what isn't known comes last.
(function () {
  "use strict";
  function value(row, column, numeric) { // null: not known
    var cell = row.cells[column];
    if (!cell) { return null; }
    var told = (cell.dataset.value !== undefined ? cell.dataset.value : cell.textContent).trim();
    if (told === "" || told === "–") { return null; }
    var number = numeric ? parseFloat(told.replace(/[,$]/g, "").replace("−", "-").replace("½", "0.5")) : NaN;
    return Number.isNaN(number) ? told.toLowerCase() : number;
  }
  function compare(one, other, up) {
    if (one === null || other === null) { return (one === null) - (other === null); } // last, whichever way
    return (up ? 1 : -1) * inOrder(one, other);
  }
  function inOrder(one, other) {
    if (typeof one === typeof other) { return one < other ? -1 : one > other ? 1 : 0; }
    return typeof one === "number" ? 1 : -1;
  }
  function sort(table, heading, column) {
    var before = heading.getAttribute("aria-sort");
    var numeric = heading.classList.contains("number");
    var up = before ? before === "descending" : !numeric || heading.textContent.trim() === "Rank";
    table.querySelectorAll("th[aria-sort]").forEach(function (other) { other.removeAttribute("aria-sort"); });
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    var body = table.tBodies[0];
    var rows = Array.from(body.rows).map(function (row) { return [value(row, column, numeric), row]; });
    rows.sort(function (one, other) { return compare(one[0], other[0], up); });
    rows.forEach(function (pair) { body.appendChild(pair[1]); });
  }
  document.querySelectorAll("table.sortable").forEach(function (table) {
    Array.from(table.tHead.rows[0].cells).forEach(function (heading, column) {
      if (heading.classList.contains("plain") || heading.textContent.trim() === "Watch") { return; }
      var button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent.trim();
      heading.textContent = "";
      heading.appendChild(button);
      button.addEventListener("click", function () { sort(table, heading, column); });
    });
  });
})();
