// Units that follow a feature of a text, and the commonest tokens.

/**
 * The units whose memory correlates most with a feature, in all layers, the strongest first.
 * @param {Reading} run @param {Vocabulary} text @param {string} memory "cell" or "hidden"
 * @param {Set<number> | null} words the feature: being one of them; null: being inside quotation marks
 */
function unitsThatFollow(run, text, memory, words) {
  const joiner = new Detokenizer(text);
  const feature = run.ids.map((id) => {
    joiner.add(id);
    return Number(words ? words.has(id) : joiner.spacing.double > 0 || joiner.spacing.single > 0);
  });
  const found = run.model.layers.flatMap(({ size }, layer) => {
    const states = run.steps.map((steps) => valuesOf(steps[layer], memory));
    return Array.from({ length: size }, (_, unit) => ({ layer, unit, correlation: correlation(states.map((s) => s[unit]), feature) }));
  });
  return found.sort((a, b) => Math.abs(b.correlation) - Math.abs(a.correlation));
}

/** The most frequent of some ids, the commonest first. @param {number[]} ids @param {number} count */
function commonest(ids, count) {
  /** @type {Map<number, number>} */
  const counts = new Map();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, count).map(([id]) => id);
}

/** @param {number[]} a @param {number[]} b */
function correlation(a, b) {
  const mean = (/** @type {number[]} */ x) => x.reduce((s, v) => s + v, 0) / x.length, ma = mean(a), mb = mean(b);
  let ab = 0, aa = 0, bb = 0;
  a.forEach((v, i) => {
    ab += (v - ma) * (b[i] - mb);
    aa += (v - ma) ** 2;
    bb += (b[i] - mb) ** 2;
  });
  return ab / Math.sqrt(aa * bb) || 0;
}
