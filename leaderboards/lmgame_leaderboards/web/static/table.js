// Tables that are sorted by a click on a heading: numbers by value, the greatest first; words from a to z.
(function () {
  "use strict";
  function value(row, column) {
    var cell = row.cells[column];
    if (!cell) { return ""; }
    var told = cell.dataset.value !== undefined ? cell.dataset.value : cell.textContent.trim();
    var number = Number(told.replace(/,/g, ""));
    return told !== "" && !Number.isNaN(number) ? number : told.toLowerCase();
  }
  function compare(one, other) {
    if (typeof one === typeof other) { return one < other ? -1 : one > other ? 1 : 0; }
    return typeof one === "number" ? 1 : -1;
  }
  function sort(table, heading, column) {
    var before = heading.getAttribute("aria-sort");
    var up = before ? before === "descending" : !heading.classList.contains("number") || heading.textContent.trim() === "Rank";
    table.querySelectorAll("th[aria-sort]").forEach(function (other) { other.removeAttribute("aria-sort"); });
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    var body = table.tBodies[0];
    var rows = Array.from(body.rows).map(function (row) { return [value(row, column), row]; });
    rows.sort(function (one, other) { return (up ? 1 : -1) * compare(one[0], other[0]); });
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
