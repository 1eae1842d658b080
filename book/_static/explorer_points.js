// The words about a point: its site, epoch and value. The point is the one nearest to the mouse or the finger, or the one
// that the arrow keys have reached. The ring around the point holds the words, so that one element is seen and read out.
"use strict";

const REACH = 24; // pixels around a point that stand for it
const AHEAD = 6; // pixels by which a mark counts as nearer than the thin lines around it

function tellPoints(holder, plot, entries, view, ring) {
  const { over } = plot;
  const name = view.metric.axis;

  // Only once the plot has its size, so not before it is asked.
  const points = () =>
    entries.flatMap(({ network, run, place }, order) =>
      run[view.metric.name].flatMap((values, other) =>
        network.sites.flatMap((site, number) => {
          const value = values[number];
          if (value === null) return [];
          const words = `${order ? "second run, " : ""}site ${site}, epoch ${run.epochs[other]}: ${name} ${value}`;
          const [left, top] = [plot.valToPos(site, "x"), plot.valToPos(plotted(value, view), "y")];
          return [{ left, top, words, marked: other === place }];
        }),
      ),
    );

  function tell({ left, top, words }) {
    const [inner, outer] = [over.getBoundingClientRect(), ring.parentElement.getBoundingClientRect()];
    const across = inner.left - outer.left + left;
    ring.style.left = `${across}px`;
    ring.style.top = `${inner.top - outer.top + top}px`;
    ring.style.setProperty("--across", across / outer.width); // the share of the words that stands left of the ring
    ring.replaceChildren(Object.assign(document.createElement("span"), { textContent: words }));
  }

  const clear = () => ring.replaceChildren();

  function point({ clientX, clientY }) {
    const { left, top } = over.getBoundingClientRect();
    const far = (one) => Math.hypot(one.left - clientX + left, one.top - clientY + top) - (one.marked ? AHEAD : 0);
    const [nearest] = points().sort((one, other) => far(one) - far(other));
    if (nearest && far(nearest) < REACH) tell(nearest);
    else clear();
  }

  let reached = -1;

  function press(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") clear();
    if (!step) return;
    event.preventDefault();
    const marks = points().filter(({ marked }) => marked);
    reached = Math.min(Math.max(reached + step, 0), marks.length - 1);
    if (marks.length) tell(marks[reached]);
  }

  over.addEventListener("pointermove", point);
  over.addEventListener("pointerdown", point);
  over.addEventListener("pointerleave", ({ pointerType }) => pointerType === "mouse" && clear()); // a reader lifts the finger to read
  holder.tabIndex = 0;
  holder.addEventListener("keydown", press);
  holder.addEventListener("blur", clear);
}
