// How far back the gradient of one prediction reaches.

const VANISHED = 1e-3; // of the gradient at the last word
const SMALLEST = 1e-8; // gradient that is drawn

/** Gradient norms by words back, as fractions of the last word's. @param {number[]} norms for each word read */
function reachCurve(norms) {
  const last = norms[norms.length - 1] || 1;
  return norms.map((n, t) => [norms.length - t, n / last]).reverse().filter(([, n]) => n > SMALLEST);
}

/** @param {number[][]} curve @param {number} count words read */
function describeReach(curve, count) {
  const far = Math.max(0, ...curve.filter(([, n]) => n >= VANISHED).map(([back]) => back));
  return far + 1 > count ? `more than a thousandth of it is left after all ${count} words` : `it stays below a thousandth of that from ${far + 1} words back on`;
}

/**
 * @param {any} host @param {string} state whose gradient it is
 * @param {number} window words of the window of the training @param {number[][]} own @param {number[][]} other before training
 */
function drawReach(host, state, window, own, other) {
  drawChart(host, {
    title: `How far back it reaches: gradient at the ${state}`, x: "words back", log: true,
    guides: [{ name: `window ${window}`, at: window, vertical: true }, { name: "a thousandth", at: VANISHED }],
    series: [{ name: "before training", points: other, style: 1 }, { name: "this model", points: own, style: 0 }],
  });
}
