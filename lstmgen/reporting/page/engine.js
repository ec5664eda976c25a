"use strict";
// The language model of the page: one word at a time, forward and backward. It uses no DOM.
// Vectors are Float64Array; matrices are Float32Array, row by row, as the checkpoint has them.

/**
 * @typedef {{shape: number[], data: string}} PackedTensor float32 as base64, little-endian
 * @typedef {{rows: number, columns: number, values: Float32Array}} Matrix
 * @typedef {{hidden: Float64Array, cell: Float64Array}} State cell is empty if the cell has none
 * @typedef {{layer: number, gate: string, unit: number, value: number}} Clamp
 * @typedef {{x: Float64Array, before: State, after: State, gates: Record<string, Float64Array>,
 *   sums: Record<string, number[]>}} Step
 * @typedef {{matrix: Matrix, bias: Float32Array, projection: Matrix | null}} Softmax
 * @typedef {{size: number, ih: Matrix, hh: Matrix, biasIh: Float32Array, biasHh: Float32Array,
 *   peephole: Matrix | null}} Layer
 */

/** The bytes of a base64 text. @param {string} text */
function decodeBase64(text) {
  const values = new Uint8Array(128);
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (let i = 0; i < 64; i++) values[letters.charCodeAt(i)] = i;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3);
  const sextet = (/** @type {number} */ i) => values[text.charCodeAt(i)];
  for (let i = 0, o = 0; i < text.length; i += 4) {
    const four = (sextet(i) << 18) | (sextet(i + 1) << 12) | (sextet(i + 2) << 6) | sextet(i + 3);
    bytes[o++] = four >> 16;
    bytes[o++] = four >> 8;
    bytes[o++] = four;
  }
  return padding ? bytes.slice(0, -padding) : bytes;
}

/** Whole numbers packed as LEB128. @param {string} text base64 */
function decodeNumbers(text) {
  const numbers = [];
  let number = 0, scale = 1;
  for (const byte of decodeBase64(text)) {
    number += (byte & 127) * scale;
    scale *= 128;
    if (byte < 128) {
      numbers.push(number);
      number = 0;
      scale = 1;
    }
  }
  return numbers;
}

/** @param {PackedTensor} tensor @returns {Matrix} */
function unpack({ shape, data }) {
  return { rows: shape[0], columns: shape[1] ?? 1, values: new Float32Array(decodeBase64(data).buffer) };
}

/** out += M x. @param {Matrix} m @param {Float64Array} x @param {Float64Array} out */
function addProduct(m, x, out) {
  const { rows, columns, values } = m;
  for (let r = 0, p = 0; r < rows; r++) {
    let a = 0, b = 0, c = 0, d = 0, j = 0;
    for (; j + 3 < columns; j += 4, p += 4) {
      a += values[p] * x[j];
      b += values[p + 1] * x[j + 1];
      c += values[p + 2] * x[j + 2];
      d += values[p + 3] * x[j + 3];
    }
    for (; j < columns; j++, p++) a += values[p] * x[j];
    out[r] += a + b + c + d;
  }
  return out;
}

/** out += M^T d. @param {Matrix} m @param {Float64Array} d @param {Float64Array} out */
function addTransposed(m, d, out) {
  const { rows, columns, values } = m;
  let r = 0, p = 0;
  for (; r + 3 < rows; r += 4, p += 4 * columns) {
    const a = d[r], b = d[r + 1], c = d[r + 2], e = d[r + 3], p2 = p + columns, p3 = p2 + columns, p4 = p3 + columns;
    for (let j = 0; j < columns; j++) out[j] += a * values[p + j] + b * values[p2 + j] + c * values[p3 + j] + e * values[p4 + j];
  }
  for (; r < rows; r++, p += columns) for (let j = 0; j < columns; j++) out[j] += d[r] * values[p + j];
  return out;
}

const sigmoid = (/** @type {number} */ x) => 1 / (1 + Math.exp(-x));
const SQUASH = { sigmoid, tanh: Math.tanh };
const SLOPE = {
  sigmoid: (/** @type {number} */ y) => y * (1 - y),
  tanh: (/** @type {number} */ y) => 1 - y * y,
};

