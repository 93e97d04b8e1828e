// The leaderboard's charts, from the numbers that stand in the page.
(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("charts").textContent);
  var root = document.querySelector(".brand").getAttribute("href").replace(/index\.html$/, "");
  var made = [];

  function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function chart(id, height) {
    var place = document.getElementById(id);
    if (!place) { return null; }
    if (height) { place.style.height = height + "px"; }
    var drawn = echarts.init(place, null, { renderer: "svg" });
    made.push(drawn);
    return drawn;
  }
  function base() {
    return {
      animation: false,
      textStyle: { fontFamily: "inherit", color: colour("--text") },
      tooltip: { renderMode: "richText", confine: true, backgroundColor: colour("--panel"), borderColor: colour("--line"), textStyle: { color: colour("--text") } }
    };
  }
  function axis(more) {
    return Object.assign({
      axisLine: { lineStyle: { color: colour("--line") } }, axisTick: { show: false },
      axisLabel: { color: colour("--soft"), hideOverlap: true }, splitLine: { lineStyle: { color: colour("--line") } },
      nameTextStyle: { color: colour("--soft") }
    }, more);
  }
  function short(name, length) { return name.length > length ? name.slice(0, length - 1) + "…" : name; }
  function round(value) { return (Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))).toLocaleString("en").replace("-", "−"); }

  function numbers(narrow) { // of an axis: few and short where there is little room
    return {
      splitNumber: narrow ? 3 : 5,
      axisLabel: { color: colour("--soft"), hideOverlap: true, formatter: function (value) { return value.toLocaleString("en", narrow && Math.abs(value) >= 10000 ? { notation: "compact" } : { maximumFractionDigits: 6 }).replace("-", "−"); } }
    };
  }
  // Rows for labels that are centred at these pixels, so that those of one row don't lie on top of each other.
  function rowsOf(places, names) {
    var rows = [], ends = [];
    places.map(function (place, index) { return index; }).sort(function (one, other) { return places[one] - places[other]; }).forEach(function (index) {
      var half = 3.6 * names[index].length + 4, row = 0;
      while (ends[row] > places[index] - half) { row += 1; }
      ends[row] = places[index] + half;
      rows[index] = row;
    });
    return rows;
  }

  function matrix() {
    var found = data.matrix, count = found.players.length;
    if (count < 2) { return; }
    var drawn = chart("matrix", Math.min(900, 90 + 34 * count));
    if (!drawn) { return; }
    var narrow = drawn.getWidth() < 560, length = narrow ? 10 : 22;
    var names = found.players.map(function (name) { return short(name, length); });
    drawn.setOption(Object.assign(base(), {
      grid: { left: 8, right: 8, top: 8, bottom: 8, containLabel: true },
      xAxis: axis({ type: "category", data: names, position: "top", axisLine: { show: false }, splitLine: { show: false }, axisLabel: { color: colour("--soft"), rotate: count > 6 || narrow ? 40 : 0, interval: 0 } }),
      yAxis: axis({ type: "category", data: names, inverse: true, axisLine: { show: false }, splitLine: { show: false }, axisLabel: { color: colour("--soft"), interval: 0 } }),
      visualMap: { show: false, min: 0, max: 1, dimension: 2, inRange: { color: [colour("--low"), colour("--middle"), colour("--high")] } },
      tooltip: Object.assign(base().tooltip, {
        formatter: function (item) {
          var cell = item.value;
          return found.players[cell[1]] + " takes " + Math.round(100 * cell[2]) + " % of the points\nfrom " + found.players[cell[0]] + " (" + cell[3] + " matches)";
        }
      }),
      series: [{
        type: "heatmap", cursor: "pointer",
        data: found.cells.map(function (cell) { return [cell[1], cell[0], cell[2], cell[3]]; }),
        label: { show: count <= 16 && !(narrow && count > 6), color: colour("--on-heat"), formatter: function (item) { return Math.round(100 * item.value[2]) + (count <= 10 && !narrow ? " %" : ""); } },
        itemStyle: { borderColor: colour("--paper"), borderWidth: 2 },
        emphasis: { itemStyle: { borderColor: colour("--accent") } }
      }]
    }));
    drawn.on("click", function (item) {
      var to = found.links[item.value[1] + "," + item.value[0]];
      if (to) { location.href = root + to; }
    });
  }

  function scores() {
    var found = data.scores;
    if (!found || !found.players.length) { return; }
    var drawn = chart("scores", 70 + 36 * found.players.length);
    if (!drawn) { return; }
    var narrow = drawn.getWidth() < 560;
    var points = [];
    found.points.forEach(function (values, row) { values.forEach(function (value) { points.push([value, row]); }); });
    var all = found.boxes.reduce(function (values, box) { return values.concat([box[0], box[4]]); }, found.baselines.map(function (line) { return line.mean; }));
    var least = Math.min.apply(null, all), most = Math.max.apply(null, all), logarithmic = least > 0 && most / least > 100;
    var names = found.baselines.map(function (line) { return short(line.name, narrow ? 12 : 26); }), rows = [];
    function lines() {
      return found.baselines.map(function (line, index) {
        return { name: line.name, xAxis: line.mean, value: line.mean, label: { formatter: names[index], color: colour("--soft"), position: "start", distance: 5 + 14 * (rows[index] || 0) } };
      });
    }
    drawn.setOption(Object.assign(base(), {
      grid: { left: 8, right: 44, top: 30, bottom: 30, containLabel: true },
      xAxis: axis(Object.assign({ type: logarithmic ? "log" : "value", name: logarithmic ? "score (logarithmic)" : "score", nameLocation: "middle", nameGap: 26, scale: true }, numbers(narrow))),
      yAxis: axis({ type: "category", inverse: true, data: found.players.map(function (name, row) { return short(name, narrow ? 12 : 26) + " (" + found.n[row] + ")"; }) }),
      series: [
        {
          type: "boxplot", data: found.boxes, itemStyle: { color: colour("--box"), borderColor: colour("--accent") },
          markLine: {
            silent: false, symbol: "none", lineStyle: { type: "dashed", color: colour("--soft"), width: 1.5 },
            data: lines(),
            tooltip: { formatter: function (item) { return item.name + ", a reference player\nmean " + round(found.baselines[item.dataIndex].mean); } }
          },
          tooltip: { formatter: function (item) { var box = item.value; return found.players[item.dataIndex] + "\nleast " + round(box[1]) + ", median " + round(box[3]) + ", most " + round(box[5]); } }
        },
        { type: "scatter", data: points, symbolSize: 5, itemStyle: { color: colour("--accent"), opacity: 0.55 }, silent: true }
      ]
    }));
    // Where the lines stand is known once they are drawn.
    rows = rowsOf(found.baselines.map(function (line) { return drawn.convertToPixel({ xAxisIndex: 0 }, line.mean); }), names);
    var last = Math.max.apply(null, rows.concat(0));
    if (last) { drawn.setOption({ grid: { top: 30 + 14 * last }, series: [{ type: "boxplot", markLine: { data: lines() } }] }); }
  }

  function costs() {
    var found = data.costs;
    if (found.points.length < 2) { return; }
    found.kinds.forEach(function (kind) {
      var drawn = chart("costs-" + kind, 280);
      if (!drawn) { return; }
      var points = found.points.filter(function (point) { return point[kind] !== null; });
      var logarithmic = points.every(function (point) { return point[kind] > 0; });
      var what = { tokens: "tokens a game", cost: "US dollars a game", latency: "seconds an answer" }[kind];
      drawn.setOption(Object.assign(base(), {
        grid: { left: 8, right: 30, top: 16, bottom: 30, containLabel: true },
        xAxis: axis(Object.assign({ type: logarithmic ? "log" : "value", name: what + (logarithmic ? " (logarithmic)" : ""), nameLocation: "middle", nameGap: 26, scale: true }, numbers(drawn.getWidth() < 560))),
        yAxis: axis(Object.assign({ type: "value", scale: true }, numbers(false))),
        tooltip: Object.assign(base().tooltip, { formatter: function (item) { var point = points[item.dataIndex]; return point.name + "\n" + round(point.value) + ", " + round(point[kind]) + (kind === "latency" ? " s" : kind === "cost" ? " $" : " tokens"); } }),
        series: [{
          type: "scatter", symbolSize: 9, itemStyle: { color: colour("--accent") },
          data: points.map(function (point) { return { value: [point[kind], point.value], name: point.name }; }),
          label: { show: points.length <= 12, position: "right", color: colour("--text"), formatter: function (item) { return short(item.name, 18); } },
          labelLayout: { hideOverlap: true }
        }]
      }));
    });
  }

  function draw() {
    made.forEach(function (drawn) { drawn.dispose(); });
    made = [];
    matrix();
    scores();
    costs();
  }
  draw();
  document.addEventListener("theme", draw);
  var waiting = 0;
  addEventListener("resize", function () { clearTimeout(waiting); waiting = setTimeout(draw, 150); });
})();
