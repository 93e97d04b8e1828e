// The player: one record, or two side by side, decision by decision. All words in it come from models and servers, and
// are only ever set as text.
(function () {
  "use strict";
  var player = document.getElementById("player");
  var root = player.dataset.root;
  var NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
  var BASE = 700; // milliseconds a decision at speed 1
  var KEPT = 24; // parts of a record that are kept
  var RETRY = 2000; // milliseconds until a part that couldn't be loaded is asked for again; twice as many each time
  var tracks = [], order = [], length = 0, at = 0, timer = 0, playing = false, chart = null, wanted = "";

  // ---- What scripts from the server or the disk hand over.
  window.lmgame = {
    track: function (index) {
      var track = find(index.id);
      if (!track) { return; }
      var before = track.index;
      track.index = index;
      if (before && before.n !== index.n) { // a record that has grown: the last part is another one now
        delete track.parts[Math.floor(before.n / index.part)];
        delete track.asked[Math.floor(before.n / index.part)];
      }
      if (before && before.n > index.n) { track.parts = {}; track.asked = {}; } // begun anew
      ready();
    },
    part: function (id, number, part) {
      var track = find(id);
      if (!track) { return; }
      track.parts[number] = part;
      delete track.failed[number];
      var frame = "";
      (part.frames || []).forEach(function (uri, at) { frame = part.frames[at] = uri || frame; });
      forget(track, number);
      show();
    }
  };
  function find(id) { return tracks.filter(function (track) { return track.id === id; })[0]; }
  function forget(track, newest) {
    var numbers = Object.keys(track.parts).map(Number);
    if (numbers.length <= KEPT) { return; }
    var here = partAt(track, at);
    numbers.sort(function (one, other) { return Math.abs(other - here) - Math.abs(one - here); });
    var gone = numbers[0] === newest ? numbers[1] : numbers[0];
    delete track.parts[gone];
    delete track.asked[gone];
  }
  function load(address, failed) {
    var script = document.createElement("script");
    script.src = address;
    script.onload = function () { script.remove(); };
    script.onerror = function () { script.remove(); failed(); };
    document.head.appendChild(script);
  }
  function folder(track) { return root + "runs/" + track.id.split("/").map(encodeURIComponent).join("/") + "/"; }
  function ask(track, number) {
    if (number < 0 || number >= track.index.parts || track.asked[number]) { return; }
    track.asked[number] = true;
    load(folder(track) + "part-" + number + ".js?n=" + track.index.n, function () {
      var times = track.failed[number] = (track.failed[number] || 0) + 1;
      setTimeout(function () { track.asked[number] = false; show(); }, Math.min(RETRY * Math.pow(2, times - 1), 60000));
      show();
    });
  }
  function partAt(track, moment) { return Math.floor(Math.min(moment, track.index.n) / track.index.part); }

  // ---- Which records, and which moment: from the page, or from the address behind the "#".
  function fromHash() {
    var hash = "";
    try { hash = decodeURIComponent(location.hash.slice(1)); } catch (error) { /* then it names nothing */ }
    if (player.dataset.tracks) { return { ids: [player.dataset.tracks], moment: hash.replace(/^@/, "") }; }
    var parts = hash.split("@");
    return { ids: parts[0].split("+"), moment: parts[1] || "" };
  }
  function begin() {
    var asked = fromHash();
    var good = asked.ids.length <= 2 && asked.ids.every(function (id) {
      var names = id.split("/");
      return names.length === 2 && names.every(function (name) { return NAME.test(name) && name.indexOf("..") < 0; });
    });
    if (!good) { say("This address names no match. Follow a link from a model's page."); return; }
    wanted = asked.moment;
    tracks = asked.ids.map(function (id) { return { id: id, index: null, parts: {}, asked: {}, failed: {} }; });
    order = tracks.slice();
    tracks.forEach(function (track) {
      load(folder(track) + "data.js", function () { say("The record " + track.id + " isn't here. It may have been moved, deleted, or left out of this copy."); });
    });
  }
  function say(text) {
    var status = document.getElementById("status");
    status.textContent = text;
    status.hidden = !text;
  }

  // ---- What the sides are: players, each with a track and, in a shared game, a seat.
  var sides = [];
  function ready() {
    if (!tracks.every(function (track) { return track.index; })) { return; }
    var first = !sides.length;
    var before = length;
    length = Math.max.apply(null, tracks.map(function (track) { return track.index.n; }));
    if (first) { build(); }
    document.getElementById("scrubber").max = length;
    if (first) {
      say("");
      seek(moment(wanted), true);
    } else if (at === before) {
      seek(length, true); // who looks at the newest decision sees the next one too
    } else { show(); }
    drawLine();
    var state = document.getElementById("so-far"), index = tracks[0].index;
    if (state) { // the page was made when there were fewer decisions
      state.textContent = (index.outcome ? "Ended: " + index.outcome.replace(/_/g, " ") + ", " : "Not over: ") + "score " + (index.shared ? [0, 1] : [0]).map(function (seat) { return number(scoreAt({ track: tracks[0], seat: seat }, index.n)); }).join(" : ") + " after " + length.toLocaleString("en") + " decisions.";
    }
  }
  function moment(word) {
    if (word === "decisive") { return decisive(); }
    if (word === "end") { return length; }
    var number = parseInt(word, 10);
    return number >= 0 ? Math.min(number, length) : 0;
  }
  function element(name, className, text) {
    var made = document.createElement(name);
    if (className) { made.className = className; }
    if (text !== undefined) { made.textContent = text; }
    return made;
  }
  function build() {
    var place = document.getElementById("sides");
    tracks.forEach(function (track) {
      track.screen = element("figure", "screen");
      track.image = element("img");
      track.image.alt = "";
      track.caption = element("figcaption");
      track.screen.append(track.image, track.caption);
    });
    if (tracks.length === 1 && tracks[0].index.shared) {
      place.classList.add("shared");
      place.append(tracks[0].screen);
      tracks[0].index.names.forEach(function (name, seat) { place.append(side(tracks[0], seat, name)); });
    } else {
      tracks.forEach(function (track) {
        var column = side(track, 0, track.index.names[0]);
        column.insertBefore(track.screen, column.children[1]);
        place.append(column);
      });
      if (tracks.length === 1) { place.classList.add("alone"); }
    }
    if (!player.dataset.tracks) { describe(); }
  }
  function side(track, seat, name) {
    var made = { track: track, seat: seat, name: name };
    var column = element("section", "side");
    made.column = column;
    made.heading = element("h2");
    var called = element("span", "", name);
    if (track.index.shared) { called.append(" ", element("small", "", seat ? "second" : "first")); }
    made.heading.append(called);
    made.score = element("output", "score");
    made.heading.append(made.score);
    made.answer = element("div", "answer");
    made.verdict = element("p", "verdict");
    made.moves = element("p", "moves");
    made.problem = element("p", "problem");
    made.figures = element("p", "figures");
    made.fault = element("p", "problem");
    made.thought = words("Thought");
    made.raw = words("Raw answer");
    made.text = words("Text view");
    made.more = element("p", "note");
    made.raw.box.open = true;
    made.text.box.open = !track.index.shared;
    made.answer.append(made.verdict, made.moves, made.problem, made.fault, made.figures, made.thought.box, made.raw.box, made.more, made.text.box);
    column.append(made.heading, made.answer);
    sides.push(made);
    return column;
  }
  function words(title) {
    var box = element("details", "words"), text = element("pre");
    text.tabIndex = 0;
    box.append(element("summary", "", title), text);
    return { box: box, text: text };
  }
  function describe() {
    var one = tracks[0].index, other = tracks[1] && tracks[1].index;
    var names = sides.map(function (side) { return side.name; });
    document.getElementById("title").textContent = names.join(" against ");
    document.title = names.join(" against ") + " · lmgame";
    var crumbs = document.getElementById("crumbs");
    sides.forEach(function (side, number_) {
      var link = element("a", "", "The game of " + side.name + " alone");
      link.href = root + "runs/" + side.track.id.split("/").map(encodeURIComponent).join("/") + ".html";
      crumbs.append(number_ ? " · " : "", link);
    });
    var told = one.game + "/" + one.preset + ", seed " + one.seed + ". ";
    if (other && (one.game !== other.game || one.preset !== other.preset || one.seed !== other.seed)) { told = "These two are of different games or seeds. "; }
    sides.forEach(function (side) { side.final = final(side); });
    if (other && one.outcome && other.outcome) {
      var lead = sides[0].final - sides[1].final;
      told += lead === 0 ? "Drawn at " + number(sides[0].final) + "." : names[lead > 0 ? 0 : 1] + " won, " + number(Math.max(sides[0].final, sides[1].final)) + " to " + number(Math.min(sides[0].final, sides[1].final)) + ".";
      told += " Both are shown decision by decision.";
    }
    document.getElementById("lead").textContent = told;
  }

  // ---- What is known of a side at a moment.
  function mine(side, index) { var seats = side.track.index.seat; return !seats || seats[index] === side.seat; }
  function latest(side, moment) { // its decision at that moment, or its last one before; -1 where there is none
    var index = side.track.index;
    if (moment < index.n && mine(side, moment)) { return moment; }
    for (var at = Math.min(moment, index.n) - 1; at >= 0; at--) { if (mine(side, at)) { return at; } }
    return -1;
  }
  function final(side) {
    var index = side.track.index;
    return index.scores ? index.scores[side.seat] : scoreAt(side, index.n);
  }
  function scoreAt(side, moment) { // before the decision of that moment
    var index = side.track.index;
    if (moment >= index.n && index.scores) { return index.scores[side.seat]; }
    if (index.standing) { return moment > 0 ? index.standing[Math.min(moment, index.n) - 1][side.seat] : 0; }
    for (var at = Math.min(moment, index.n) - 1; at >= 0; at--) { if (mine(side, at)) { return index.score[at]; } }
    return 0;
  }
  function decisive() {
    var ended = Math.max(0, length - 1);
    if (sides.length < 2) { return ended; }
    var lead = final(sides[0]) - final(sides[1]);
    if (lead === 0) { return ended; }
    var loser = sides[lead > 0 ? 1 : 0], winner = sides[lead > 0 ? 0 : 1];
    var here = length;
    while (here > 0 && scoreAt(loser, here) < scoreAt(winner, here)) { here--; }
    var last = -1; // the loser's own last decision
    for (var index = loser.track.index.n - 1; index >= 0 && last < 0; index--) { if (mine(loser, index)) { last = index; } }
    // Behind since before anything happened, or ahead until its own end: then its last decision is what lost.
    if (loser.track !== winner.track) { return Math.max(0, Math.min(here, last)); }
    return here >= length - 1 ? ended : here;
  }

  function turningPoint() { // what there is to say of this moment, if it is the decisive one
    if (sides.length < 2 || at !== decisive() || !tracks.every(function (track) { return track.index.outcome; })) { return ""; }
    var lead = final(sides[0]) - final(sides[1]);
    if (lead === 0) { return ""; }
    var loser = sides[lead > 0 ? 1 : 0], winner = sides[lead > 0 ? 0 : 1];
    if (loser.track !== winner.track && at === loser.track.index.n - 1) { return ": the last one of " + loser.name; }
    return at >= length - 1 ? ": the last one" : ": from here on " + winner.name + " stays ahead";
  }

  // ---- Showing a moment.
  function number(value) {
    if (value === null || value === undefined) { return "–"; }
    return (Math.round(value * 1000) / 1000).toLocaleString("en").replace("-", "−");
  }
  function show() {
    if (!sides.length) { return; }
    tracks.forEach(function (track) {
      var moment = Math.min(at, track.index.n), here = partAt(track, moment);
      ask(track, here);
      ask(track, here + 1);
      if (playing) { ask(track, here + 2); }
      var part = track.parts[here], offset = moment - here * track.index.part;
      var frame = part && part.frames && part.frames[offset];
      track.screen.classList.toggle("waiting", !frame);
      if (frame) {
        if (track.image.src !== frame) { track.image.src = frame; }
        track.image.alt = "The board before decision " + moment;
      }
      var caption = moment < track.index.n ? "decision " + moment + " of " + track.index.n : track.index.outcome ? "ended: " + track.index.outcome.replace(/_/g, " ") : "as it stands now";
      if (part && part.seconds && part.seconds[offset] !== undefined && part.seconds[offset] > 0) { caption += " · " + number(part.seconds[offset]) + " s of the game"; }
      if (!frame) { caption = part ? (part.unseen ? "This can't be drawn: " + part.unseen : "This copy has no frames of it.") : track.failed[here] ? "This part couldn't be loaded." : "Drawing …"; }
      track.caption.textContent = caption;
    });
    sides.forEach(showSide);
    document.getElementById("scrubber").value = at;
    document.getElementById("moment").textContent = "decision " + at.toLocaleString("en") + " of " + length.toLocaleString("en") + turningPoint();
    drawCursor();
  }
  function fill(words, text) {
    words.box.hidden = !text;
    if (words.text.textContent !== (text || "")) { words.text.textContent = text || ""; }
  }
  function showSide(side) {
    var track = side.track, index = track.index, here = latest(side, at);
    var now = here === Math.min(at, index.n - 1) && at < index.n && mine(side, here);
    var over = at >= index.n;
    side.column.classList.toggle("to-move", !!index.seat && now);
    side.score.textContent = number(scoreAt(side, at)); // as the board beside it has it
    side.answer.hidden = here < 0;
    if (here < 0) { return; }
    var number_ = Math.floor(here / index.part), part = track.parts[number_], offset = here - number_ * index.part;
    ask(track, number_);
    var verdict = index.verdict[here];
    side.verdict.textContent = (over ? "Last answer" : index.seat && !now ? "Answer before" : "Answer") + ", decision " + here + ": " + verdict;
    side.verdict.classList.toggle("bad", verdict !== "ok");
    side.moves.textContent = index.moves[here] || "no moves";
    var score = index.score[here], before = scoreBefore(side, here);
    var figures = [];
    if (!index.seat) { figures.push("score " + number(before) + " → " + number(score)); }
    if (index.latency[here]) { figures.push(number(index.latency[here]) + " s" + (index.first[here] !== null && index.first[here] !== undefined ? ", first token after " + number(index.first[here]) + " s" : "")); }
    if (index.prompt[here] !== null && index.prompt[here] !== undefined) { figures.push(number(index.prompt[here]) + " prompt" + (index.cached[here] ? " (" + number(index.cached[here]) + " cached)" : "") + " + " + number(index.completion[here]) + " answer tokens" + (index.reasoning[here] ? " (" + number(index.reasoning[here]) + " reasoning)" : "")); }
    if (index.cost[here]) { figures.push("$" + index.cost[here].toPrecision(3)); }
    if (index.waited[here]) { figures.push(number(index.waited[here]) + " frames went by while it thought"); }
    side.figures.textContent = figures.join(" · ");
    var faults = index.faults.filter(function (fault) { return fault.index === here && (!index.seat || fault.seat === side.seat); });
    side.fault.textContent = faults.map(function (fault) { return "Infrastructure: " + (fault.message || fault.kind); }).join(" ");
    side.problem.textContent = part && part.problem[offset] || "";
    fill(side.thought, part ? part.thought[offset] : "");
    fill(side.raw, part ? part.raw[offset] : "Loading …");
    var seen = index.seat ? here : Math.min(at, index.n), there = track.parts[Math.floor(seen / index.part)];
    fill(side.text, there && there.texts ? there.texts[seen % index.part] : "");
    if (part && part.long[offset]) {
      side.more.textContent = "";
      if (player.dataset.root !== undefined && document.querySelector("meta[http-equiv]") === null) {
        var link = element("a", "", "The whole answer, as text");
        link.href = folder(track) + "words-" + here + ".txt";
        side.more.append(link);
      } else { side.more.textContent = "The whole answer stands in the record."; }
    }
    side.more.hidden = !(part && part.long[offset]);
  }
  function scoreBefore(side, here) { return scoreAt(side, here); }

  // ---- Moving.
  function seek(moment, quiet) {
    at = Math.max(0, Math.min(length, moment));
    show();
    if (!quiet) { remember(); }
  }
  var remembering = 0;
  function address() {
    var hash = player.dataset.tracks ? "#" + at : "#" + tracks.map(function (track) { return track.id; }).join("+") + "@" + at;
    return location.href.split("#")[0] + hash;
  }
  function remember() { // not at every step: browsers take offence at more than a hundred changes in half a minute
    clearTimeout(remembering);
    remembering = setTimeout(function () { try { history.replaceState(null, "", address()); } catch (error) { /* the link button still works */ } }, 400);
  }
  function pace() { return BASE / Number(document.getElementById("speed").value); }
  function loaded(moment) {
    return tracks.every(function (track) { var here = partAt(track, moment); return track.parts[here] || track.failed[here]; });
  }
  function tick() {
    if (!playing) { return; }
    if (at >= length) { pause(); return; }
    if (loaded(at + 1)) { seek(at + 1); }
    else { tracks.forEach(function (track) { ask(track, partAt(track, at + 1)); }); }
    timer = setTimeout(tick, pace());
  }
  function play() {
    if (at >= length) { seek(0); }
    playing = true;
    button(true);
    clearTimeout(timer);
    timer = setTimeout(tick, pace());
  }
  function pause() {
    playing = false;
    clearTimeout(timer);
    button(false);
  }
  function button(running) {
    var made = document.getElementById("play");
    made.textContent = running ? "⏸ Pause" : "▶ Play";
    made.setAttribute("aria-label", running ? "Pause" : "Play");
  }
  function jump(moment) { pause(); seek(moment); }
  function nextFault() {
    for (var step = 1; step <= length; step++) {
      var moment = (at + step) % (length + 1);
      var bad = tracks.some(function (track) { return moment < track.index.n && track.index.verdict[moment] !== "ok"; });
      if (bad) { jump(moment); return; }
    }
    say("All answers could be used.");
    setTimeout(function () { say(""); }, 3000);
  }
  function copy() {
    var link = address(), told = function () { say("Copied: " + link); setTimeout(function () { say(""); }, 4000); };
    remember();
    if (navigator.clipboard) { navigator.clipboard.writeText(link).then(told, function () { say(link); }); } else { say(link); }
  }
  function faster(step) {
    var speed = document.getElementById("speed");
    speed.selectedIndex = Math.max(0, Math.min(speed.options.length - 1, speed.selectedIndex + step));
  }
  var actions = {
    first: function () { jump(0); }, back: function () { jump(at - 1); }, on: function () { jump(at + 1); },
    last: function () { jump(length); }, play: function () { if (playing) { pause(); } else { play(); } },
    decisive: function () { jump(decisive()); }, fault: nextFault, link: copy
  };
  Object.keys(actions).forEach(function (id) { document.getElementById(id).addEventListener("click", actions[id]); });
  document.getElementById("speed").addEventListener("change", function (event) { event.target.blur(); }); // arrows are the player's again
  document.getElementById("scrubber").addEventListener("input", function (event) { pause(); seek(Number(event.target.value)); });
  var keys = {
    " ": actions.play, ArrowLeft: actions.back, ArrowRight: actions.on, Home: actions.first, End: actions.last,
    PageUp: function () { jump(at - 10); }, PageDown: function () { jump(at + 10); },
    "+": function () { faster(1); }, "=": function () { faster(1); }, "-": function () { faster(-1); },
    d: actions.decisive, f: actions.fault, c: actions.link, k: actions.play
  };
  document.addEventListener("keydown", function (event) {
    var target = event.target, name = target.tagName;
    if (event.ctrlKey || event.metaKey || event.altKey || !sides.length) { return; }
    if (name === "SELECT" || name === "TEXTAREA" || (name === "INPUT" && target.type !== "range")) { return; }
    if ((name === "BUTTON" || name === "SUMMARY" || name === "A") && (event.key === " " || event.key === "Enter")) { return; }
    if (name === "PRE" && /^(Arrow|Page|Home|End)/.test(event.key)) { return; } // somebody reads a long answer
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
  addEventListener("hashchange", function () {
    var asked = fromHash();
    if (asked.ids.join("+") !== tracks.map(function (track) { return track.id; }).join("+")) { location.reload(); return; }
    pause();
    seek(moment(asked.moment), true);
  });

  // ---- The line of scores.
  var lineTop = 12;
  function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function drawLine() {
    if (!window.echarts) { return; } // it comes after this script, so that boards needn't wait for it
    var place = document.getElementById("line");
    if (chart) { chart.dispose(); }
    chart = echarts.init(place, null, { renderer: "svg" });
    var colours = [colour("--accent"), colour("--second")];
    var series = sides.map(function (side, number_) {
      var points = [];
      for (var moment = 0; moment <= side.track.index.n; moment++) { points.push([moment, scoreAt(side, moment)]); }
      return {
        type: "line", step: "end", name: side.name, data: points, symbol: "none", sampling: "lttb", silent: true,
        lineStyle: { color: colours[number_], width: 2, type: number_ ? "dashed" : "solid" }, itemStyle: { color: colours[number_] }
      };
    });
    var bad = [];
    sides.forEach(function (side) {
      side.track.index.verdict.forEach(function (verdict, moment) {
        if (verdict !== "ok" && mine(side, moment) && bad.length < 2000) { bad.push([moment, scoreAt(side, moment)]); }
      });
    });
    if (bad.length) { series.push({ type: "scatter", name: "unusable answer", data: bad, symbol: "diamond", symbolSize: 8, itemStyle: { color: colour("--bad") }, silent: true }); }
    lineTop = sides.length > 1 || bad.length ? 28 : 12; // below the legend
    chart.setOption({
      animation: false, textStyle: { fontFamily: "inherit" },
      legend: { show: lineTop > 12, textStyle: { color: colour("--soft") }, top: 0, selectedMode: false },
      grid: { left: 8, right: 16, top: lineTop, bottom: 22, containLabel: true },
      xAxis: { type: "value", min: 0, max: Math.max(1, length), name: "decision", nameLocation: "middle", nameGap: 22, nameTextStyle: { color: colour("--soft") }, axisLabel: { color: colour("--soft") }, splitLine: { show: false }, axisLine: { lineStyle: { color: colour("--line") } } },
      yAxis: { type: "value", scale: true, axisLabel: { color: colour("--soft") }, splitLine: { lineStyle: { color: colour("--line") } } },
      series: series
    });
    drawCursor();
    chart.getZr().on("click", function (event) {
      if (!chart.containPixel("grid", [event.offsetX, event.offsetY])) { return; }
      jump(Math.round(chart.convertFromPixel("grid", [event.offsetX, event.offsetY])[0]));
    });
    chart.getZr().setCursorStyle("pointer");
  }
  function drawCursor() {
    if (!chart) { return; }
    chart.setOption({ graphic: cursor() });
  }
  function cursor() {
    var x = chart.convertToPixel("grid", [at, 0]), height = chart.getHeight();
    if (!x || !isFinite(x[0])) { return []; }
    return [{ id: "cursor", type: "line", silent: true, shape: { x1: x[0], x2: x[0], y1: lineTop, y2: height - 36 }, style: { stroke: colour("--text"), lineWidth: 1.5 } }];
  }
  addEventListener("load", function () { if (sides.length) { drawLine(); } });
  document.addEventListener("theme", function () { if (sides.length) { drawLine(); } });
  var resizing = 0;
  addEventListener("resize", function () { clearTimeout(resizing); resizing = setTimeout(function () { if (sides.length) { drawLine(); } }, 150); });

  // ---- A game that is still played.
  var stream = null;
  function follow() {
    if (!player.dataset.events || stream || document.hidden) { return; }
    var known = tracks[0] && tracks[0].index ? tracks[0].index.n : -1;
    stream = new EventSource(player.dataset.events + "?known=" + known);
    stream.addEventListener("record", function (event) {
      var told = JSON.parse(event.data), track = tracks[0];
      if (told.over) { player.removeAttribute("data-events"); unfollow(); }
      if (track.index && (track.index.n !== told.decisions || told.over)) {
        load(folder(track) + "data.js?n=" + told.decisions + (told.over ? "-over" : ""), function () { /* the next event tries again */ });
      }
    });
  }
  function unfollow() { if (stream) { stream.close(); stream = null; } }
  document.addEventListener("visibilitychange", function () { if (document.hidden) { unfollow(); } else { follow(); } });
  begin();
  if (tracks.length) { follow(); }
})();