/** @param {Float64Array} x */
function norm(x) {
  return Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));
}

/** Log-probabilities. @param {Float64Array} logits */
function logSoftmax(logits) {
  const best = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const total = best + Math.log(logits.reduce((sum, z) => sum + Math.exp(z - best), 0));
  return logits.map((z) => z - total);
}

/** @param {Softmax} layer @param {Float64Array} hidden */
function softmaxLogits({ matrix, bias, projection }, hidden) {
  const input = projection ? addProduct(projection, hidden, new Float64Array(projection.rows)) : hidden;
  return addProduct(matrix, input, Float64Array.from(bias));
}

/** d hidden from d logits. @param {Softmax} layer @param {Float64Array} d */
function softmaxBackward({ matrix, projection }, d) {
  const input = addTransposed(matrix, d, new Float64Array(matrix.columns));
  return projection ? addTransposed(projection, input, new Float64Array(projection.columns)) : input;
}

/** A language model, from the page's data. */
class Model {
  /** @param {any} data the key "model" of the page's data */
  constructor(data) {
    /** @type {Record<string, Matrix>} */
    const weights = {};
    for (const name in data.weights) weights[name] = unpack(data.weights[name]);
    this.cell = /** @type {string} */ (data.cell);
    this.gates = /** @type {{name: string, letter: string, squash: "sigmoid" | "tanh"}[]} */ (data.gates);
    this.hasCell = /** @type {boolean} */ (data.has_cell);
    this.biases = /** @type {Record<string, number>} */ (data.initial_biases);
    this.vocabSize = /** @type {number} */ (data.vocab_size);
    this.embedding = weights["embedding.weight"] ?? null;
    /** @type {Layer[]} */
    this.layers = data.hidden_sizes.map((/** @type {number} */ size, /** @type {number} */ i) => {
      const part = (/** @type {string} */ name) => weights[`layers.${i}.${name}_l0`];
      return {
        size, ih: part("weight_ih"), hh: part("weight_hh"), peephole: part("weight_ch") ?? null,
        biasIh: part("bias_ih").values, biasHh: part("bias_hh").values,
      };
    });
    const tails = data.cluster_sizes.slice(1).map((/** @type {number} */ _, /** @type {number} */ i) => ({
      matrix: weights[`adaptive.tails.${i}.weight`], bias: weights[`adaptive.tails.${i}.bias`].values,
      projection: weights[`adaptive.tails.${i}.projection`],
    }));
    const adaptive = weights["adaptive.weight"];
    /** @type {Softmax} */
    this.head = {
      matrix: adaptive ?? weights["output_weight"] ?? this.embedding,
      bias: weights[adaptive ? "adaptive.bias" : "output_bias"].values,
      projection: weights["projection.weight"] ?? null,
    };
    this.tails = /** @type {Softmax[]} */ (tails);
    this.ranks = /** @type {number[]} */ (data.ranks); // of the adaptive softmax; else empty
    const width = this.embedding ? this.embedding.columns : this.vocabSize;
    this.unknown = /** @type {Float64Array} */ (new Float64Array(width)); // the mean vector of the words seen once
    for (const id of data.seen_once)
      this.vector(id).forEach((v, j) => (this.unknown[j] += v / data.seen_once.length));
  }

  /** The first layer's input for a word. @param {number} id */
  vector(id) {
    if (id >= this.vocabSize) return this.unknown;
    if (!this.embedding) return new Float64Array(this.vocabSize).fill(1, id, id + 1);
    const { columns, values } = this.embedding;
    return Float64Array.from(values.subarray(id * columns, (id + 1) * columns));
  }

  /** What stands for a word where words are compared. @param {number} id */
  wordVector(id) {
    if (this.embedding) return this.vector(id);
    const { rows, columns, values } = this.layers[0].ih;
    return Float64Array.from({ length: rows }, (_, r) => values[r * columns + id]);
  }

