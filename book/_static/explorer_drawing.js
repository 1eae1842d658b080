// How the explorer draws runs by site with uPlot: the other epochs thin, the line to compare with dotted, the chosen
// epoch thick, with a mark at each site. An entry is a network, a run of it, the place of the epoch, and its look.
"use strict";

const HEIGHT = 340; // of a plot, in pixels

const themed = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// The value that a metric is compared with: a threshold, a value of the run at that epoch, or nothing.
const lineOf = (run, place, line) => (line ? (line.of ? run[line.of][place] : line.value) : null);

// The range of all epochs of the runs that are shown, so that only the lines move; logarithmic where the metric asks
// for it and the values span more than half a decade, as in the figures of the book.
function yRange(entries, metric, floor) {
  const values = entries.flatMap(({ run }) => [
    ...run[metric.name].flat(),
    ...run.epochs.map((_, place) => lineOf(run, place, metric.line)),
  ]);
  const known = values.filter((value) => value !== null).map((value) => (metric.log ? Math.max(value, floor) : value));
  const [low, high] = known.length ? [Math.min(...known), Math.max(...known)] : [0, 1];
  if (!metric.log) return { log: false, range: [Math.min(0, low) - 0.03, Math.max(1, high) + 0.03] };
  if (high / low >= 5) return { log: true, range: [low / 1.3, high * 1.3] };
  const room = 0.06 * (high - low || 1);
  return { log: false, range: [low - room, high + room] };
}

// Ticks of a logarithmic axis: 1, 2 and 5, or powers of ten alone where there are many.
function logTicks([low, high]) {
  const powers = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) powers.push(power);
  const step = Math.ceil(powers.length / 8);
  const digits = high / low > 1e3 ? [1] : [1, 2, 5];
  return powers
    .filter((power) => power % step === 0)
    .flatMap((power) => digits.map((digit) => Number(`${digit}e${power}`)))
    .filter((tick) => low <= tick && tick <= high);
}

function drawMark(plot, shape, [x, y], colour) {
  const size = 4 * devicePixelRatio;
  const path = new Path2D();
  const hollow = shape === "square"; // a site inside a residual block
  if (hollow) path.rect(x - size, y - size, 2 * size, 2 * size);
  else if (shape === "circle") path.arc(x, y, size, 0, 2 * Math.PI);
  else {
    path.moveTo(x, y - 1.2 * size);
    path.lineTo(x + 1.1 * size, y + size);
    path.lineTo(x - 1.1 * size, y + size);
    path.closePath();
  }
  plot.ctx.save(); // uPlot remembers what it set last
  plot.ctx.setLineDash([]);
  plot.ctx.fillStyle = hollow ? themed("--pst-color-background") : colour;
  plot.ctx.strokeStyle = hollow ? colour : themed("--pst-color-text-base");
  plot.ctx.lineWidth = (hollow ? 2 : 1) * devicePixelRatio;
  plot.ctx.fill(path);
  plot.ctx.stroke(path);
  plot.ctx.restore();
}

// A value as it is drawn: a logarithmic axis ends at the floor of float arithmetic.
const plotted = (value, { scale, floor }) => (scale.log ? Math.max(value, floor) : value);

function drawBySite(holder, entries, view) {
  const { metric, scale, lastSite } = view;
  const x = Array.from({ length: lastSite + 1 }, (_, site) => site);
  const bySite = (sites, values) => {
    const found = new Map(sites.map((site, place) => [site, values[place]]));
    return x.map((site) => {
      const value = found.get(site) ?? null;
      return value === null ? null : plotted(value, view);
    });
  };
  const plain = { points: { show: false } };
  const muted = themed("--pst-color-text-muted");
  const [data, series] = [[x], [{}]];
  const add = (values, style) => {
    data.push(values);
    series.push({ ...plain, spanGaps: true, ...style });
  };
  for (const { network, run, place, look } of entries) {
    run[metric.name].forEach((values, other) => {
      if (other !== place) add(bySite(network.sites, values), { stroke: look.colour, alpha: 0.35, width: 1, dash: look.dash });
    });
  }
  const lines = metric.line?.of ? entries : metric.line ? entries.slice(0, 1) : []; // a threshold is the same for all
  for (const { run, place, look } of lines) {
    const stroke = metric.line.of ? look.colour : muted;
    add(x.map(() => lineOf(run, place, metric.line)), { stroke, width: 1.5, dash: [2, 3] });
  }
  for (const { network, run, place, look } of entries) {
    const values = bySite(network.sites, run[metric.name][place]);
    const show = (plot) => {
      values.forEach((value, site) => {
        if (value === null) return;
        const shape = network.inner[network.sites.indexOf(site)] ? "square" : look.mark;
        drawMark(plot, shape, [plot.valToPos(site, "x", true), plot.valToPos(value, "y", true)], look.colour);
      });
      return false; // all points are drawn
    };
    add(values, { stroke: look.colour, width: 2.5, dash: look.dash, points: { show } });
  }
  const axis = {
    stroke: themed("--pst-color-text-base"),
    font: "13px sans-serif",
    labelFont: "13px sans-serif",
    grid: { stroke: muted, width: 0.3 },
    ticks: { stroke: muted, width: 0.5 },
  };
  const plainly = (tick) => String(Number(tick.toPrecision(6)));
  const logarithmic = { splits: () => logTicks(scale.range), filter: (_, ticks) => ticks };
  const options = {
    width: holder.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: false, range: [-0.3, lastSite + 0.3] },
      y: { distr: scale.log ? 3 : 1, range: scale.range },
    },
    axes: [
      { ...axis, label: "site (weight layer), from input to output", incrs: [1, 2, 5, 10] },
      { ...axis, label: metric.axis, size: 66, values: (_, ticks) => ticks.map(plainly), ...(scale.log && logarithmic) },
    ],
    series,
  };
  return new uPlot(options, data, holder);
}
