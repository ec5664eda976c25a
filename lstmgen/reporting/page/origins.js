// Where the words of a sample come from: the training contexts with the nearest states.

/** @param {any} origins the key "origins" of the page's data */
function showOrigins(origins) {
  if (!origins || !origins.words.length) return $("origins").remove();
  const show = (/** @type {any} */ { word, contexts }) => $("contexts").replaceChildren(
    el("p", {}, `“${word.trim() || "↵"}” was predicted from a state that is nearest to those after:`),
    ...contexts.map((/** @type {any} */ c) => el("p", { class: "place" }, `… ${c.before.replace(/\n/g, " ")} `, el("b", {}, c.followed_by.trim() || "↵"),
      el("small", {}, ` ${c.file}, line ${c.line}; similarity ${c.similarity.toFixed(2)}${c.same ? "; the same word" : ""}`))));
  $("origins-text").replaceChildren(origins.cue, ...origins.words.map((/** @type {any} */ origin) =>
    el("button", { type: "button", class: "plain", onclick: () => show(origin), onmouseenter: () => show(origin), onfocus: () => show(origin) }, origin.text)));
  show(origins.words[0]);
}