  /** The states before the first word. @returns {State[]} */
  zeroStates() {
    return this.layers.map(({ size }) => ({
      hidden: new Float64Array(size), cell: new Float64Array(this.hasCell ? size : 0),
    }));
  }

  /**
   * Read one word.
   * @param {number} id @param {State[]} states @param {Clamp | null} clamp
   * @returns {Step[]} one of each layer
   */
  read(id, states, clamp = null) {
    let x = this.vector(id);
    return this.layers.map((layer, i) => {
      const step = this.step(layer, x, states[i], clamp && clamp.layer === i ? clamp : null);
      x = step.after.hidden;
      return step;
    });
  }

  /** @param {Layer} layer @param {Float64Array} x @param {State} before @param {Clamp | null} clamp @returns {Step} */
  step(layer, x, before, clamp) {
    const n = layer.size;
    const fromX = addProduct(layer.ih, x, Float64Array.from(layer.biasIh));
    const fromH = addProduct(layer.hh, before.hidden, Float64Array.from(layer.biasHh));
    /** @type {Record<string, Float64Array>} */
    const gates = {};
    /** @type {Record<string, number[]>} the peepholes' part of each gate */
    const sums = {};
    const run = (/** @type {number} */ k, /** @type {Float64Array | null} */ scale, /** @type {Float64Array | null} */ peep) => {
      const { name, squash } = this.gates[k], values = new Float64Array(n);
      for (let u = 0, row = k * n; u < n; u++, row++)
        values[u] = SQUASH[squash](fromX[row] + (scale ? scale[u] : 1) * fromH[row] + (peep ? peep[u] : 0));
      if (clamp && clamp.gate === name) values[clamp.unit] = clamp.value;
      if (peep) sums[name] = Array.from(peep);
      return (gates[name] = values);
    };
    if (this.cell === "elman") {
      return { x, before, after: { hidden: run(0, null, null), cell: before.cell }, gates, sums };
    }
    if (this.cell === "gru") {
      const reset = run(0, null, null), update = run(1, null, null), candidate = run(2, reset, null);
      const hidden = candidate.map((g, u) => (1 - update[u]) * g + update[u] * before.hidden[u]);
      return { x, before, after: { hidden, cell: before.cell }, gates, sums };
    }
    const input = run(0, null, this.peep(layer, 0, before.cell));
    const forget = run(1, null, this.peep(layer, 1, before.cell)), candidate = run(2, null, null);
    const cell = before.cell.map((c, u) => forget[u] * c + input[u] * candidate[u]);
    const output = run(3, null, this.peep(layer, 2, cell));
    return { x, before, after: { hidden: output.map((o, u) => o * Math.tanh(cell[u])), cell }, gates, sums };
  }

  /** P c of gate k of i, f, o; null without peepholes. @param {Layer} layer @param {number} k @param {Float64Array} cell */
  peep({ peephole, size }, k, cell) {
    if (!peephole) return null;
    const { columns, values } = peephole;
    const part = values.subarray(k * size * columns, (k + 1) * size * columns);
    if (columns === 1) return cell.map((c, u) => c * part[u]);
    return addProduct({ rows: size, columns, values: part }, cell, new Float64Array(size));
  }

  /** P^T d of gate k. @param {Layer} layer @param {number} k @param {Float64Array} d @param {Float64Array} out */
  peepBackward({ peephole, size }, k, d, out) {
    if (!peephole) return;
    const { columns, values } = peephole;
    const part = values.subarray(k * size * columns, (k + 1) * size * columns);
    if (columns === 1) d.forEach((v, u) => (out[u] += v * part[u]));
    else addTransposed({ rows: size, columns, values: part }, d, out);
  }

