// Pages that change while they are looked at. One connection a page, closed while nobody looks: browsers keep no more
// than six to one server.
(function () {
  "use strict";
  function connect(address, name, heard) {
    var stream = null;
    function open() {
      if (stream || document.hidden) { return; }
      stream = new EventSource(address);
      stream.addEventListener(name, function (event) { heard(JSON.parse(event.data)); });
    }
    function close() { if (stream) { stream.close(); stream = null; } }
    document.addEventListener("visibilitychange", function () { if (document.hidden) { close(); } else { open(); } });
    open();
  }
  function element(name, className, text) {
    var made = document.createElement(name);
    if (className) { made.className = className; }
    if (text !== undefined) { made.textContent = text; }
    return made;
  }
  function set(id, text) { var place = document.getElementById(id); if (place && place.textContent !== text) { place.textContent = text; } }
  function number(value, digits) { return value === null || value === undefined ? "–" : value.toLocaleString("en", { maximumFractionDigits: digits === undefined ? 2 : digits }).replace("-", "−"); }

  // ---- Standings that have changed.
  var news = document.getElementById("news");
  if (news) {
    var first = null;
    connect(news.dataset.events, "standings", function (told) {
      if (news.dataset.reload !== undefined) {
        if (told.state || told.failure) { location.reload(); }
        return;
      }
      if (first === null && told.state) { first = told.state; }
      if (told.failure) { news.textContent = "These standings are from before. " + told.failure; news.hidden = false; return; }
      if (told.making) { news.textContent = "Newer results have come in; the standings are being worked out …"; news.hidden = false; return; }
      if (told.state && first !== null && told.state !== first) {
        news.textContent = "There are newer standings. ";
        var link = element("a", "", "Show them");
        link.href = location.href;
        news.append(link);
        news.hidden = false;
      }
    });
  }

  // ---- A run or an arena.
  var live = document.getElementById("live");
  if (!live) { return; }
  var root = live.dataset.root, cards = {};
  function boards(told) {
    var place = document.getElementById("boards"), seen = {};
    told.forEach(function (board) {
      seen[board.id] = true;
      var card = cards[board.id];
      if (!card) {
        card = cards[board.id] = { link: element("a", "board"), image: element("img"), title: element("strong"), names: element("span"), answer: element("span", "note") };
        card.image.alt = "";
        card.link.append(card.image, card.title, card.names, card.answer);
        place.append(card.link);
      }
      card.link.href = root + board.to + "#end"; // to where it is played
      if (board.frame) {
        if (card.image.src !== board.frame) { card.image.src = board.frame; }
      }
      card.image.hidden = !board.frame;
      card.title.textContent = board.title;
      card.names.textContent = board.names.map(function (name, seat) { return name + " " + board.scores[seat]; }).join(" – ");
      var who = board.names.length > 1 && board.decisions ? board.names[board.seat] + ": " : "";
      card.answer.textContent = board.decisions ? "decision " + number(board.decisions) + " · " + who + (board.verdict === "ok" ? board.moves : board.verdict) + (board.latency === null ? "" : " · " + number(board.latency) + " s") : "no answer yet";
    });
    Object.keys(cards).forEach(function (id) {
      if (!seen[id]) { cards[id].link.remove(); delete cards[id]; }
    });
    live.hidden = !told.length;
  }
  function rows(told) {
    var table = document.getElementById("records");
    if (!table) { return; }
    var known = new Map(Array.from(table.tBodies[0].rows, function (one) { return [one.dataset.record, one]; }));
    told.forEach(function (row) {
      var found = known.get(row.id);
      if (!found) { // those of other pages stay there
        if (row.problem || !row.game || table.dataset.most === undefined || known.size >= Number(table.dataset.most)) { return; }
        found = newRow(table, row);
        known.set(row.id, found);
      }
      if (!found.querySelector("[data-field]")) { return; }
      var cells = { score: row.score, decisions: number(row.decisions), outcome: row.outcome || "not over", unusable: row.unusable || "–", faults: row.faults || "–", tokens: number(row.tokens), latency: row.latency === null ? "–" : row.latency.toFixed(2) + " s" };
      Object.keys(cells).forEach(function (field) {
        var cell = found.querySelector("[data-field=" + field + "]");
        if (cell && cell.textContent !== String(cells[field])) { cell.textContent = cells[field]; }
      });
    });
  }
  function newRow(table, row) {
    var made = element("tr");
    made.dataset.record = row.id;
    var name = element("th", "", row.game);
    name.scope = "row";
    made.append(name, element("td", "number", row.seed), element("td", "", row.names.join(" – ")));
    [["score", "number"], ["decisions", "number"], ["outcome", ""], ["unusable", ""], ["faults", "number"], ["tokens", "number"], ["latency", "number"]].forEach(function (field) {
      var cell = element("td", field[1]);
      cell.dataset.field = field[0];
      made.append(cell);
    });
    var watch = element("td"), link = element("a", "", "watch");
    link.href = root + row.to;
    watch.append(link);
    made.append(watch);
    table.tBodies[0].append(made);
    return made;
  }
  function standings(told) {
    var table = document.getElementById("standings");
    if (!table) { return; }
    var ends = [];
    told.rows.forEach(function (row) { if (row.rating !== null) { ends.push(row.rating); row.ci95.forEach(function (end) { if (end !== null) { ends.push(end); } }); } });
    var low = Math.min.apply(null, ends), high = Math.max.apply(null, ends);
    if (low === high) { low -= 1; high += 1; }
    var body = element("tbody");
    told.rows.forEach(function (row) {
      var line = element("tr"), name = element("th", "", row.name), interval = element("td", "plain");
      name.scope = "row";
      if (row.rating !== null) {
        interval.append(drawn(row, low, high), element("span", "ends", endsOf(row.ci95)));
      }
      line.append(element("td", "number", row.rank ? (row.rank[0] === row.rank[1] ? row.rank[0] : row.rank[0] + "–" + row.rank[1]) : "–"), name, element("td", "number", number(row.rating, 0)), interval, element("td", "number", row.wins), element("td", "number", row.draws), element("td", "number", row.losses));
      body.append(line);
    });
    table.tBodies[0].replaceWith(body);
  }
  function endsOf(ends) {
    if (ends[0] === null && ends[1] === null) { return ""; }
    if (ends[0] === null) { return "≤ " + number(ends[1], 0); }
    if (ends[1] === null) { return "≥ " + number(ends[0], 0); }
    return number(ends[0], 0) + " to " + number(ends[1], 0);
  }
  function shape(name, attributes) {
    var made = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.keys(attributes).forEach(function (key) { made.setAttribute(key, attributes[key]); });
    return made;
  }
  function drawn(row, low, high) { // as the server draws them
    var width = 140, margin = 14, tip = 2, at = function (value) { return margin + (value - low) / (high - low) * (width - 2 * margin); };
    var picture = shape("svg", { "class": "interval", viewBox: "0 0 140 18", width: width, height: 18, "aria-hidden": "true" });
    var left = row.ci95[0] === null ? tip : at(row.ci95[0]), right = row.ci95[1] === null ? width - tip : at(row.ci95[1]);
    [[row.ci95[0], left, -5], [row.ci95[1], right, 5]].forEach(function (end) {
      if (end[0] !== null) { picture.append(shape("line", { "class": "span", x1: end[1], x2: end[1], y1: 5, y2: 13 })); return; }
      [5, 13].forEach(function (y) { picture.append(shape("line", { "class": "span", x1: end[1] - end[2], x2: end[1], y1: y, y2: 9 })); });
    });
    picture.append(shape("line", { "class": "span", x1: left, x2: right, y1: 9, y2: 9 }), shape("circle", { "class": "point", cx: at(row.rating), cy: 9, r: 3.5 }));
    return picture;
  }
  connect(live.dataset.events, "folder", function (told) {
    set("finished", number(told.finished));
    set("begun", number(told.begun));
    set("state", told.state);
    document.getElementById("state").className = "state " + told.state.replace(/ /g, "-");
    var progress = document.getElementById("progress");
    if (progress) { progress.value = told.finished; }
    boards(told.boards);
    rows(told.rows);
    if (told.standings) { standings(told.standings); }
  });
})();
