// Heat maps of a text, one for each panel: a column for each word and a row for each unit.

/**
 * @param {{text: Vocabulary, ids: number[], steps: Step[], panels: Panel[], rows: number[], word: number, unit: number}} shown
 *   steps: of one layer, for each word; rows: the units, from the top; word, unit: those that are marked
 * @param {(word: number, unit: number) => void} pick
 */
function heatMaps({ text, ids, steps, panels, rows, word, unit }, pick) {
  return panels.map(({ name, title, signed }) => {
    const values = steps.map((step) => valuesOf(step, name));
    const reach = name === "hidden" ? Math.max(...values.map((all) => Math.max(...all.map(Math.abs)))) || 1 : 1;
    const paint = scale(signed, reach), canvas = el("canvas", { width: ids.length, height: rows.length, role: "img", "aria-label": `${title} by unit and word` });
    const brush = canvas.getContext("2d"), note = el("figcaption"), cells = brush.createImageData(ids.length, rows.length);
    const say = (/** @type {number} */ t, /** @type {number} */ u) =>
      (note.textContent = `${title}: ${short(values[t][u])} in unit ${u} at “${text.name(ids[t])}”`);
    say(word, unit);
    values.forEach((all, t) => rows.forEach((u, y) => cells.data.set([...paint(all[u]), 255], 4 * (y * ids.length + t))));
    brush.putImageData(cells, 0, 0);
    const find = (/** @type {MouseEvent} */ event) => ({ t: Math.floor((event.offsetX / canvas.clientWidth) * ids.length), u: rows[Math.floor((event.offsetY / canvas.clientHeight) * rows.length)] });
    canvas.addEventListener("mousemove", (/** @type {MouseEvent} */ event) => {
      const { t, u } = find(event);
      if (values[t] && u !== undefined) say(t, u);
    });
    canvas.addEventListener("mouseleave", () => say(word, unit));
    canvas.addEventListener("click", (/** @type {MouseEvent} */ event) => {
      const { t, u } = find(event);
      pick(t, u);
    });
    const column = el("div", { class: "marker" }), row = el("div", { class: "marker" });
    Object.assign(column.style, { left: `${(100 * word) / ids.length}%`, width: `${100 / ids.length}%`, top: 0, bottom: 0 });
    Object.assign(row.style, { top: `${(100 * rows.indexOf(unit)) / rows.length}%`, height: `${100 / rows.length}%`, left: 0, right: 0 });
    return el("figure", {}, note, el("div", { class: "map" }, canvas, column, row));
  });
}
