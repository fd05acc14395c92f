// The explorer's page. What it reads, and how bytes are packed, is said in explorer/__init__.py and explorer/packing.py.
(() => {
  "use strict";

  const run = JSON.parse(document.getElementById("run").textContent);
  // What charts have a line of, by its place: what is compared, recipes among it, and then each seed of these.
  const { curves } = run;
  const compared = [...curves.keys()].filter((curve) => curves[curve].recipe == null);
  const ROW = 68; // the height of a line of the list, as in page.css
  const at = (id) => document.getElementById(id);
  const state = { value: run.value, task: null, measure: 0, layer: 0, pair: null, shadeBy: 0, at: 0, seeds: {} };
  const hidden = { task: new Set(), measure: new Set() };
  let [verdict, claimed] = ["", ""]; // the panels that have this verdict, on this claim

  // Small helpers. Text goes into the page as text, never as markup: words of data may look like it.

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name.startsWith("--")) element.style.setProperty(name, value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value != null) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child != null));
    return element;
  }
  const trouble = (words) => { at("trouble").hidden = false; at("trouble").textContent = words; };
  const say = (words) => { at("live").textContent = words; };
  // Words from right to left, in a line from left to right: apart from what stands beside them, in their own direction.
  const isolated = (words) => (/[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/.test(words) ? `\u2068${words}\u2069` : words);
  const plural = (n, one) => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;
  const percent = (share) => (Number.isNaN(share) ? "–" : `${(100 * share).toFixed(1)}\u00a0%`);
  const lower = (label) => label.toLowerCase();
  // plotly.js takes some markup in texts.
  const escaped = (text) => text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);

  // Blocks: found in the page once it is there as a whole, inflated, kept.

  const loaded = new Promise((resolve) => {
    if (document.readyState !== "loading") resolve();
    else document.addEventListener("DOMContentLoaded", resolve);
  });
  const kept = new Map();

  async function inflate(id) {
    if (!at(id)) await loaded;
    try {
      const bytes = Uint8Array.from(atob(at(id).textContent), (c) => c.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
      return await new Response(stream).arrayBuffer();
    } catch (error) {
      trouble(`The part ${id} of this page cannot be read (${error.message}). Was the file cut off, or is the `
        + "browser older than 2024? Ask for the file again where you have it from.");
      return new Promise(() => {}); // nothing that needs it is shown
    }
  }
  function block(id, read) {
    if (!kept.has(id)) kept.set(id, inflate(id).then(read));
    return kept.get(id);
  }
  const json = (buffer) => JSON.parse(new TextDecoder().decode(buffer));
  const texts = () => block("texts", json);
  const pairsOf = (task) => block(`pairs-${task}`, (buffer) => json(buffer).map((row, i) => pairOf(task, row, i)));

  function pairOf(task, [example, known, ...rest], place) {
    const one = { task, place, example, known: [...known].map((digit) => digit === "1") };
    if (Array.isArray(rest[0])) return { ...one, sentence: rest[0], answer: rest[1] };
    return { ...one, side: rest[0], anchor: rest[1], match: rest[2], id: rest[3] };
  }

  function ranksOf(task) {
    return block(`ranks-${task}`, (buffer) => {
      const numbers = new Uint32Array(buffer);
      const pairs = run.tasks[task].pairs;
      let from = 0;
      const next = () => numbers.subarray(from, (from += pairs));
      return run.checkpoints.map(({ layers }) => {
        const [paraLen, unmatching] = [next(), next()];
        const by = () => [0, 1].map(() => Array.from({ length: layers }, next));
        return { paraLen, unmatching, count: by(), ties: by() };
      });
    });
  }
  const rankOf = (ranks, checkpoint, measure, layer, place) => {
    const of = ranks[checkpoint];
    if (!of.paraLen[place] || layer >= of.count[measure].length) return null;
    return {
      paraLen: of.paraLen[place],
      unmatching: of.unmatching[place],
      count: of.count[measure][layer][place],
      ties: of.ties[measure][layer][place],
    };
  };
  // The mean over a recipe's seeds.
  const shareOf = (ranks, curve, measure, layer, place) => {
    const found = curves[curve].of.map((checkpoint) => rankOf(ranks, checkpoint, measure, layer, place)).filter((rank) => rank?.unmatching);
    return found.reduce((sum, { count, unmatching }) => sum + count / unmatching, 0) / found.length;
  };

  const widthOf = (pair, [, , question, paragraph]) =>
    1 + (pair.sentence ? pair.sentence[1] - pair.sentence[0] : question.length + paragraph.length);

  // The word scores of a pair, for each checkpoint: null, or {words, value(measure, layer, word), code(...), unmatching(...)},
  // and begins, the words at which a swapped anchor begins, with swapped(measure, layer), the share of each.
  // Word -1 is the matching phrase, or the gold position.
  async function scoresOf(pair) {
    const first = Math.floor(pair.place / run.chunk) * run.chunk;
    const [buffer, pairs, examples] = await Promise.all([
      block(`scores-${pair.task}-${first / run.chunk}`, (bytes) => bytes), pairsOf(pair.task), texts(),
    ]);
    const layers = run.checkpoints.map((checkpoint) => checkpoint.layers);
    let from = layers.reduce((sum, count) => sum + 16 * count, 0);
    const beginsAt = (place, width) => {
      const flags = new Uint8Array(buffer, place, width);
      return [...flags.keys()].filter((i) => flags[i] & 2);
    };
    const sizeOf = (c, width) => width * (2 + 2 * layers[c]) + 2 * layers[c] * beginsAt(from, width).length;
    for (const other of pairs.slice(first, pair.place)) {
      const width = widthOf(other, examples[other.example]);
      other.known.forEach((known, c) => { from += known ? sizeOf(c, width) : 0; });
    }
    const width = widthOf(pair, examples[pair.example]);
    let scaleFrom = 0;
    return pair.known.map((known, c) => {
      const scales = new Float32Array(buffer, scaleFrom, 4 * layers[c]);
      scaleFrom += 16 * layers[c];
      if (!known) return null;
      const flags = new Uint8Array(buffer, from, 2 * width);
      const steps = new Uint8Array(buffer, from + 2 * width, 2 * layers[c] * width);
      const begins = beginsAt(from, width).map((i) => i - 1);
      const shares = summed(new Uint8Array(buffer, from + width * (2 + 2 * layers[c]), 2 * layers[c] * begins.length), layers[c], begins.length);
      const swapped = (measure, layer) => begins.map((_, i) => shares[(measure * layers[c] + layer) * begins.length + i] / 255);
      from += sizeOf(c, width);
      return { ...unpacked(flags, summed(steps, layers[c], width), scales, layers[c], width), begins, swapped };
    });
  }
  function summed(steps, layers, width) {
    const codes = new Uint8Array(steps);
    for (let measure = 0; measure < 2; measure++) {
      const start = measure * layers * width;
      for (let i = start + width; i < start + layers * width; i++) codes[i] += codes[i - width];
    }
    return codes;
  }
  function unpacked(flags, codes, scales, layers, width) {
    const code = (measure, layer, word) => codes[(measure * layers + layer) * width + word + 1];
    const value = (measure, layer, word) => {
      const c = code(measure, layer, word);
      const [low, high] = scales.subarray(2 * (measure * layers + layer), 2 * (measure * layers + layer) + 2);
      return c ? low + ((c - 2) / 252) * (high - low) : NaN;
    };
    return { layers, words: width - 1, code, value, unmatching: (measure, word) => (flags[measure * width + word + 1] & 1) === 1 };
  }

  // Looks.

  function isDark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }
  const luminance = (rgb) => rgb
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
  // A checkpoint's colour, moved away from the background until it can be told from it (WCAG 1.4.11: 3 to 1).
  function visible(colour) {
    const ground = isDark() ? [28, 32, 39] : [255, 255, 255];
    const towards = isDark() ? 255 : 0;
    let rgb = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
    const contrast = () => {
      const [one, two] = [luminance(rgb), luminance(ground)].sort((a, b) => b - a);
      return (one + 0.05) / (two + 0.05);
    };
    while (contrast() < 3) rgb = rgb.map((part) => part + 0.1 * (towards - part));
    return `rgb(${rgb.map(Math.round).join(",")})`;
  }
  const DASHES = { solid: "", dash: "7 3", dot: "2 2", dashdot: "6 2 2 2" };
  function swatch({ colour, dash, symbol }) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const add = (tag, attributes) => {
      const shape = document.createElementNS(svg.namespaceURI, tag);
      Object.entries(attributes).forEach(([name, value]) => shape.setAttribute(name, value));
      svg.append(shape);
    };
    const paint = visible(colour);
    Object.entries({ width: 34, height: 14, "aria-hidden": "true" }).forEach(([name, value]) => svg.setAttribute(name, value));
    add("line", { x1: 0, x2: 34, y1: 7, y2: 7, stroke: paint, "stroke-width": 2, "stroke-dasharray": DASHES[dash] });
    const shapes = {
      square: "M13 3h8v8h-8z", "triangle-up": "M17 2l5 9h-10z", diamond: "M17 1.5l5.5 5.5-5.5 5.5-5.5-5.5z",
      "triangle-down": "M17 12l-5-9h10z", cross: "M15 2h4v3h3v4h-3v3h-4v-3h-3v-4h3z", x: "M13 3l8 8m0-8l-8 8",
    };
    if (symbol in shapes) add("path", { d: shapes[symbol], fill: paint, stroke: paint });
    else add("circle", { cx: 17, cy: 7, r: 4.5, fill: paint });
    return svg;
  }
  function inkOf(element) {
    const style = getComputedStyle(element);
    const probe = make("i");
    element.append(probe);
    const colour = (name) => { probe.style.color = `var(${name})`; return getComputedStyle(probe).color; };
    const found = { font: style.fontFamily, ink: colour("--ink"), soft: colour("--soft"), line: colour("--line") };
    probe.remove();
    return found;
  }

  // Charts: lines over the layers. lines: [{curve, label, points: [[layer, value]], detail: [text]}], bounds: [[low, high]]
  // where the line has a band, and its kind, "seed" or "chance", where it is one of these.
  // A chart is one stop of the keyboard; the arrows move its ring, Enter chooses, as a click on a point does.
  // Where checkpoints have different numbers of layers, points stand at their relative depth; all else counts layers.

  function rangeOf(lines) {
    const values = lines.flatMap(({ points, bounds }) => [...points.map(([, value]) => value), ...(bounds ?? []).flat()]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = Math.max(1, 0.08 * (high - low));
    // Specific is in points, the others in percent.
    return state.value === "specific" ? [low - room, high + room] : [Math.max(-4, low - room), Math.min(104, high + room)];
  }
  const lastLayer = (curve) => run.checkpoints[curves[curve].of[0]].layers - 1;
  function bandOf({ curve, points, bounds }, across) {
    const edge = (side) => points.map(([layer], i) => `${across(curve, layer)},${bounds[i][side]}`);
    return { type: "path", path: `M${[...edge(1), ...edge(0).reverse()].join("L")}Z`, fillcolor: visible(curves[curve].colour),
      opacity: isDark() ? 0.3 : 0.18, line: { width: 0 }, layer: "below" };
  }
  class Chart {
    constructor(place, { name, chance, choose, range }) {
      Object.assign(this, { place, name, chance, choose, range, lines: [], line: 0, point: 0 });
      place.classList.add("chart");
      Object.entries({ tabindex: 0, role: "application", "aria-roledescription": "line chart", "aria-label": name,
        "aria-describedby": "chart-keys" }).forEach(([key, value]) => place.setAttribute(key, value));
      this.inner = make("div", { "aria-hidden": "true" });
      place.replaceChildren(this.inner);
      place.addEventListener("keydown", (event) => this.key(event));
      place.addEventListener("focus", () => { if (place.matches(":focus-visible")) { this.mark(); this.tell(); } });
    }
    draw(lines) {
      this.lines = lines;
      const deepest = Math.max(...lines.map(({ curve }) => lastLayer(curve)));
      const relative = lines.some(({ curve }) => lastLayer(curve) !== deepest);
      this.across = (curve, layer) => (relative ? layer / Math.max(1, lastLayer(curve)) : layer);
      const ink = inkOf(document.body);
      const traces = lines.map(({ curve, label, kind, points, detail }) => {
        const { colour, symbol, dash } = curves[curve];
        const paint = visible(colour);
        return {
          x: points.map(([layer]) => this.across(curve, layer)), y: points.map(([, y]) => y), text: detail, customdata: points.map(([layer]) => layer), mode: kind ? "lines" : "lines+markers", name: escaped(label),
          line: { color: paint, dash: { seed: "solid", chance: "dot" }[kind] ?? dash, width: kind ? 1 : 2 }, marker: { color: paint, symbol, size: 7 },
          opacity: kind === "seed" ? 0.6 : 1, hovertemplate: "%{fullData.name}<br>layer %{customdata}: %{text}<extra></extra>", cliponaxis: false,
        };
      });
      traces.push({ x: [], y: [], mode: "markers", hoverinfo: "skip", cliponaxis: false,
        marker: { size: 15, color: "rgba(0,0,0,0)", line: { width: 2.5, color: ink.ink } } });
      const [low, high] = this.range ?? rangeOf(lines);
      const most = Math.max(1, ...lines.flatMap(({ curve, points }) => points.map(([layer]) => this.across(curve, layer))));
      const [step, room] = relative ? [0.25, 0.04] : [Math.ceil(most / 8), 0.4];
      const axis = { fixedrange: true, zeroline: false, tickfont: { size: 11, color: ink.soft }, linecolor: ink.line, automargin: false };
      const layout = {
        margin: { l: 34, r: 10, t: 8, b: 34 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
        font: { family: ink.font, color: ink.ink }, showlegend: false, hovermode: "closest", dragmode: false,
        xaxis: { ...axis, showgrid: false, dtick: step, range: [-room, most + room],
          title: { text: relative ? "Relative depth (layer / last layer)" : "Layer", standoff: 4, font: { size: 11, color: ink.soft } } },
        yaxis: { ...axis, gridcolor: ink.line, nticks: 6, range: [low, high] },
        shapes: [...lines.filter(({ bounds }) => bounds).map((line) => bandOf(line, this.across)),
          ...(!(this.chance >= low && this.chance <= high) ? [] : [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: this.chance, y1: this.chance,
            line: { color: ink.soft, width: 1, dash: "dot" }, layer: "below" }])],
        hoverlabel: { font: { family: ink.font } },
      };
      Plotly.react(this.inner, traces, layout, { displayModeBar: false, responsive: true, doubleClick: false, showTips: false });
      if (!this.listening) {
        this.listening = true;
        this.inner.on("plotly_click", ({ points: [{ curveNumber, pointNumber }] }) => this.pick(curveNumber, pointNumber));
      }
      this.mark(this.marked);
    }
    current() {
      const line = this.lines[this.line];
      return line && { curve: line.curve, label: line.label, layer: line.points[this.point][0], text: line.detail[this.point] };
    }
    pick(line, point) {
      [this.line, this.point] = [line, point];
      this.mark();
      this.choose(this.current());
    }
    // Whether the line has that layer.
    turnTo(curve, layer) {
      this.line = Math.max(0, this.lines.findIndex((line) => line.curve === curve));
      const found = this.lines[this.line].points.findIndex(([x]) => x === layer);
      this.point = Math.max(0, found);
      return found >= 0;
    }
    mark(shown = true) {
      this.marked = shown;
      const line = this.lines[this.line];
      const [x, y] = shown && line ? line.points[this.point] : [];
      Plotly.restyle(this.inner, { x: [x == null ? [] : [this.across(line.curve, x)]], y: [x == null ? [] : [y]] }, [this.lines.length]);
    }
    tell() {
      const now = this.current();
      say(`${now.label}, layer ${now.layer}: ${now.text}`);
    }
    key(event) {
      const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -Infinity], End: [0, Infinity] };
      if (event.key === "Enter" || event.key === " ") this.choose(this.current());
      else if (event.key in steps) {
        const [line, point] = steps[event.key];
        this.line = Math.min(Math.max(this.line + line, 0), this.lines.length - 1);
        this.point = Math.min(Math.max(this.point + point, 0), this.lines[this.line].points.length - 1);
        this.mark();
        this.tell();
      } else return;
      event.preventDefault();
    }
  }

  // The alternative of a chart. cell: what stands for a layer and line.
  function tableOf(caption, lines, cell) {
    const details = make("details", {}, make("summary", {}, "Table", make("span", { class: "sr" }, ` of ${caption}`)));
    const fill = () => {
      const layers = [...new Set(lines().flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
      const head = make("tr", {}, make("th", { scope: "col" }, "Layer"),
        ...lines().map(({ label }) => make("th", { scope: "col" }, label)));
      const rows = layers.map((layer) => make("tr", {}, make("th", { scope: "row" }, String(layer)),
        ...lines().map((line) => {
          const point = line.points.findIndex(([x]) => x === layer);
          return make("td", {}, point < 0 ? "" : cell(line, point));
        })));
      const table = make("table", {}, make("caption", { class: "sr" }, caption), make("thead", {}, head), make("tbody", {}, ...rows));
      details.replaceChildren(details.firstChild, make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, table));
    };
    details.addEventListener("toggle", () => { if (details.open) fill(); });
    details.refill = () => { if (details.open) fill(); };
    return details;
  }

  // The grid.

  const panels = [];
  function rowsOf(task, measure) {
    const names = [run.tasks[task].name, run.tasks[task].measures[measure]];
    return run.percentages.filter((row) => row.task === names[0] && row.measure === names[1]);
  }
  function linesOf(task, measure) {
    const rows = rowsOf(task, measure);
    const unit = state.value === "specific" ? "points" : "%";
    const lineOf = (curve, value, name = "") => {
      const { name: of, label, recipe } = curves[curve];
      const own = rows.filter((row) => row.checkpoint === of && value(row) != null).sort((a, b) => a.layer - b.layer);
      const bounds = name ? own.map((row) => [row[`${name}_low`], row[`${name}_high`]]) : [];
      const told = (bound) => (bound?.[0] == null || bound[1] == null ? "" : ` (${bound[0].toFixed(1)} to ${bound[1].toFixed(1)})`);
      // As in the figures: no band where a layer has no interval.
      return { curve, label, kind: recipe == null ? "" : "seed", points: own.map((row) => [row.layer, value(row)]),
        bounds: recipe == null && bounds.length && bounds.every(told) ? bounds : undefined,
        detail: own.map((row, i) => `${value(row).toFixed(1)} ${unit}${told(bounds[i])}`) };
    };
    const chance = compared.map((curve) => lineOf(curve, ownChance)).map((line) => ({ ...line, label: `Chance, ${line.label}`, kind: "chance" }));
    return [...curves.keys()].map((curve) => lineOf(curve, (row) => row[state.value], state.value)).concat(chance).filter(({ points }) => points.length);
  }
  // What a span of the match's length gets, and where there is no such number, what similarities drawn at random get.
  const scaled = (auc, row) => (auc == null || state.value === "auc" ? auc : (auc * row.unmatching) / row.para_len);
  const ownChance = (row) => (state.value === "specific" ? null : scaled(row.null_auc, row));
  const commonChance = (row) => (state.value === "specific" ? 0 : scaled(50, row));
  const labelOf = (task, measure) => run.measures[run.tasks[task].measures[measure]];
  const claimsOf = (task, measure) => (run.claims ?? []).filter((claim) => {
    const { name, measures } = run.tasks[task];
    return claim.task === name && (claim.measure === measures[measure] || !(claim.measure in run.measures));
  });

  function buildPanel(task, measure) {
    const title = `${run.tasks[task].label}, ${lower(labelOf(task, measure))}`;
    const caption = make("figcaption");
    const figure = make("figure", { class: "panel" }, caption);
    const rows = rowsOf(task, measure);
    const panel = { task, measure, figure, claims: claimsOf(task, measure) };
    if (!rows.length) figure.append(make("p", { class: "chart empty" }, "no pairs found"));
    else {
      const place = make("div");
      const none = make("p", { class: "missing", hidden: true }, "not defined for this task");
      figure.append(none, place);
      panel.chart = new Chart(place, { name: `${title}: percentages by layer`,
        choose: ({ layer, curve }) => openList(task, measure, layer, curve) });
      const lines = () => linesOf(task, measure);
      panel.table = tableOf(`${title}: ${run.values[state.value]} by layer`, lines, ({ curve, kind, points, detail }, point) => (kind === "chance" ? detail[point]
        : make("button", { type: "button", "aria-label": `${detail[point]}: open the pairs of layer ${points[point][0]}`,
          onclick: () => openList(task, measure, points[point][0], curve) }, detail[point])));
      figure.append(panel.table);
      panel.mark = () => {
        if (!panel.chart.lines?.length) return;
        panel.chart.mark(isOpen(panel) && panel.chart.turnTo(Number(at("of").value), state.layer));
      };
      panel.draw = () => {
        const drawn = lines();
        place.hidden = panel.table.hidden = !drawn.length;
        none.hidden = drawn.length > 0;
        if (!drawn.length) return;
        panel.chart.chance = drawn.some(({ kind }) => kind === "chance") ? NaN : commonChance(rows[0]);
        panel.chart.draw(drawn);
        panel.mark();
        panel.table.refill();
      };
    }
    panel.name = () => { caption.textContent = `${labelOf(task, measure)}, ${state.value === "specific" ? "points" : "%"}`; };
    if (panel.claims.length) figure.append(claimsTable(panel.claims, title));
    panels.push(panel);
    return figure;
  }
  // The verdicts at a glance, of auc and of specific, and opened: a line for each claim.
  function claimsTable(claims, title) {
    const valued = [...new Set(claims.map(({ on }) => on))];
    const glance = valued.flatMap((on, i) => [i ? "; " : "", `${on} `, ...VERDICTS.map((verdict) => [verdict, claims.filter((claim) => claim.on === on && claim.verdict === verdict).length])
      .filter(([, number]) => number)
      .flatMap(([verdict, number], j) => [j ? ", " : "", marked(verdict, `${number} ${verdict || "not in the paper"}`)])]);
    const label = (name) => curves.find((one) => one.name === name).label;
    const scopeOf = ({ before, after, scope, seeds }) => `${label(before)} to ${label(after)}, ${
      scope === "recipe" ? `recipe of ${plural(Number(seeds), "seed")}` : "these two checkpoints"}`;
    const item = (some) => {
      const [{ claim, stated }] = some;
      return make("li", {}, `${spelt(claim)}${stated === "yes" ? ", as the paper says" : ""}: `, ...some.flatMap(({ on, verdict, found, value, low, high }, i) =>
        [i ? "; " : "", make("span", { title: `${found}: ${value} (${low} to ${high})` }, `${on} `, verdict ? marked(verdict, verdict) : found)]));
    };
    const parts = grouped(claims, scopeOf).flatMap(([scope, some]) =>
      [make("p", {}, `${scope}:`), make("ul", { "aria-label": `Claims on ${title}, ${scope}` }, ...grouped(some, ({ claim, measure }) => `${claim} ${measure}`).map(([, of]) => item(of)))]);
    return make("details", { class: "claims" }, make("summary", {}, "Claims: ", ...glance), ...parts);
  }
  function grouped(some, key) {
    const found = new Map();
    some.forEach((one) => found.set(key(one), [...(found.get(key(one)) ?? []), one]));
    return [...found];
  }
  const marked = (verdict, words) => make("span", { class: `verdict ${verdict.replace(" ", "-")}` }, `${MARKS[verdict]} ${words}`.trim());
  const spelt = (name) => name.replaceAll("_", " ");
  const MARKS = { supported: "+", contradicted: "−", undecided: "?", "no gap": "=", "": "" };
  const VERDICTS = Object.keys(MARKS);
  const isOpen = (panel) => panel.task === state.task && panel.measure === state.measure && !at("work").hidden;

  // Drawn when they come into view: a page of many panels is there at once.
  const viewer = new IntersectionObserver((seen) => seen.forEach(({ isIntersecting, target }) => {
    if (!isIntersecting) return;
    viewer.unobserve(target);
    const panel = panels.find(({ figure }) => figure === target);
    requestAnimationFrame(() => { panel.drawn = true; panel.draw(); });
  }), { rootMargin: "200px" });

  function buildGrid() {
    run.tasks.forEach(({ label, pairs }, task) => {
      at("grid").append(make("section", { class: "task", "aria-label": label },
        make("h3", {}, label, make("span", {}, pairs ? plural(pairs, "pair") : "no pairs")), buildPanel(task, 0), buildPanel(task, 1)));
    });
    panels.filter(({ draw }) => draw).forEach(({ figure }) => viewer.observe(figure));
  }
  function redraw() {
    at("legend").replaceChildren(...compared.map((curve) => make("li", {}, swatch(curves[curve]), curves[curve].label)),
      ...(compared.length < curves.length ? [make("li", {}, "thick lines: mean of a recipe's seeds, thin lines: each seed")] : []),
      make("li", {}, "··· chance"), run.percentages.some((row) => row[`${run.value}_low`] != null)
        ? make("li", {}, make("span", { class: "band" }), `${run.confidence} % interval (over ${compared.length < curves.length ? "seeds and pages" : "pages"})`) : "");
    panels.forEach(({ name }) => name());
    panels.filter(({ drawn }) => drawn).forEach(({ draw }) => draw());
    if (state.pair) showPair();
    renderRows();
  }
  function filterPanels() {
    let some = false;
    panels.forEach((panel) => {
      const measure = run.tasks[panel.task].measures[panel.measure];
      const fits = !hidden.task.has(run.tasks[panel.task].name) && !hidden.measure.has(measure)
        && ((!verdict && !claimed) || panel.claims.some((one) => (!verdict || one.verdict === verdict) && (!claimed || one.claim === claimed)));
      panel.figure.hidden = !fits;
      some ||= fits;
    });
    document.querySelectorAll(".task").forEach((task) => { task.hidden = [...task.querySelectorAll(".panel")].every((one) => one.hidden); });
    at("no-panels").hidden = some;
    window.dispatchEvent(new Event("resize")); // charts that are left have more room
    say(`${plural(panels.filter(({ figure }) => !figure.hidden).length, "panel")} shown`);
  }

  // The list: only the lines in view are in the page.

  const list = { shown: [], active: -1, ranks: null, pairs: [], examples: [] };

  async function openList(task, measure, layer, curve = 0, focus = true) {
    const other = task !== state.task;
    Object.assign(state, { task, measure, layer });
    [list.pairs, list.ranks, list.examples] = await Promise.all([pairsOf(task), ranksOf(task), texts()]);
    if (run.answering) list.answers = await block("answers", json);
    at("work").hidden = false;
    document.querySelectorAll('.skip[href="#list"], .skip[href="#pair"]').forEach((link) => { link.hidden = false; });
    at("list-title").textContent = `${run.tasks[task].label}, ${lower(labelOf(task, measure))}`;
    const layers = Math.max(...run.checkpoints.map((one) => one.layers));
    options(at("layer"), Array.from({ length: layers }, (_, i) => [i, i ? `${i}` : "0 (embeddings)"]), layer);
    at("of").value = curve;
    if (curves[curve].recipe != null) state.seeds[curves[curve].recipe] = curve;
    panels.forEach((panel) => { if (panel.drawn) panel.mark(); });
    if (other) { state.pair = null; at("open").hidden = true; at("no-pair").hidden = false; at("pair-title").textContent = "A pair"; }
    filterList();
    if (focus) { at("list").scrollIntoView({ block: "nearest" }); at("rows").focus({ preventScroll: true }); }
  }
  function filterList() {
    const { ranks, pairs, examples } = list;
    if (!ranks) return;
    const [of, before, after] = ["of", "before", "after"].map((id) => Number(at(id).value));
    const [low, high] = ["from", "to"].map((id, i) => (at(id).value === "" ? [0, 100][i] : Number(at(id).value)) / 100);
    const share = (curve, place) => shareOf(ranks, curve, state.measure, state.layer, place);
    const change = (place) => share(after, place) - share(before, place);
    const wanted = at("search").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const all = low <= 0 && high >= 1;
    const fits = ({ place, example }) => {
      // A pair without a rank is in the list as long as ranks are not asked for.
      if (!all && !(share(of, place) >= low && share(of, place) <= high)) return false;
      const by = at("change").value && change(place);
      if (by !== "" && !({ any: by !== 0, rose: by > 0, fell: by < 0 }[at("change").value] && !Number.isNaN(by))) return false;
      return wanted.every((word) => (examples[example].found ??= `${examples[example][2].join(" ")}\n${examples[example][3].join(" ")}`.toLowerCase()).includes(word));
    };
    const last = (value) => (Number.isNaN(value) ? Infinity : value);
    const key = { low: ({ place }) => last(share(of, place)), high: ({ place }) => last(-share(of, place)),
      change: ({ place }) => last(-Math.abs(change(place))), set: ({ place }) => place }[at("order").value];
    const keys = new Map(pairs.map((pair) => [pair, key(pair)]));
    list.shown = pairs.filter(fits).sort((a, b) => (keys.get(a) === keys.get(b) ? a.place - b.place : keys.get(a) - keys.get(b)));
    if (run.answering) list.shown = list.shown.filter(answerFits);
    list.active = Math.max(0, list.shown.indexOf(state.pair));
    const said = `${list.shown.length.toLocaleString("en")} of ${plural(pairs.length, "pair")}, layer ${state.layer}`;
    at("count").textContent = said;
    say(`${at("list-title").textContent}: ${said}`);
    at("rows").scrollTop = 0;
    renderRows();
    if (state.pair) reveal();
    remember();
  }
  function wordsOf(pair) {
    const [, , question, paragraph] = list.examples[pair.example];
    const join = (words, places) => isolated(places.map((i) => words[i]).join(" "));
    if (pair.sentence) return { question, title: isolated(paragraph.slice(...pair.answer).join(" ")) };
    // A text by itself has no question.
    return { question: question.length ? question : paragraph, title: `${join(pair.side === "question" ? question : paragraph, pair.anchor)} → ${join(paragraph, pair.match)}` };
  }
  const nameOf = (pair) => pair.id ?? list.examples[pair.example][0];
  // Of many lines those that the filters name.
  const comparedInList = () => [...new Set(["of", "before", "after"].map((id) => Number(at(id).value)))].sort((a, b) => a - b);
  function lineOf(i) {
    const pair = list.shown[i];
    const { question, title } = wordsOf(pair);
    const bars = comparedInList().map((curve) => {
      const { label, colour } = curves[curve];
      const share = shareOf(list.ranks, curve, state.measure, state.layer, pair.place);
      return make("span", { class: "bar", title: label }, make("i", { "--share": `${100 * (share || 0)}%`, "--of": visible(colour) }),
        make("span", {}, make("span", { class: "sr" }, `${label} `), Number.isNaN(share) ? "–" : `${Math.round(100 * share)} %`));
    });
    return make("div", { class: i === list.active ? "item active" : "item", role: "option", id: `item-${i}`, "aria-setsize": list.shown.length,
      "aria-posinset": i + 1, "aria-selected": String(pair === state.pair), "data-i": i, "data-place": pair.place },
    make("div", {}, make("p", { class: "of" }, title), make("p", { class: "question" }, isolated(question.join(" ")))),
    make("div", { class: "bars" }, ...bars));
  }
  function rowsInView() {
    const { scrollTop, clientHeight } = at("rows");
    return [Math.max(0, Math.floor(scrollTop / ROW) - 4), Math.min(list.shown.length, Math.ceil((scrollTop + clientHeight) / ROW) + 4)];
  }
  function scrolled() {
    // A line that is replaced between press and release of a button has no click.
    if (`${rowsInView()}` !== `${list.rendered}`) renderRows();
  }
  function renderRows() {
    const box = at("rows");
    at("spacer").style.height = `${list.shown.length * ROW}px`;
    const [first, last] = list.rendered = rowsInView();
    const lines = [];
    for (let i = first; i < last; i++) {
      const line = lineOf(i);
      if (run.answering) markAnswer(line, list.shown[i]);
      line.style.top = `${i * ROW}px`;
      lines.push(line);
    }
    at("spacer").replaceChildren(...lines);
    if (list.active >= first && list.active < last) box.setAttribute("aria-activedescendant", `item-${list.active}`);
    else box.removeAttribute("aria-activedescendant");
  }
  function reveal() {
    const box = at("rows");
    const top = list.active * ROW;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + ROW > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW - box.clientHeight;
    renderRows();
  }
  function keyInList(event) {
    const page = Math.max(1, Math.floor(at("rows").clientHeight / ROW) - 1);
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    if (event.key === "Enter" || event.key === " ") { if (list.shown[list.active]) openPair(list.shown[list.active], true); }
    else if (event.key in steps) {
      list.active = Math.min(Math.max(list.active + steps[event.key], 0), Math.max(0, list.shown.length - 1));
      reveal();
    } else return;
    event.preventDefault();
  }

  // How the questions of pairs are answered: in the list, in a filter, and beside a pair, where a run asks for it.

  // The lines of which all checkpoints have answers: list.answers[checkpoint][example], [exact match, F1], or null.
  const answerers = [...curves.keys()].filter((curve) => curves[curve].of.every((checkpoint) => run.answering?.[checkpoint]));
  const answersOf = (curve, { example }) => curves[curve].of.map((checkpoint) => list.answers[checkpoint][example]).filter(Boolean);
  const rightOf = (found) => found.filter(([exact]) => exact).length;

  function answerControls() {
    const several = answerers.some((curve) => curves[curve].of.length > 1);
    at("search").parentElement.before(make("fieldset", { class: "row" }, make("legend", {}, "Pairs whose question is answered"),
      make("select", { id: "answered", "aria-label": "How the question is answered" }), make("label", {}, "by ", make("select", { id: "answerer" }))));
    options(at("answered"), [["", "right or wrong"], ["right", "right"], ["wrong", "wrong"], ...(several ? [["some", "right by some seeds"]] : [])]);
    options(at("answerer"), answerers.map((curve) => [curve, curves[curve].label]));
    at("guide").querySelector("dl").append(make("dt", {}, "Right, wrong, F1"), make("dd", {}, `How a checkpoint answers the pair's question from its
      whole page: right where the answer equals a gold answer (exact match); F1, from 0 to 1, is how far their words agree. Of a recipe it is the mean over its seeds,
      and right or wrong where all of them are.`));
    LINKED.push("answered", "answerer");
  }
  function answerFits(pair) {
    const found = answersOf(Number(at("answerer").value), pair);
    const right = rightOf(found);
    return { "": true, right: found.length && right === found.length, wrong: found.length && !right, some: right && right < found.length }[at("answered").value];
  }
  function answerWords(found) {
    if (!found.length) return "not scored";
    const mean = found.reduce((sum, [, f1]) => sum + f1, 0) / found.length;
    const right = rightOf(found);
    return `${found.length === 1 || !right || right === found.length ? (right ? "right" : "wrong") : `right by ${right} of ${found.length} seeds`}, F1 ${mean.toFixed(2)}`;
  }
  function markAnswer(line, pair) {
    line.querySelector(".question").prepend(make("b", { class: "answered" }, answerWords(answersOf(Number(at("answerer").value), pair))), " · ");
  }
  function showAnswers(pair) {
    at("answered-by")?.remove();
    const told = answerers.filter((curve) => curves[curve].recipe == null || !answerers.includes(curves[curve].recipe)).map((curve) => {
      const found = answersOf(curve, pair);
      const each = found.length > 1 ? ` (${found.map(([, f1]) => f1.toFixed(2)).join(", ")})` : "";
      return make("li", {}, `The question is answered by ${curves[curve].label}: ${answerWords(found)}${each}`);
    });
    at("where").after(make("ul", { id: "answered-by", class: "key", "aria-label": "Answers" }, ...told));
  }

  // The pair.

  const open = { scores: null, course: null, table: null };

  async function openPair(pair, focus, layer = state.layer, measure = state.measure) {
    state.pair = pair;
    Object.assign(state, { at: layer, shadeBy: measure });
    open.scores = await (pair.known.some(Boolean) ? scoresOf(pair) : pair.known.map(() => null));
    if (state.pair !== pair) return; // another was chosen meanwhile
    at("open").hidden = false;
    at("no-pair").hidden = true;
    list.active = Math.max(0, list.shown.indexOf(pair));
    renderRows();
    showPair();
    remember();
    if (focus || matchMedia("(max-width: 62rem)").matches) { at("pair").scrollIntoView({ block: "start" }); }
    if (focus) at("pair").focus({ preventScroll: true });
    say(`${at("pair-title").textContent}: ${spoken()}`);
  }
  function showPair() {
    const pair = state.pair;
    const [, title] = list.examples[pair.example];
    at("pair-title").textContent = wordsOf(pair).title;
    at("where").textContent = `${run.tasks[pair.task].label}, ${pair.id ? "group" : "page"} “${isolated(title)}”, ${pair.id ? "pair" : "example"} ${isolated(nameOf(pair))}`;
    const boundary = Boolean(pair.sentence);
    if (run.answering) showAnswers(pair);
    at("anchor-key").parentElement.hidden = boundary;
    at("match-key").textContent = boundary ? "gold" : "match";
    at("closer-key").textContent = boundary ? "higher logit than the gold position" : "closer to the anchor than the match";
    at("ramp-key").textContent = boundary ? "lowest to highest logit" : "furthest to closest word";
    const layers = Math.max(...run.checkpoints.map((one) => one.layers));
    state.at = Math.min(state.at, layers - 1);
    at("slider").max = layers - 1;
    at("slider").value = state.at;
    choices(at("shade-by"), "shade", "radio", run.tasks[pair.task].measures.map((name, i) => [i, run.measures[name]]), (i) => i === state.shadeBy);
    drawCourse();
    at("views").replaceChildren(...compared.map((curve) => viewOf(pair, curve)));
    shade();
  }
  function courseLines() {
    const { place } = state.pair;
    return curves.map(({ label, of, recipe }, curve) => {
      const { layers } = run.checkpoints[of[0]];
      const shares = Array.from({ length: layers }, (_, layer) => [layer, 100 * shareOf(list.ranks, curve, state.shadeBy, layer, place)]);
      const points = shares.filter(([, share]) => !Number.isNaN(share));
      return { curve, label, kind: recipe == null ? "" : "seed", points, detail: points.map(([, share]) => `${share.toFixed(1)} %`) };
    }).filter(({ points }) => points.length);
  }
  function drawCourse() {
    if (!open.course) {
      const place = make("div");
      at("course").append(make("figcaption", {}, "Unmatching words that this pair outranks, %"), place);
      open.course = new Chart(place, { name: "This pair's rank by layer", range: [-4, 104], choose: ({ layer }) => { moveTo(layer); } });
      open.table = tableOf("This pair's rank by layer", courseLines, ({ detail }, point) => detail[point]);
      at("course").append(open.table);
    }
    const lines = courseLines();
    at("course").hidden = !lines.length;
    if (lines.length) {
      open.course.line = Math.min(open.course.line, lines.length - 1);
      open.course.point = Math.min(state.at, lines[open.course.line].points.length - 1);
      open.course.draw(lines);
      open.table.refill();
    }
  }
  // The checkpoint that is shown: of a recipe the chosen seed's.
  const checkpointOf = (curve) => curves[state.seeds[curve] ?? curve].of[0];
  function seedChoice(pair, curve) {
    const seeds = [...curves.keys()].filter((seed) => curves[seed].recipe === curve);
    if (!seeds.length) return null;
    const select = make("select", { "aria-label": `Seed of ${curves[curve].label}` });
    options(select, seeds.map((seed) => [seed, curves[seed].label]), state.seeds[curve] ?? seeds[0]);
    select.addEventListener("change", () => {
      state.seeds[curve] = Number(select.value);
      const view = viewOf(pair, curve);
      select.closest(".view").replaceWith(view);
      shade();
      view.querySelector("select").focus();
      remember();
      say(spoken());
    });
    return select;
  }
  // A checkpoint's words; which of them are shaded how, shade() says.
  function viewOf(pair, curve) {
    const { colour } = curves[curve];
    const c = checkpointOf(curve);
    const { label } = run.checkpoints[c];
    const [, , question, paragraph] = list.examples[pair.example];
    const sentence = pair.sentence ?? [0, paragraph.length];
    const spans = (words, kind, first) => words.map((word, i) => make("span", { class: "w", "data-kind": kind, "data-i": first + i }, word));
    const text = (words) => make("p", { class: "text", dir: "auto" }, ...words.flatMap((word) => [word, " "]));
    const asked = pair.sentence ? question.map((word) => make("span", {}, word)) : spans(question, "question", 0);
    const read = spans(paragraph.slice(...sentence), "paragraph", sentence[0]);
    const view = make("article", { class: "view", "--of": visible(colour), "aria-label": label, "data-checkpoint": c },
      make("h3", {}, swatch(curves[curve]), curves[curve].label), seedChoice(pair, curve), make("p", { class: "rank" }), make("p", { class: "seeds" }), make("div", { class: "anchors" }),
      ...(question.length ? [make("h4", {}, "Question"), text(asked)] : []),
      make("h4", {}, pair.sentence ? "Sentence" : question.length ? "Paragraph" : "Text"), text(read));
    const details = make("details", {}, make("summary", {}, "Table of the words"));
    details.addEventListener("toggle", () => { if (details.open) details.replaceChildren(details.firstChild, wordTable(view, c)); });
    view.append(details);
    return view;
  }
  const isIn = (places, kind, side, i) => kind === side && places.includes(i);
  function roleOf(pair, kind, i) {
    if (pair.sentence) {
      const gold = state.shadeBy ? pair.answer[1] - 1 : pair.answer[0];
      return i === gold ? "match" : "";
    }
    if (isIn(pair.anchor, kind, pair.side, i)) return "anchor";
    return isIn(pair.match, kind, "paragraph", i) ? "match" : "";
  }
  function wordAt(pair, kind, i) {
    if (pair.sentence) return i - pair.sentence[0];
    return kind === "question" ? i : list.examples[pair.example][2].length + i;
  }
  function shade() {
    const { pair, at: layer, shadeBy: measure } = state;
    at("at").textContent = layer ? `${layer}` : "0 (embeddings)";
    at("slider").setAttribute("aria-valuetext", layer ? `layer ${layer}` : "layer 0, the embeddings");
    at("views").querySelectorAll(".view").forEach((view, i) => {
      const c = Number(view.dataset.checkpoint);
      const scores = open.scores[c];
      view.querySelector(".seeds").textContent = meanWords(compared[i], layer, measure, pair);
      view.querySelector(".rank").replaceChildren(...rankWords(c, layer, measure, pair));
      const own = scores && layer < scores.layers ? scores : null;
      view.querySelector(".anchors").replaceChildren(...(own && !pair.sentence ? anchorWords(own, c, layer, measure, pair) : []));
      const marked = view.querySelector(".anchors .own");
      if (marked) marked.parentElement.scrollTop = marked.offsetTop - 60; // in sight among many words
      const words = [...view.querySelectorAll("[data-kind]")].map((span) => {
        const [kind, i] = [span.dataset.kind, Number(span.dataset.i)];
        return { span, role: roleOf(pair, kind, i), word: wordAt(pair, kind, i) };
      });
      // The anchor is as close to itself as can be, and would leave no room for the others.
      const among = own ? words.filter(({ role, word }) => role !== "anchor" && own.code(measure, layer, word)).map(({ word }) => own.code(measure, layer, word)) : [];
      const [low, high] = [Math.min(...among), Math.max(...among)];
      words.forEach(({ span, role, word }) => {
        const code = own ? own.code(measure, layer, word) : 0;
        const closer = code && own.unmatching(measure, word) && code > own.code(measure, layer, -1);
        span.className = `w ${role} ${closer ? "closer" : ""} ${code || !own ? "" : "none"}`;
        span.style.setProperty("--s", code && high > low ? Math.min(1, (code - low) / (high - low)).toFixed(3) : 0);
        const value = own ? own.value(measure, layer, word) : NaN;
        span.title = [role && (pair.sentence ? "gold" : role), Number.isNaN(value) ? "no vector" : value.toFixed(3)].filter(Boolean).join(", ");
      });
      const table = view.querySelector("details");
      if (table.open) table.replaceChildren(table.firstChild, wordTable(view, c));
    });
  }
  function rankWords(c, layer, measure, pair) {
    const { layers } = run.checkpoints[c];
    if (layer >= layers) return [`It has no layer ${layer}; its last is ${layers - 1}.`];
    const rank = rankOf(list.ranks, c, measure, layer, pair.place);
    if (!rank) return [`Not ranked: the example was too long for this checkpoint, ${pair.sentence ? "was not drawn for the test, " : ""}or its words have no vector.`];
    const { count, ties, paraLen, unmatching } = rank;
    return ["Outranks ", make("strong", {}, `${count} of ${unmatching}`), ` unmatching words (${percent(count / unmatching)})`,
      `; ${ties ? plural(ties, "tie") : "no ties"}; ${plural(paraLen, "word")} in the ${pair.sentence ? "sentence" : "paragraph"}.`];
  }
  // How each run of words would fare as the anchor, from the best on, and the anchor among them.
  function anchorWords(own, c, layer, measure, pair) {
    const [, , question, paragraph] = list.examples[pair.example];
    const [written, first] = pair.side === "question" ? [question, 0] : [paragraph, question.length];
    // A run passes over words without a vector: those without a distance.
    const places = [...written.keys()].filter((i) => own.code(1, 0, first + i));
    const size = pair.anchor.filter((i) => places.includes(i)).length;
    const { count, ties, unmatching } = rankOf(list.ranks, c, measure, layer, pair.place);
    const anchor = { words: pair.anchor.map((i) => written[i]).join(" "), share: (100 * (count + ties / 2)) / unmatching, own: true };
    const shares = own.swapped(measure, layer);
    if (!shares.length || !unmatching) return [make("p", {}, "No other words can take the anchor's place.")];
    // In the passage a run is not compared with its own words. Words of a question are none of the unmatching ones.
    const swapped = own.begins.map((word, i) => {
      const run = places.slice(places.indexOf(word - first)).slice(0, size);
      const compared = unmatching - run.filter((place) => own.unmatching(measure, first + place)).length;
      return { words: run.map((place) => written[place]).join(" "), share: (100 * Math.round(2 * compared * shares[i])) / 2 / compared };
    });
    const ranked = [anchor, ...swapped].sort((one, other) => other.share - one.share);
    const mean = swapped.reduce((sum, { share }) => sum + share, 0) / swapped.length;
    return [make("h4", {}, "In the anchor's place"),
      make("p", {}, `Other words: ${mean.toFixed(1)} % on average of ${swapped.length}. The anchor: ${anchor.share.toFixed(1)} %.`),
      make("ul", { tabindex: 0, "aria-label": `Words in the anchor's place, ${run.checkpoints[c].label}` }, ...ranked.map(({ words, share, own: is }) =>
        make("li", { class: is ? "own" : null, "--share": `${share}%` }, `${isolated(words)} `, make("b", {}, share.toFixed(1)), is ? make("span", { class: "sr" }, " the anchor") : null)))];
  }
  function meanWords(curve, layer, measure, pair) {
    const seeds = curves.flatMap(({ recipe }, seed) => (recipe === curve ? [shareOf(list.ranks, seed, measure, layer, pair.place)] : [])).filter((share) => !Number.isNaN(share));
    return seeds.length ? `Mean of ${plural(seeds.length, "seed")}: ${percent(shareOf(list.ranks, curve, measure, layer, pair.place))} (${seeds.map(percent).join(", ")}).` : "";
  }
  const spoken = () => [...document.querySelectorAll(".view")].map((view) =>
    `${view.getAttribute("aria-label")}: ${view.querySelector(".rank").textContent}`).join(" ");
  function wordTable(view, c) {
    const { at: layer, shadeBy: measure, pair } = state;
    const own = open.scores[c] && layer < open.scores[c].layers ? open.scores[c] : null;
    const rows = [...view.querySelectorAll("[data-kind]")].map((span) => {
      const [kind, i] = [span.dataset.kind, Number(span.dataset.i)];
      const word = wordAt(pair, kind, i);
      const value = own ? own.value(measure, layer, word) : NaN;
      const role = roleOf(pair, kind, i);
      const is = role ? (pair.sentence ? "gold" : role) : span.classList.contains("closer") ? "closer" : own?.unmatching(measure, word) ? "outranked or tied" : "not counted";
      return make("tr", {}, make("td", {}, span.textContent), make("td", {}, Number.isNaN(value) ? "none" : value.toFixed(3)), make("td", {}, is));
    });
    const name = pair.sentence ? "Logit" : run.measures[run.tasks[pair.task].measures[measure]];
    const caption = `Words in ${run.checkpoints[c].label}, layer ${layer}`;
    return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, make("table", {}, make("caption", { class: "sr" }, caption),
      make("thead", {}, make("tr", {}, ...["Word", name, "Is"].map((head) => make("th", { scope: "col" }, head)))), make("tbody", {}, ...rows)));
  }
  function moveTo(layer) {
    state.at = layer;
    at("slider").value = layer;
    shade();
    drawCourse();
    remember();
    say(`Layer ${layer}. ${spoken()}`);
  }

  // Where the reader is, and what is chosen, stands behind the # of the address, so that it can be sent:
  // #/task/measure/layer/example_id?control=value..., only what is open, and of controls only what was changed.

  const LINKED = ["value", "claim", "order", "of", "from", "to", "change", "before", "after", "search"];
  const initial = {};
  let waitingToRemember;
  function remember() {
    clearTimeout(waitingToRemember); // browsers allow few changes a second
    waitingToRemember = setTimeout(() => history.replaceState(null, "", `#${address()}`), 100);
  }
  function address() {
    const chosen = new URLSearchParams(LINKED.filter((id) => at(id).value !== initial[id]).map((id) => [id, at(id).value]));
    if (verdict) chosen.set("verdict", verdict);
    const seeds = Object.values(state.seeds).map((seed) => curves[seed].name);
    if (seeds.length) chosen.set("seeds", seeds.join(","));
    Object.entries(hidden).forEach(([kind, names]) => { if (names.size) chosen.set(`without-${kind}`, [...names].join(",")); });
    const parts = [];
    if (state.task != null) {
      const { name, measures } = run.tasks[state.task];
      parts.push(name, measures[state.measure], state.layer);
      if (state.pair) {
        parts.push(nameOf(state.pair));
        if (state.at !== state.layer) chosen.set("at", state.at);
        if (state.shadeBy !== state.measure) chosen.set("by", measures[state.shadeBy]);
      }
    }
    return `/${parts.map(encodeURIComponent).join("/")}${chosen.size ? `?${chosen}` : ""}`;
  }
  async function recall({ newURL } = {}) {
    const { hash } = new URL(newURL ?? location.href); // what was asked for, also where remember() was quicker
    if (!hash.startsWith("#/")) return;
    clearTimeout(waitingToRemember);
    at("trouble").hidden = true;
    const [path, query] = hash.slice(2).split(/\?(.*)/s);
    const chosen = new URLSearchParams(query);
    const [name, measure, layer, id] = path.split("/").map(decodeURIComponent);
    LINKED.filter((control) => initial[control] != null).forEach((control) => { at(control).value = chosen.get(control) ?? initial[control]; });
    [state.value, claimed, verdict] = [at("value").value, at("claim").value, chosen.get("verdict") ?? ""];
    Object.entries(hidden).forEach(([kind, names]) => {
      names.clear();
      (chosen.get(`without-${kind}`) ?? "").split(",").filter(Boolean).forEach((one) => names.add(one));
      document.querySelectorAll(`input[name=${kind}]`).forEach((box) => { box.checked = !names.has(box.value); });
    });
    document.querySelectorAll("input[name=verdict]").forEach((box) => { box.checked = box.value === verdict; });
    redraw();
    filterPanels();
    if (!name) return;
    const task = run.tasks.findIndex((one) => one.name === name);
    const number = task < 0 ? -1 : run.tasks[task].measures.indexOf(measure);
    if (number < 0 || !rowsOf(task, number).some((row) => row.layer === Number(layer))) {
      trouble(`This address leads to ${name}, ${measure}, layer ${layer}: the page does not have that. Is it of another run?`);
      return;
    }
    state.seeds = {};
    await openList(task, number, Number(layer), Number(at("of").value), false);
    const seeds = (chosen.get("seeds") ?? "").split(",");
    curves.forEach(({ name: of, recipe }, seed) => { if (recipe != null && seeds.includes(of)) state.seeds[recipe] = seed; });
    const pair = list.pairs.find((one) => nameOf(one) === id);
    if (id != null && !pair) trouble(`This address leads to the example ${id}: there is no pair of it. Is it of another run?`);
    if (pair) {
      const by = run.tasks[task].measures.indexOf(chosen.get("by"));
      await openPair(pair, false, Number(chosen.get("at") ?? layer), by < 0 ? number : by);
      reveal();
    }
  }

  // Controls.

  function options(select, some, chosen) {
    select.replaceChildren(...some.map(([value, label]) => make("option", { value }, label)));
    if (chosen != null) select.value = chosen;
  }
  function choices(fieldset, name, type, some, checked) {
    const focused = fieldset.contains(document.activeElement);
    fieldset.replaceChildren(fieldset.querySelector("legend"), ...some.map(([value, label]) =>
      make("label", { class: "choice" }, make("input", { type, name, value, checked: checked(value) }), make("span", {}, label))));
    if (focused) fieldset.querySelector("input:checked")?.focus();
  }
  function theme(name) {
    if (name === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    redraw();
  }
  function controls() {
    choices(at("tasks"), "task", "checkbox", run.tasks.map(({ name, label }) => [name, label]), () => true);
    const measures = [...new Set(run.tasks.flatMap((task) => task.measures))];
    choices(at("measures"), "measure", "checkbox", measures.map((name) => [name, run.measures[name]]), () => true);
    if (run.claims) {
      at("verdicts").hidden = at("on-claim").hidden = false;
      options(at("claim"), [["", "any claim"], ...[...new Set(run.claims.map(({ claim }) => claim))].map((name) => [name, spelt(name)])]);
      choices(at("verdicts"), "verdict", "radio", [["", "Any"], ...VERDICTS.filter(Boolean).map((name) => [name, `${MARKS[name]} ${name}`])], (name) => !name);
    }
    options(at("value"), Object.entries(run.values).filter(([value]) => run.percentages.some((row) => row[value] != null)), state.value);
    const named = curves.map(({ label }, i) => [i, label]);
    options(at("of"), named, 0);
    options(at("before"), named, 0);
    options(at("after"), named, Math.min(1, named.length - 1));
    at("changes").hidden = named.length < 2;
    if (named.length < 2) at("order").querySelector('[value="change"]').remove();
    document.querySelectorAll('.skip[href="#list"], .skip[href="#pair"]').forEach((link) => { link.hidden = true; });
  }
  function listen() {
    document.querySelectorAll("form").forEach((form) => form.addEventListener("submit", (event) => event.preventDefault()));
    document.querySelectorAll(".skip").forEach((link) => link.addEventListener("click", (event) => {
      event.preventDefault();
      const section = document.querySelector(link.getAttribute("href"));
      section.scrollIntoView();
      section.focus({ preventScroll: true });
    }));
    at("panel-filters").addEventListener("change", ({ target }) => {
      if (target.id === "value") { state.value = target.value; redraw(); remember(); return; }
      if (target.name === "verdict") verdict = target.value;
      else if (target.id === "claim") claimed = target.value;
      else hidden[target.name][target.checked ? "delete" : "add"](target.value);
      filterPanels();
      remember();
    });
    let waiting;
    at("list-filters").addEventListener("input", ({ target }) => {
      clearTimeout(waiting);
      if (target.id === "layer") { openList(state.task, state.measure, Number(target.value), Number(at("of").value), false); return; }
      if (target.id === "of") panels.filter(({ drawn }) => drawn).forEach((panel) => panel.mark());
      if (target.id === "search") waiting = setTimeout(filterList, 150);
      else filterList();
    });
    at("rows").addEventListener("scroll", scrolled, { passive: true });
    at("rows").addEventListener("keydown", keyInList);
    at("rows").addEventListener("click", ({ target }) => {
      const item = target.closest(".item");
      if (item) openPair(list.shown[Number(item.dataset.i)], false);
    });
    at("slider").addEventListener("input", () => moveTo(Number(at("slider").value)));
    at("shade-by").addEventListener("change", ({ target }) => {
      state.shadeBy = Number(target.value);
      shade();
      drawCourse();
      remember();
      say(spoken());
    });
    at("pair").addEventListener("keydown", (event) => { if (event.key === "Escape") at("rows").focus(); });
    at("theme").addEventListener("change", ({ target }) => theme(target.value));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    // On a phone the charts come first, and what chooses among them is folded.
    const phone = matchMedia("(max-width: 30rem)");
    const fold = () => { at("which").open = !phone.matches; };
    phone.addEventListener("change", fold);
    fold();
    window.addEventListener("resize", renderRows);
    window.addEventListener("beforeprint", () => panels.filter(({ draw, drawn }) => draw && !drawn).forEach((panel) => { panel.drawn = true; panel.draw(); }));
    window.addEventListener("hashchange", recall);
  }

  controls();
  if (run.answering) answerControls();
  LINKED.filter((id) => at(id)).forEach((id) => { initial[id] = at(id).value; });
  buildGrid();
  redraw();
  listen();
  recall();
})();