  /** Logits of the next word (log-probabilities of an adaptive softmax). @param {Float64Array} hidden */
  logits(hidden) {
    const head = softmaxLogits(this.head, hidden);
    if (!this.ranks.length) return head;
    const first = logSoftmax(head), common = first.length - this.tails.length;
    const ranked = new Float64Array(this.ranks.length);
    ranked.set(first.subarray(0, common));
    let begin = common;
    this.tails.forEach((tail, k) => {
      const inner = logSoftmax(softmaxLogits(tail, hidden));
      ranked.set(inner.map((z) => z + first[common + k]), begin);
      begin += inner.length;
    });
    return Float64Array.from(this.ranks, (rank) => ranked[rank]);
  }

  /** d hidden of the loss of one word: -ln p(target). @param {Float64Array} hidden @param {number} target */
  lossGradient(hidden, target) {
    const d = logSoftmax(this.logits(hidden)).map(Math.exp);
    d[target] -= 1;
    if (!this.ranks.length) return softmaxBackward(this.head, d);
    const ranked = new Float64Array(d.length);
    this.ranks.forEach((rank, id) => (ranked[rank] = d[id]));
    const dHead = logSoftmax(softmaxLogits(this.head, hidden)).map(Math.exp); // d sums to 0
    const common = dHead.length - this.tails.length, out = new Float64Array(hidden.length);
    let begin = common, all = ranked.subarray(0, common).reduce((a, b) => a + b, 0);
    const sums = this.tails.map((tail) => {
      const inner = logSoftmax(softmaxLogits(tail, hidden)).map(Math.exp);
      const part = ranked.subarray(begin, (begin += inner.length)), sum = part.reduce((a, b) => a + b, 0);
      softmaxBackward(tail, part.map((v, j) => v - inner[j] * sum)).forEach((v, j) => (out[j] += v));
      return sum;
    });
    all += sums.reduce((a, b) => a + b, 0);
    const dLogits = dHead.map((p, j) => (j < common ? ranked[j] : sums[j - common]) - p * all);
    return softmaxBackward(this.head, dLogits).map((v, j) => v + out[j]);
  }

  /**
   * One step backward.
   * @param {Layer} layer @param {Step} step @param {State} d the gradient of the state after it
   * @returns {{before: State, x: Float64Array}}
   */
  stepBackward(layer, step, d) {
    const n = layer.size, { gates, before, after } = step;
    const fromX = new Float64Array(layer.ih.rows), fromH = new Float64Array(layer.ih.rows);
    const direct = new Float64Array(n), cell = new Float64Array(before.cell.length);
    const put = (/** @type {number} */ k, /** @type {number} */ u, /** @type {number} */ value) => (fromX[k * n + u] = fromH[k * n + u] = value);
    if (this.cell === "elman") {
      after.hidden.forEach((h, u) => put(0, u, d.hidden[u] * (1 - h * h)));
    } else if (this.cell === "gru") {
      const recurrent = addProduct(layer.hh, before.hidden, Float64Array.from(layer.biasHh));
      for (let u = 0; u < n; u++) {
        const r = gates.reset[u], z = gates.update[u], g = gates.candidate[u];
        const dCandidate = put(2, u, d.hidden[u] * (1 - z) * (1 - g * g));
        put(1, u, d.hidden[u] * (before.hidden[u] - g) * z * (1 - z));
        put(0, u, dCandidate * recurrent[2 * n + u] * r * (1 - r));
        fromH[2 * n + u] *= r;
        direct[u] = d.hidden[u] * z;
      }
    } else {
      const squashed = after.cell.map(Math.tanh);
      for (let u = 0; u < n; u++) put(3, u, d.hidden[u] * squashed[u] * SLOPE.sigmoid(gates.output[u]));
      const dCell = squashed.map((t, u) => d.cell[u] + d.hidden[u] * gates.output[u] * (1 - t * t));
      this.peepBackward(layer, 2, fromX.subarray(3 * n), dCell);
      for (let u = 0; u < n; u++) {
        put(0, u, dCell[u] * gates.candidate[u] * SLOPE.sigmoid(gates.input[u]));
        put(1, u, dCell[u] * before.cell[u] * SLOPE.sigmoid(gates.forget[u]));
        put(2, u, dCell[u] * gates.input[u] * SLOPE.tanh(gates.candidate[u]));
        cell[u] = dCell[u] * gates.forget[u];
      }
      this.peepBackward(layer, 0, fromX.subarray(0, n), cell);
      this.peepBackward(layer, 1, fromX.subarray(n, 2 * n), cell);
    }
    return {
      before: { hidden: addTransposed(layer.hh, fromH, direct), cell },
      x: addTransposed(layer.ih, fromX, new Float64Array(layer.ih.columns)),
    };
  }

