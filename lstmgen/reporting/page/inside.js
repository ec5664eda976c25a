// Inside the model: gates, states, gradients and equations of a text, word by word.

const UNITS = 40; // rows of a heat map
const LONGEST = 400; // words of a text that are shown
const REST = 120; // milliseconds for which the pointer rests on a word before all of its curves are drawn
const VANISHED = 1e-3; // of the gradient at the last word

/** @param {Pen} pen @param {any} data the page's data */
function showInside(pen, data) {
  const { model, text, training } = pen, { gates } = model, memory = model.hasCell ? "cell" : "hidden";
  const fresh = model.untrained(data.model.seed);
  let ids = pen.ids, reading = pen.reading, word = ids.length - 1, layer = 0, unit = -1;
  let order = /** @type {number[]} */ ([]), clamp = /** @type {Clamp | null} */ (null);
  let waiting = 0, untrained = /** @type {Reading | null} */ (null);
  const view = new WordView($("inside-text"), text, { hover: (i) => look(i, false), pick: (i) => look(i, true) }), { spans } = view;
  const $layer = $("layer"), $unit = $("unit"), $gate = $("clamp-gate"), $value = $("clamp-value");
  model.layers.forEach(({ size }, i) => $layer.append(el("option", { value: i }, `${i + 1} (${size} units)`)));
  for (const span of document.querySelectorAll(".memory-name")) span.textContent = model.hasCell ? "cell state" : "hidden state";
  gates.forEach(({ name }) => $gate.append(el("option", { value: name }, name)));

  const values = (/** @type {Step} */ step, /** @type {string} */ name) =>
    name === "cell" ? step.after.cell.map(Math.tanh) : name === "hidden" ? step.after.hidden : step.gates[name];
  const panels = [...gates.map((g) => ({ name: g.name, title: `${g.name} (${g.letter})`, signed: g.squash === "tanh" })),
    ...(model.hasCell ? [{ name: "cell", title: "cell, as tanh(c)", signed: true }] : []), { name: "hidden", title: "hidden state (h)", signed: true }];
  const at = (/** @type {number} */ t) => reading.steps[t][layer];

  /** Take the pen's text or the typed sentence. */
  const open = () => {
    const own = $("own").value.trim();
    ids = (own ? [...pen.start, ...text.encode(own).ids] : pen.ids).slice(0, LONGEST);
    reading = own ? new Reading(model, ids) : pen.reading;
    $("cut").hidden = own || pen.ids.length <= LONGEST;
    untrained = null;
    word = ids.length - 1;
    const all = ids.map((_, t) => values(at(t), memory));
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
    $("of-units").textContent = `of 0 to ${$unit.max}; the rows are the ${Math.min(UNITS, order.length)} of ${order.length} whose ${memory} changes most over this text`;
    const paint = scale(true);
    spans.forEach((span, t) => {
      shade(span, paint(values(at(t), memory)[unit]));
      span.classList.toggle("chosen", t === word);
      span.title = `${memory} of unit ${unit}: ${short(at(t).after[/** @type {"cell" | "hidden"} */ (memory)][unit])}`;
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
    $("maps").replaceChildren(...panels.map(({ name, title, signed }) => {
      const paint = scale(signed), canvas = el("canvas", { width: ids.length, height: rows.length, role: "img", "aria-label": `${title} by unit and word` });
      const brush = canvas.getContext("2d"), note = el("figcaption");
      const say = (/** @type {number} */ t, /** @type {number} */ u) =>
        (note.textContent = `${title}: ${short(values(at(t), name)[u])} in unit ${u} at “${text.name(ids[t])}”`);
      say(word, unit);
      const cells = brush.createImageData(ids.length, rows.length);
      ids.forEach((_, t) => {
        const all = values(at(t), name);
        rows.forEach((u, y) => cells.data.set([...paint(all[u]), 255], 4 * (y * ids.length + t)));
      });
      brush.putImageData(cells, 0, 0);
      const find = (/** @type {MouseEvent} */ event) => ({ t: Math.floor((event.offsetX / canvas.clientWidth) * ids.length), u: rows[Math.floor((event.offsetY / canvas.clientHeight) * rows.length)] });
      canvas.addEventListener("mousemove", (/** @type {MouseEvent} */ event) => {
        const { t, u } = find(event);
        if (at(t) && u !== undefined) say(t, u);
      });
      canvas.addEventListener("mouseleave", () => say(word, unit));
      canvas.addEventListener("click", (/** @type {MouseEvent} */ event) => {
        ({ t: word, u: unit } = find(event));
        show();
      });
      return el("figure", {}, note, canvas);
    }));
  };

  /** What mattered to the prediction of a word. @param {number} i its place @param {boolean} whole whether the untrained model is measured, too */
  const showGradient = (i, whole = true) => {
    const count = Math.max(1, i), scores = reading.next(count);
    const target = i < 1 || ids[i] >= model.vocabSize ? highest(scores, 1)[0] : ids[i];
    const norms = reading.gradientNorms(count, target, layer);
    if (whole) untrained = untrained ?? new Reading(fresh, ids);
    const other = whole && untrained ? untrained.gradientNorms(count, target, layer).states : [];
    const curve = (/** @type {number[]} */ states) => states.map((n, t) => [count - t, n / (states[count - 1] || 1)]).reverse();
    const most = Math.max(...norms.words), own = curve(norms.states), gone = own.findIndex(([, n]) => n < VANISHED);
    spans.forEach((span, t) => (span.style.borderBottomWidth = t < count ? `${Math.round((5 * norms.words[t]) / (most || 1))}px` : "0"));
    $("prediction").replaceChildren(`The prediction of “${text.name(target)}” (${percent(Math.exp(scores[target]))}) after ${count} words; likeliest: `,
      ...highest(scores, 5).flatMap((id) => [el("b", {}, text.name(id)), ` ${percent(Math.exp(scores[id]))}  `]));
    $("reach").textContent = gone < 0 ? `More than a thousandth of the gradient at the state is left ${count} words back.`
      : `The gradient at the state falls below a thousandth ${own[gone][0]} words back.`;
    drawChart($("gradient"), {
      title: "How far back the prediction reaches: norm of the gradient at the state", x: "words back", log: true,
      guides: [{ name: `window ${data.model.window}`, at: data.model.window, vertical: true }, { name: "a thousandth", at: VANISHED }],
      series: [{ name: "before training", points: curve(other), style: 1 }, { name: "this model", points: own, style: 0 }],
    });
  };

  const showNumbers = () => {
    const step = at(word), same = ids.flatMap((id, t) => (id === ids[word] ? [t] : []));
    const mean = (/** @type {string} */ name, /** @type {number[]} */ places) => {
      const all = places.flatMap((t) => [...values(at(t), name)]);
      return short(all.reduce((a, b) => a + b, 0) / all.length);
    };
    const head = ["gate", `unit ${unit} here`, "all units here", `at every “${text.name(ids[word])}”`, "whole text"];
    $("means").replaceChildren(el("tr", {}, ...head.map((h) => el("th", {}, h))), ...panels.map(({ name, title }) =>
      el("tr", {}, ...[title, short(values(step, name)[unit]), mean(name, [word]), mean(name, same), mean(name, ids.map((_, t) => t))].map((v) => el("td", {}, v)))));
    $("equations").textContent = [`“${text.name(ids[word])}”, layer ${layer + 1}, unit ${unit}`, "", ...spellOut(model, layer, step, unit), "", ...data.model.equations].join("\n");
  };

  const showPlaces = () => {
    if (!training || !data.training.units) return $("places").replaceChildren();
    const { count, layers } = data.training.units, places = layers[layer].slice(unit * count, (unit + 1) * count);
    $("places").replaceChildren(el("p", {}, `Unit ${unit} of layer ${layer + 1} is highest in the training text here:`),
      ...places.map((/** @type {number} */ place) => {
        const joiner = new Detokenizer(text), line = el("p", { class: "place" });
        for (let i = Math.max(0, place - 8); i < Math.min(training.ids.length, place + 5); i++) {
          const added = joiner.add(training.ids[i]).replace(/\n/g, " ");
          line.append(i === place ? el("b", {}, added) : added);
        }
        line.append(el("small", {}, ` ${training.locateToken(place)}`));
        return line;
      }));
  };

  const showClamp = () => {
    const gate = $gate.value, { signed } = /** @type {any} */ (panels.find((p) => p.name === gate));
    $value.min = signed ? -1 : 0;
    const before = reading.next(word + 1);
    if (!clamp) $value.value = values(at(word), gate)[unit];
    $("clamp-at").textContent = Number($value.value).toFixed(2);
    const after = clamp ? new Reading(model, ids.slice(0, word + 1), clamp).next() : before;
    $("clamp-reset").disabled = !clamp;
    const changed = [...new Set([...highest(before, 5), ...highest(after, 5)])];
    $("clamped").replaceChildren(el("tr", {}, ...["next word", "as trained", clamp ? `${gate} of unit ${unit} at ${short(clamp.value)}` : "with the gate held"].map((h) => el("th", {}, h))),
      ...changed.map((id) => el("tr", {}, ...[text.name(id), percent(Math.exp(before[id])), percent(Math.exp(after[id]))].map((v) => el("td", {}, v)))));
  };

  /** The units that follow a feature of the text best. */
  const findUnits = () => {
    const typed = $("feature-word").value, long = training ? training.ids.slice(0, 600) : [], all = long.length ? long : ids;
    const wanted = new Set(text.encode(typed).ids), run = new Reading(model, all), joiner = new Detokenizer(text);
    const feature = all.map((id) => {
      joiner.add(id);
      return Number($("feature").value === "quotes" ? joiner.spacing.double || joiner.spacing.single ? 1 : 0 : wanted.has(id) ? 1 : 0);
    });
    const found = Array.from({ length: model.layers[layer].size }, (_, u) => correlation(run.steps.map((s) => values(s[layer], memory)[u]), feature));
    const best = highest(found.map(Math.abs), 5);
    $("found").replaceChildren(...best.map((u) => el("button", { type: "button", onclick: () => pickUnit(u) }, `unit ${u}`, el("small", {}, ` ${found[u].toFixed(2)}`))),
      el("span", { class: "quiet" }, ` correlation with the ${memory}, over ${all.length} words of ${long.length ? "the training text" : "this text"}`));
  };
  const pickUnit = (/** @type {number} */ u) => {
    unit = Math.min(Math.max(0, Math.floor(u) || 0), model.layers[layer].size - 1);
    clamp = null;
    show();
  };
  $layer.addEventListener("change", () => {
    layer = Number($layer.value);
    clamp = null;
    open();
  });
  $unit.addEventListener("change", () => pickUnit(Number($unit.value)));
  $("own").addEventListener("change", open);
  $("find").addEventListener("click", findUnits);
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
  pen.listeners.push(() => setTimeout(() => pen.running || $("own").value.trim() || open()));
  redraw(show);
  open();
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
