// Line charts that fit their place and show values at the pointer.

/**
 * @typedef {{name: string, points: number[][], style: number, dots?: boolean}} Series
 * @typedef {{name: string, at: number, vertical?: boolean}} Guide a dashed line with a label
 */

/** Round values between two others. @param {number} low @param {number} high @param {number} count */
function ticks(low, high, count) {
  const raw = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw) ?? raw, values = [];
  for (let k = Math.ceil(low / step); k * step <= high + step / 1e6; k++) values.push(k * step);
  return values;
}

/**
 * Draw a chart.
 * @param {any} host
 * @param {{title: string, x: string, series: Series[], guides?: Guide[], log?: boolean,
 *   value?: (y: number) => string, xs?: number[], at?: (x: number) => string, right?: {name: string, of: (y: number) => number}}} chart
 */
function drawChart(host, { title, x, series, guides = [], log = false, value = short, xs: marks, at: place = short, right }) {
  const drawn = series.filter(({ points }) => points.length), all = drawn.flatMap(({ points }) => points);
  host.replaceChildren(el("h3", {}, title));
  if (!all.length) return host.append(el("p", { class: "quiet" }, "nothing was recorded"));
  const width = Math.max(240, host.clientWidth), height = 210, left = 44, below = 170, end = width - (right ? 44 : 22);
  const to = (/** @type {number} */ y) => (log ? Math.log10(Math.max(y, 1e-12)) : y);
  const levels = guides.filter((g) => !g.vertical).map((g) => to(g.at));
  const ys = [...all.map((p) => to(p[1])), ...levels], xs = all.map((p) => p[0]);
  let low = Math.min(...ys), high = Math.max(...ys);
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  low -= margin;
  high += margin;
  const first = Math.min(...xs), last = Math.max(...xs);
  const px = (/** @type {number} */ v) => left + ((v - first) / (last - first || 1)) * (end - left);
  const py = (/** @type {number} */ v) => below - ((v - low) / (high - low)) * (below - 14);
  const picture = el("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: 0, "aria-label": title });
  const label = (/** @type {number} */ at, /** @type {number} */ up, /** @type {string} */ words, anchor = "middle") =>
    picture.append(el("text", { x: at, y: up, "text-anchor": anchor }, words));
  const level = (/** @type {number} */ y) => (log ? `1e${Math.round(y)}` : short(y));
  for (const y of ticks(low, high, 4).filter((v) => !log || Number.isInteger(v))) {
    picture.append(el("line", { class: "grid", x1: left, x2: end, y1: py(y), y2: py(y) }));
    label(left - 6, py(y) + 4, level(y), "end");
    if (right) label(end + 6, py(y) + 4, short(right.of(y)), "start");
  }
  for (const v of marks ?? ticks(first, last, width < 500 ? 4 : 6).filter(Number.isInteger)) label(px(v), below + 16, place(v));
  label((left + end) / 2, below + 32, x);
  if (right) label(width, 11, right.name, "end");
  for (const { points, style, dots } of drawn) {
    const path = points.map(([a, b], i) => `${i ? "L" : "M"}${px(a).toFixed(1)} ${py(to(b)).toFixed(1)}`).join("");
    picture.append(el("path", { class: `series s${style}`, d: path }));
    if (dots || points.length < 2)
      for (const [a, b] of points) picture.append(el("circle", { class: `s${style}`, cx: px(a), cy: py(to(b)), r: 3 }));
  }
  for (const { name, at, vertical } of guides) {
    const on = vertical ? px(at) : py(to(at)), late = on > (left + end) / 2;
    if (vertical && (at > last || at < first)) continue;
    picture.append(el("line", vertical ? { class: "guide", x1: on, x2: on, y1: 14, y2: below } : { class: "guide", x1: left, x2: end, y1: on, y2: on }));
    if (vertical) label(late ? on - 4 : on + 4, 52, name, late ? "end" : "start");
    else label(end - 4, on - 4, name, "end");
  }
  const cursor = el("line", { class: "cursor", y1: 14, y2: below, x1: -9, x2: -9 });
  const readout = el("p", { class: "readout", "aria-live": "polite" });
  picture.append(cursor);
  const places = [...new Set(xs)].sort((a, b) => a - b);
  let at = places.length - 1;
  const nearest = (/** @type {number[][]} */ points) => points.reduce((a, b) => (Math.abs(b[0] - places[at]) < Math.abs(a[0] - places[at]) ? b : a));
  const show = () => {
    for (const side of ["x1", "x2"]) cursor.setAttribute(side, px(places[at]));
    readout.replaceChildren(`${x} ${place(places[at])}`);
    for (const { name, points, style } of drawn) {
      const y = nearest(points)[1], also = right ? `, ${right.name} ${short(right.of(y))}` : "";
      readout.append(" · ", el("span", { class: `key s${style}` }, `${name} ${value(y)}${also}`));
    }
  };
  picture.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    const box = picture.getBoundingClientRect(), v = first + ((event.clientX - box.left - left) / (end - left)) * (last - first);
    at = places.reduce((best, p, i) => (Math.abs(p - v) < Math.abs(places[best] - v) ? i : best), 0);
    show();
  });
  picture.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    at = Math.min(places.length - 1, Math.max(0, at + step));
    event.preventDefault();
    show();
  });
  show();
  cursor.setAttribute("x1", "-9");
  cursor.setAttribute("x2", "-9");
  host.append(picture, readout);
}
