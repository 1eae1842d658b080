// The explorer: menus and a slider choose runs, a metric and an epoch; explorer_drawing.js draws it, and
// explorer_points.js tells of its points. Everything shown is in the page's own JSON, see book/builder/explorer.py; no other
// file is read.
"use strict";

addEventListener("DOMContentLoaded", () => {
  const root = document.getElementById("explorer");
  const source = document.getElementById("explorer-data");
  if (!root || !source || typeof uPlot === "undefined" || typeof drawBySite === "undefined" || typeof tellPoints === "undefined") return; // the picture stays

  const { floor, metrics, start, networks } = JSON.parse(source.textContent);
  const form = root.querySelector("form");
  const controls = form.elements;
  const plots = root.querySelector(".explorer-plots");
  const ring = root.querySelector(".explorer-point");
  const PAUSE = 900; // milliseconds an epoch is shown while playing
  let drawn = [];
  let wantedEpoch = Infinity; // what the reader chose; not every network was measured at this epoch
  let playing = null;

  // ---- choosing ----

  function fill(select, entries) {
    const before = select.value;
    select.replaceChildren(...entries.map(([value, words]) => new Option(words, value)));
    if (entries.some(([value]) => String(value) === before)) select.value = before;
  }

  const several = (run) => run.epochs.length > 1;
  const network = (which) => networks.find((one) => one.name === controls["data" + which].value);

  function fillDecays(which) {
    const runs = network(which).runs;
    const decays = [...new Set(runs.map((run) => run.weight_decay))];
    const ends = (decay) => !runs.some((run) => run.weight_decay === decay && several(run));
    fill(controls["wd" + which], decays.map((decay) => [decay, `${decay}${ends(decay) ? " (at its end only)" : ""}`]));
  }

  function fillSeeds(which) {
    const decay = Number(controls["wd" + which].value);
    const seeds = network(which).runs.filter((run) => run.weight_decay === decay).map((run) => run.seed);
    fill(controls["seed" + which], [...new Set(seeds)].map((seed) => [seed, seed]));
  }

  // The first choice is a run that was measured at several epochs, the second a run of another weight decay or else seed.
  function chooseNetwork(which) {
    const runs = network(which).runs;
    const first = which ? chosen("").run : null;
    const other = first && (runs.find((run) => run.weight_decay !== first.weight_decay) || runs.find((run) => run !== first));
    const { weight_decay, seed } = other || runs.find(several);
    fillDecays(which);
    controls["wd" + which].value = weight_decay;
    fillSeeds(which);
    controls["seed" + which].value = seed;
  }

  function chosen(which) {
    const [decay, seed] = [Number(controls["wd" + which].value), Number(controls["seed" + which].value)];
    const one = network(which);
    return { network: one, run: one.runs.find((run) => run.weight_decay === decay && run.seed === seed) };
  }

  const shownRuns = () => (controls.layout.value === "none" ? [chosen("")] : [chosen(""), chosen("2")]);
  const metric = () => metrics.find((one) => one.name === controls.metric.value);
  const epochsOf = (shown) => [...new Set(shown.flatMap(({ run }) => run.epochs))].sort((a, b) => a - b);

  // The last of a run's epochs up to the wanted one, or its first.
  const placeOf = (run, epoch) => Math.max(0, run.epochs.findLastIndex((one) => one <= epoch));

  // ---- words ----

  const short = (value) => (value === null ? "undefined" : String(Number(value.toPrecision(2))));

  function told({ network: { title, sites }, run }, place, { name, title: words, line }) {
    const values = run[name][place];
    const last = values.length - 1;
    const only = several(run) ? "" : " (the only one measured)";
    let text =
      `${title}, weight decay ${run.weight_decay}, seed ${run.seed}, epoch ${run.epochs[place]}${only}: ` +
      `${words} from ${short(values[0])} at site ${sites[0]} to ${short(values[last])} at site ${sites[last]}`;
    if (line?.holds) {
      const limit = lineOf(run, place, line);
      const holds = (value) => value !== null && (line.holds === "below" ? value <= limit : value >= limit);
      const from = values.findLastIndex((value) => !holds(value)) + 1;
      text += from > last ? `; ${line.words} fails at the last site` : `; ${line.words} from site ${sites[from]} on`;
    } else if (line) text += `; ${line.words} ${short(lineOf(run, place, line))}`;
    return `${text}.`;
  }

  // ---- drawing ----

  // The second run has the colour of text, broken lines and triangles, so that the two differ without colour too.
  const looks = (order) =>
    order === 0
      ? { colour: metric().colour, dash: [], mark: "circle" }
      : { colour: themed("--pst-color-text-base"), dash: [7, 4], mark: "triangle" };

  function key(entries) {
    const seen = metric();
    const sample = (colour, dash, width, shape) =>
      `<svg width="34" height="12" aria-hidden="true"><line x1="0" x2="34" y1="6" y2="6" stroke="${colour}" ` +
      `stroke-width="${width}" stroke-dasharray="${dash}"/>${shape}</svg>`;
    const item = (drawing, words) => {
      const li = document.createElement("li");
      li.innerHTML = drawing;
      li.append(words);
      return li;
    };
    const shapes = { circle: "M13 6a4 4 0 1 0 8 0a4 4 0 1 0-8 0", triangle: "M17 1l5 9h-10z" };
    const items = entries.map(({ network: { title }, run, look, place }) =>
      item(
        sample(look.colour, look.dash.join(" "), 2.5, `<path d="${shapes[look.mark]}" fill="${look.colour}" stroke="currentColor"/>`),
        `${title}, weight decay ${run.weight_decay}, seed ${run.seed}, epoch ${run.epochs[place]}`,
      ),
    );
    if (seen.line) items.push(item(sample("currentColor", "2 3", 1.5, ""), seen.line.words));
    root.querySelector(".explorer-key").replaceChildren(...items);
  }

  function numbers(entries) {
    const seen = metric();
    const table = root.querySelector("table");
    const cell = (kind, text, scope) => Object.assign(document.createElement(kind), { textContent: text, ...(scope && { scope }) });
    const row = (...cells) => {
      const tr = document.createElement("tr");
      tr.append(...cells);
      return tr;
    };
    const head = entries.map(({ run, place }, order) => `${order ? "second run" : "run"}, epoch ${run.epochs[place]}`);
    const sites = [...new Set(entries.flatMap(({ network: { sites } }) => sites))].sort((a, b) => a - b);
    const value = ({ network: { sites: own }, run, place }, site) =>
      own.includes(site) ? String(run[seen.name][place][own.indexOf(site)] ?? "undefined") : "";
    table.caption.textContent = seen.title;
    table.tHead.replaceChildren(row(cell("th", "site", "col"), ...head.map((text) => cell("th", text, "col"))));
    table.tBodies[0].replaceChildren(
      ...sites.map((site) => row(cell("th", site, "row"), ...entries.map((entry) => cell("td", value(entry, site))))),
    );
  }

  function redraw(entries) {
    drawn.forEach((plot) => plot.destroy());
    const panels = controls.layout.value === "beside" ? entries.map((entry) => [entry]) : [entries];
    const lastSite = Math.max(...entries.flatMap(({ network: { sites } }) => sites));
    const holders = panels.map(() => document.createElement("div"));
    plots.replaceChildren(...holders);
    ring.replaceChildren();
    holders.forEach((holder, order) => {
      holder.setAttribute("role", "img");
      holder.setAttribute("aria-label", panels[order].map(({ words }) => words).join(" "));
    });
    const view = { metric: metric(), scale: yRange(entries, metric(), floor), lastSite, floor };
    drawn = holders.map((holder, order) => drawBySite(holder, panels[order], view));
    drawn.forEach((plot, order) => tellPoints(holders[order], plot, panels[order], view, ring));
  }

  // ---- the page follows ----

  function show() {
    const shown = shownRuns();
    const epochs = epochsOf(shown);
    const slider = controls.epoch;
    slider.max = epochs.length - 1;
    slider.value = Math.max(0, epochs.findLastIndex((epoch) => epoch <= wantedEpoch));
    slider.disabled = controls.play.disabled = epochs.length < 2;
    const epoch = epochs[slider.value];
    controls.now.value = epoch;
    slider.setAttribute("aria-valuetext", `epoch ${epoch}`);
    root.querySelector(".explorer-second").hidden = shown.length < 2;
    const entries = shown.map((one, order) => {
      const place = placeOf(one.run, epoch);
      return { ...one, place, look: looks(order), words: told(one, place, metric()) };
    });
    root.querySelector("#explorer-summary").textContent = entries.map(({ words }) => words).join(" Second run: ");
    redraw(entries);
    key(entries);
    numbers(entries);
    return epoch;
  }

  const NAMES = ["data", "wd", "seed", "metric", "layout", "data2", "wd2", "seed2"];

  function remember(epoch) {
    const state = new URLSearchParams();
    for (const name of NAMES) {
      if (controls.layout.value !== "none" || !(name.endsWith("2") || name === "layout")) state.set(name, controls[name].value);
    }
    state.set("epoch", epoch);
    history.replaceState(null, "", `#${state}`);
  }

  function recall() {
    const state = new URLSearchParams(location.hash.slice(1));
    const take = (name) => {
      const value = state.get(name);
      const known = value !== null && [...controls[name].options].some((option) => option.value === value);
      if (known) controls[name].value = value;
      return known;
    };
    take("metric");
    take("layout");
    for (const which of ["", "2"]) {
      if (take("data" + which)) chooseNetwork(which);
      if (take("wd" + which)) fillSeeds(which);
      take("seed" + which);
    }
    const epoch = Number(state.get("epoch"));
    wantedEpoch = epoch > 0 ? epoch : Infinity;
  }

  function stop() {
    clearInterval(playing);
    playing = null;
    controls.play.textContent = "Play";
    controls.play.setAttribute("aria-pressed", "false");
  }

  function move(place) {
    wantedEpoch = epochsOf(shownRuns())[place];
    remember(show());
  }

  function play() {
    if (playing) return stop();
    controls.play.textContent = "Pause";
    controls.play.setAttribute("aria-pressed", "true");
    const last = Number(controls.epoch.max);
    if (Number(controls.epoch.value) === last) move(0);
    playing = setInterval(() => {
      move(Number(controls.epoch.value) + 1);
      if (Number(controls.epoch.value) === last) stop();
    }, PAUSE);
  }

  const titles = networks.map(({ name, title }) => [name, title]);
  fill(controls.data, titles);
  fill(controls.data2, titles);
  fill(controls.metric, metrics.map(({ name, title }) => [name, title]));
  controls.data.value = controls.data2.value = networks[start].name;
  chooseNetwork("");
  chooseNetwork("2");
  recall();

  controls.epoch.addEventListener("input", () => {
    stop();
    move(Number(controls.epoch.value));
  });
  controls.play.addEventListener("click", play);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", ({ target }) => {
    if (target === controls.epoch) return;
    stop();
    const which = target.name.endsWith("2") ? "2" : "";
    if (target.name.startsWith("data")) chooseNetwork(which);
    if (target.name.startsWith("wd")) fillSeeds(which);
    remember(show());
  });
  addEventListener("hashchange", () => {
    recall();
    show();
  });

  root.hidden = false;
  document.querySelectorAll(".explorer-picture").forEach((picture) => (picture.hidden = true));
  show();
  let width = plots.clientWidth;
  new ResizeObserver(() => {
    if (plots.clientWidth !== width) {
      width = plots.clientWidth;
      show();
    }
  }).observe(plots);
  new MutationObserver(show).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
});