  /** The same model with new layers before training: same vectors, same output. @param {number} seed */
  untrained(seed) {
    const random = new Random(seed), copy = /** @type {Model} */ (Object.create(this));
    copy.layers = this.layers.map(({ size, ih, hh, biasIh, biasHh, peephole }) => {
      const draw = (/** @type {Matrix} */ m) => ({ ...m, values: m.values.map(() => (2 * random.next() - 1) / Math.sqrt(size)) });
      const biases = biasIh.map((_, row) => this.biases[this.gates[Math.floor(row / size)].name] ?? 0);
      const zero = peephole && { ...peephole, values: peephole.values.map(() => 0) };
      return { size, ih: draw(ih), hh: draw(hh), biasIh: biases, biasHh: biasHh.map(() => 0), peephole: zero };
    });
    return copy;
  }
}

/** A text that a model reads from a zero state, with all that happened at each word. */
class Reading {
  /** @param {Model} model @param {number[]} ids @param {Clamp | null} clamp */
  constructor(model, ids = [], clamp = null) {
    this.model = model;
    this.clamp = clamp;
    this.ids = /** @type {number[]} */ ([]);
    this.steps = /** @type {Step[][]} */ ([]); // by word, then by layer
    ids.forEach((id) => this.push(id));
  }

  /** @param {number} id */
  push(id) {
    const last = this.steps[this.steps.length - 1];
    const states = last ? last.map((step) => step.after) : this.model.zeroStates();
    this.ids.push(id);
    this.steps.push(this.model.read(id, states, this.clamp));
  }

  /** The first words, as a reading of its own. @param {number} length */
  first(length) {
    const copy = new Reading(this.model);
    copy.ids = this.ids.slice(0, length);
    copy.steps = this.steps.slice(0, length);
    return copy;
  }

  /** Forget the words from a place on. @param {number} length */
  truncate(length) {
    this.ids.length = this.steps.length = Math.min(length, this.ids.length);
  }

  /** Log-probabilities of the word after the first words. @param {number} count at least 1 */
  next(count = this.ids.length) {
    const top = this.steps[count - 1];
    return logSoftmax(this.model.logits(top[top.length - 1].after.hidden));
  }

  /**
   * Gradient norms of the loss of the word after the first words.
   * @param {number} count words read @param {number} target the word whose loss it is
   * @param {number} place of the layer whose states are measured
   * @returns {{states: number[], words: number[]}} for each word read
   */
  gradientNorms(count, target, place) {
    const { model } = this, top = model.layers.length - 1;
    /** @type {(Float64Array | null)[]} */
    let dOutputs = new Array(count).fill(null);
    dOutputs[count - 1] = model.lossGradient(this.steps[count - 1][top].after.hidden, target);
    const states = new Array(count).fill(0), words = new Array(count).fill(0);
    for (let l = top; l >= 0; l--) {
      const layer = model.layers[l], empty = model.zeroStates()[l];
      let d = empty;
      const dInputs = new Array(count).fill(null);
      for (let t = count - 1; t >= 0; t--) {
        const outputs = dOutputs[t];
        if (outputs) d = { hidden: d.hidden.map((v, u) => v + outputs[u]), cell: d.cell };
        if (l === place) states[t] = Math.hypot(norm(d.hidden), norm(d.cell));
        const back = model.stepBackward(layer, this.steps[t][l], d);
        d = back.before;
        dInputs[t] = back.x;
        if (l === 0) words[t] = norm(back.x);
      }
      dOutputs = dInputs;
    }
    return { states, words };
  }
}
