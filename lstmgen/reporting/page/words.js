// The words: which are near each other, and where the commonest lie.

/** @param {Model} model @param {Vocabulary} text @param {any} map the key "map" of the page's data */
function showVocabulary(model, text, map) {
  const vectors = text.entries.map((_, id) => model.wordVector(id)), norms = vectors.map(norm), near = $("near");
  const look = (/** @type {number | undefined} */ id) => {
    if (id === undefined || id >= text.entries.length) return $("neighbors").replaceChildren("This word is not in the vocabulary.");
    const likeness = vectors.map((v, other) => (other === id || text.specials.has(other) ? -2
      : v.reduce((sum, x, j) => sum + x * vectors[id][j], 0) / (norms[id] * norms[other] || 1)));
    $("neighbors").replaceChildren(...highest(likeness, 10).map((other) => el("li", {}, text.name(other), el("small", {}, ` ${likeness[other].toFixed(2)}`))));
    for (const dot of $("map").querySelectorAll("text")) dot.classList.toggle("chosen", Number(dot.dataset.id) === id);
  };
  const search = () => look(text.encode(near.value.trim()).ids[0]);
  near.addEventListener("input", search);
  redraw(() => {
    const width = Math.max(280, $("map").clientWidth), height = Math.min(560, width), taken = /** @type {number[][]} */ ([]);
    const picture = el("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "map of the commonest words" });
    for (const [id, x, y] of map) {
      const px = 20 + ((x + 1) / 2) * (width - 80), py = 12 + ((1 - y) / 2) * (height - 24), room = 7 * text.name(id).length + 4;
      const free = taken.every(([a, b, wide]) => Math.abs(b - py) > 11 || px > a + wide || a > px + room);
      if (free) taken.push([px, py, room]);
      const label = el(free ? "text" : "circle", free ? { x: px, y: py + 4, "data-id": id } : { class: "s1", cx: px, cy: py, r: 2 }, ...(free ? [text.name(id)] : [el("title", {}, text.name(id))]));
      label.addEventListener("click", () => {
        near.value = text.surfaces[id];
        look(id);
      });
      picture.append(label);
    }
    $("map").replaceChildren(picture);
  });
  near.value = map.length ? text.surfaces[map[Math.min(40, map.length - 1)][0]] : "";
  search();
}
