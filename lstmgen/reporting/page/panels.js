// What is shown of a unit: its gates and its states.

/** @typedef {{name: string, title: string, signed: boolean}} Panel signed: from -1 to 1, else from 0 to 1 */

/** The gates of a model, then its states. @param {Model} model @returns {Panel[]} */
function panelsOf(model) {
  return [...model.gates.map((g) => ({ name: g.name, title: `${g.name} (${g.letter})`, signed: g.squash === "tanh" })),
    ...(model.hasCell ? [{ name: "cell", title: "cell, as tanh(c)", signed: true }] : []),
    { name: "hidden", title: "hidden (h)", signed: true }];
}

/** The values of all units. @param {Step} step @param {string} name of a panel */
function valuesOf(step, name) {
  return name === "cell" ? step.after.cell.map(Math.tanh) : name === "hidden" ? step.after.hidden : step.gates[name];
}

/** The mean over all units of a layer. @param {Step[]} steps of the layer @param {string} name of a panel */
function meanOf(steps, name) {
  const all = steps.flatMap((step) => [...valuesOf(step, name)]);
  return short(all.reduce((sum, v) => sum + v, 0) / all.length);
}
