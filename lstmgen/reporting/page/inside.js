// Inside the model: gates, states, gradients and equations of a text, word by word.

const UNITS = 40; // rows of a heat map
const LONGEST = 400; // words of a text that are shown
const REST = 120; // milliseconds for which the pointer rests on a word before all of its curves are drawn
const UNCHANGED = 150; // milliseconds without a change after which the text of the pen is taken
const SURVEYED = 600; // tokens of the training text in which units are searched

/** @param {Pen} pen @param {any} data the page's data */
function showInside(pen, data) {
  const { model, text, training } = pen, memory = model.hasCell ? "cell" : "hidden", panels = panelsOf(model);
  const fresh = model.untrained(data.model.seed);
  let ids = [...pen.ids], reading = pen.reading.first(LONGEST), word = ids.length - 1, layer = 0, unit = -1;
  let order = /** @type {number[]} */ ([]), clamp = /** @type {Clamp | null} */ (null);
  let corpus = /** @type {Reading | null} */ (null), waiting = 0, untrained = /** @type {Reading | null} */ (null);
  const view = new WordView($("inside-text"), text, { hover: (i) => look(i, false), pick: (i) => look(i, true) }), { spans } = view;
  const $layer = $("layer"), $unit = $("unit"), $gate = $("clamp-gate"), $value = $("clamp-value");
  model.layers.forEach(({ size }, i) => $layer.append(el("option", { value: i }, `${i + 1} (${size} units)`)));
  for (const span of document.querySelectorAll(".memory-name")) span.textContent = model.hasCell ? "cell state" : "hidden state";
  model.gates.forEach(({ name }) => $gate.append(el("option", { value: name }, name)));

  const at = (/** @type {number} */ t) => reading.steps[t][layer], memoryAt = (/** @type {number} */ t) => valuesOf(at(t), memory);

  /** Take the pen's text or the typed sentence. */
  const open = () => {
    const own = $("own").value.trim(), typed = text.encode(own);
    ids = (own ? [...pen.start, ...typed.ids] : pen.ids).slice(0, LONGEST);
    $("own-unknown").textContent = text.notice(typed.unknown);
    reading = own ? new Reading(model, ids) : pen.reading.first(LONGEST);
    $("cut").hidden = own || pen.ids.length <= LONGEST;
    untrained = null;
    word = ids.length - 1;
    const all = ids.map((_, t) => memoryAt(t));
    const spread = Array.from({ length: model.layers[layer].size }, (_, u) => {
      const mean = all.reduce((sum, v) => sum + v[u], 0) / all.length;
      return all.reduce((sum, v) => sum + (v[u] - mean) ** 2, 0);
    });
    order = highest(spread, spread.length);
    if (unit < 0 || unit >= spread.length) unit = order[0];
    view.show(ids);
    show();
  };

  /** @param {number} i @param {boolean} keep whether the word stays chosen */
  const look = (i, keep) => {
    if (keep) word = i;
    if (keep) show();
    else explain(i);
  };

  /** @param {number} i */
  const explain = (i) => {
    showGradient(i, false);
    clearTimeout(waiting);
    waiting = setTimeout(() => showGradient(i), REST); // the untrained model takes as long again
  };

  const show = () => {
    $unit.value = unit;
    $unit.max = model.layers[layer].size - 1;
    $("of-units").textContent = `of 0 to ${$unit.max}`;
    const paint = scale(true);
    spans.forEach((span, t) => {
      shade(span, paint(memoryAt(t)[unit]));
      span.classList.toggle("chosen", t === word);
    });
    showMaps();
    explain(word);
    showNumbers();
    showPlaces();
    showClamp();
  };

  const showMaps = () => {
    const rows = order.slice(0, UNITS);
    if (!rows.includes(unit)) rows.unshift(unit);
    $("rows").textContent = `the ${Math.min(UNITS, order.length)} of ${order.length} units whose ${memory} state changes most over this text, largest change first`
      + (order.indexOf(unit) < UNITS ? "" : `, below unit ${unit}`);
    $("maps").replaceChildren(...heatMaps({ text, ids, steps: ids.map((_, t) => at(t)), panels, rows, word, unit }, (t, u) => {
      word = t;
      unit = u;
      show();
    }));
  };

  /** What mattered to the prediction of a word. @param {number} i its place @param {boolean} whole whether the untrained model is measured, too */
  const showGradient = (i, whole = true) => {
    const count = Math.max(1, i), scores = reading.next(count);
    const target = i < 1 || ids[i] >= model.vocabSize ? highest(scores, 1)[0] : ids[i];
    const norms = reading.gradientNorms(count, target, layer);
    if (whole) untrained = untrained ?? new Reading(fresh, ids);
    const other = whole && untrained ? untrained.gradientNorms(count, target, layer).states : [];
    const most = Math.max(...norms.words), own = reachCurve(norms.states), before = reachCurve(other), read = count - pen.start.length;
    spans.forEach((span, t) => (span.style.borderBottomWidth = t < count ? `${Math.round((5 * norms.words[t]) / (most || 1))}px` : "0"));
    $("prediction").replaceChildren(`The prediction of “${text.name(target)}” (${percent(Math.exp(scores[target]))}) ${read > 0 ? `after ${read} ${read === 1 ? "word" : "words"}` : "at the start"}; most likely: `,
      ...highest(scores, 5).flatMap((id) => [el("b", {}, text.name(id)), ` ${percent(Math.exp(scores[id]))}  `]));
    $("reach").textContent = `Layer ${layer + 1}: compared with one word back, ${describeReach(own, count)}`
      + `${other.length ? ` (before training: ${describeReach(before, count)})` : ""}. The window of the training was ${data.model.window} words.`;
    drawReach($("gradient"), `hidden${model.hasCell ? " and cell" : ""} state of layer ${layer + 1}`, data.model.window, own, before);
  };

  const showNumbers = () => {
    const step = at(word), same = ids.flatMap((id, t) => (id === ids[word] ? [t] : []));
    const mean = (/** @type {string} */ name, /** @type {number[]} */ places) => meanOf(places.map(at), name);
    const head = ["", `unit ${unit}`, "mean of all units", `… at every “${text.name(ids[word])}”`, "… over this text"];
    fillTable($("means"), head, panels.map(({ name, title }) =>
      [title, short(valuesOf(step, name)[unit]), mean(name, [word]), mean(name, same), mean(name, ids.map((_, t) => t))]));
    $("after-reading").textContent = `After reading “${text.name(ids[word])}”`;
    $("equations").textContent = [`“${text.name(ids[word])}”, layer ${layer + 1}, unit ${unit}`, "", ...spellOut(model, layer, step, unit), "", ...data.model.equations].join("\n");
  };

  const showPlaces = () => {
    if (!training || !data.training.units) return $("places").replaceChildren();
    const { count, layers } = data.training.units, places = layers[layer].slice(unit * count, (unit + 1) * count).filter((/** @type {number} */ place) => place >= 0);
    $("places").replaceChildren(el("p", {}, `Unit ${unit} of layer ${layer + 1} is highest in the training text here:`),
      ...places.map((/** @type {number} */ place) => {
        const joiner = new Detokenizer(text), line = el("p", { class: "place" });
        for (let i = Math.max(0, place - 80); i < Math.min(training.ids.length, place + 8); i++) {
          const added = joiner.add(training.ids[i]).replace(/\n/g, " ");
          if (i > place - 14) line.append(i === place ? el("b", {}, added) : added);
        }
        line.append(el("small", {}, ` ${training.locateToken(place)}`));
        return line;
      }));
  };

  const showClamp = () => {
    const gate = $gate.value, { signed } = /** @type {any} */ (panels.find((p) => p.name === gate));
    $value.min = signed ? -1 : 0;
    const before = reading.next(word + 1);
    if (!clamp) $value.value = valuesOf(at(word), gate)[unit];
    $("clamp-at").textContent = Number($value.value).toFixed(2);
    const after = clamp ? new Reading(model, ids.slice(0, word + 1), clamp).next() : before;
    $("clamp-reset").disabled = !clamp;
    const changed = [...new Set([...highest(before, 5), ...highest(after, 5)])];
    fillTable($("clamped"), ["next word", "as trained", ...(clamp ? [`${gate} of unit ${unit} at ${short(clamp.value)}`] : [])],
      changed.map((id) => [text.name(id), percent(Math.exp(before[id])), ...(clamp ? [percent(Math.exp(after[id]))] : [])]));
  };

  const search = () => {
    const wanted = text.encode($("feature-word").value).ids, byQuotes = $("feature").value === "quotes";
    const known = byQuotes || wanted.some((id) => id < model.vocabSize);
    if (!known) return $("found").replaceChildren("This word is not in the vocabulary.");
    const { run, own } = survey(), found = unitsThatFollow(run, text, memory, byQuotes ? null : new Set(wanted)).slice(0, 5);
    $("found").replaceChildren(...found.map((f) => el("button", { type: "button", onclick: () => pick(f.layer, f.unit) },
      `layer ${f.layer + 1}, unit ${f.unit}`, el("small", {}, ` ${f.correlation.toFixed(2)}`))),
      el("span", { class: "quiet" }, ` correlation with the ${memory} state, over ${run.ids.length} words of ${own ? "this text" : "the training text"}`));
    if (found.length) pick(found[0].layer, found[0].unit);
  };
  /** The beginning of the training text, or this text if the page has no other. */
  const survey = () => {
    if (!training || !training.complete) return { run: reading, own: true };
    corpus = corpus ?? new Reading(model, training.ids.slice(0, SURVEYED));
    return { run: corpus, own: false };
  };
  const showMeans = () => {
    const { run, own } = survey(), frequent = commonest(run.ids, 10), head = ["token", ...panels.map((p) => p.title)];
    const row = (/** @type {string} */ name, /** @type {number[]} */ places) =>
      [name, ...panels.map((p) => meanOf(places.map((t) => run.steps[t][layer]), p.name))];
    const rows = [...frequent.map((id) => row(text.name(id), run.ids.flatMap((other, t) => (other === id ? [t] : [])))),
      row("all tokens", run.ids.map((_, t) => t))];
    fillTable($("token-means"), head, rows);
    $("surveyed").textContent = `Means over all units of layer ${layer + 1}, at the commonest tokens among ${run.ids.length} of ${own ? "this text" : "the training text"}.`;
  };
  const pick = (/** @type {number} */ place, /** @type {number} */ u) => {
    clamp = null;
    unit = u < 0 ? -1 : Math.min(Math.floor(u) || 0, model.layers[place].size - 1); // -1: the one that changes most
    if (place === layer) return show();
    $layer.value = layer = place;
    open();
    showMeans();
  };
  $layer.addEventListener("change", () => pick(Number($layer.value), -1));
  $unit.addEventListener("change", () => pick(layer, Number($unit.value)));
  $("own").addEventListener("input", open);
  $("find").addEventListener("click", search);
  $("feature").addEventListener("change", () => ($("feature-word").disabled = $("feature").value === "quotes"));
  $("inside-text").addEventListener("mouseleave", () => explain(word));
  for (const event of ["change", "input"]) $value.addEventListener(event, () => {
    clamp = { layer, gate: $gate.value, unit, value: Number($value.value) };
    showClamp();
  });
  const release = () => {
    clamp = null;
    showClamp();
  };
  $("clamp-reset").addEventListener("click", release);
  $gate.addEventListener("change", release);
  let stale = 0;
  pen.listeners.push(() => {
    clearTimeout(stale);
    stale = setTimeout(() => pen.running || $("own").value.trim() || open(), UNCHANGED);
  });
  redraw(show);
  open();
  setTimeout(showMeans, 400); // after the page has opened
}
