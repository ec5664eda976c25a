// The equations of a cell with the numbers of one unit.

/** The equations of a unit with its numbers, as lstmgen explain prints them. @param {Model} model @param {number} place @param {Step} step @param {number} u */
function spellOut(model, place, step, u) {
  const layer = model.layers[place], n = (/** @type {number} */ v) => v.toFixed(4);
  const plus = (/** @type {number[]} */ terms) => terms.map((v, i) => (i ? (v < 0 ? `- ${n(-v)}` : `+ ${n(v)}`) : n(v))).join(" ");
  const g = Object.fromEntries(model.gates.map(({ name }) => [name, n(step.gates[name][u])]));
  const line = Object.fromEntries(model.gates.map(({ name, letter, squash }, k) => {
    const row = k * layer.size + u, product = (/** @type {Matrix} */ m, /** @type {Float64Array} */ x) =>
      m.values.subarray(row * m.columns, (row + 1) * m.columns).reduce((sum, w, j) => sum + w * x[j], 0);
    const x = product(layer.ih, step.x), h = product(layer.hh, step.before.hidden), biasIh = layer.biasIh[row], biasHh = layer.biasHh[row];
    if (model.cell === "gru" && name === "candidate")
      return [name, `${letter} = ${squash}(${plus([x, biasIh])} + ${g.reset} * (${plus([h, biasHh])})) = ${g[name]}`];
    const terms = [x, h, ...(step.sums[name] ? [step.sums[name][u]] : []), biasIh + biasHh];
    return [name, `${letter} = ${squash}(${plus(terms)}) = ${squash}(${n(terms.reduce((a, b) => a + b, 0))}) = ${g[name]}`];
  }));
  const before = n(step.before.hidden[u]), after = n(step.after.hidden[u]);
  if (model.cell === "elman") return [line.candidate, `h' = g = ${after}`];
  if (model.cell === "gru") return [...Object.values(line), `h' = (1 - ${g.update}) * ${g.candidate} + ${g.update} * ${before} = ${after}`];
  const cell = n(step.after.cell[u]);
  return [line.input, line.forget, line.candidate, `c' = ${g.forget} * ${n(step.before.cell[u])} + ${g.input} * ${g.candidate} = ${cell}`,
    line.output, `h' = ${g.output} * tanh(${cell}) = ${after}`];
}
