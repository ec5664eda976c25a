// Drawing words: temperature and top-p, from a generator with a seed.

/** Uniform numbers from a seed (xorshift, Marsaglia 2003). */
class Random {
  /** @param {number} seed */
  constructor(seed) {
    this.state = Math.imul(seed + 1, 0x9e3779b1) || 1; // so that near seeds begin far apart
    for (let i = 0; i < 8; i++) this.next();
  }

  /** The next number, in [0, 1). */
  next() {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) / 2 ** 32;
  }
}

/** The ids of the highest values, highest first; ties by id. @param {ArrayLike<number>} values @param {number} count */
function highest(values, count) {
  /** @type {number[]} */
  const best = [];
  for (let id = 0; id < values.length; id++) {
    if (best.length === count && values[id] <= values[best[count - 1]]) continue;
    let at = best.length;
    while (at && values[best[at - 1]] < values[id]) at--;
    best.splice(at, 0, id);
    if (best.length > count) best.pop();
  }
  return best;
}

/**
 * Draw a word.
 * @param {Float64Array} scores log-probabilities; words that may not be drawn have -Infinity
 * @param {{temperature: number, topP: number}} settings @param {Random} random
 */
function draw(scores, { temperature, topP }, random) {
  const [best] = highest(scores, 1);
  if (temperature <= 0) return best;
  const weights = scores.map((z) => Math.exp((z - scores[best]) / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  // Together, the words below this weight have less than 1 - p, so they need no sorting.
  const least = ((1 - topP) * total) / weights.length;
  const likely = /** @type {number[]} */ ([]);
  weights.forEach((weight, id) => {
    if (weight > least) likely.push(id);
  });
  likely.sort((a, b) => weights[b] - weights[a] || a - b);
  let kept = 0, sum = 0;
  while (kept < likely.length && (topP >= 1 || sum < topP * total)) sum += weights[likely[kept++]];
  let left = random.next() * sum;
  for (const id of likely.slice(0, kept)) {
    left -= weights[id];
    if (left < 0) return id;
  }
  return best;
}
