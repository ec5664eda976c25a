// The pen: continue a cue, take other words, undo.

const SLICE = 40; // milliseconds of work between two frames
const COPIED = 5; // words of a passage that counts as copied

/** The text in the pen: what was typed, and what the model wrote. */
class Pen {
  /** @param {Model} model @param {Vocabulary} text @param {any} data @param {TrainingText | null} training */
  constructor(model, text, data, training) {
    this.model = model;
    this.text = text;
    this.training = training;
    this.minCopied = COPIED * /** @type {number} */ (data.per_word);
    this.start = /** @type {number[]} */ (data.start);
    this.reading = new Reading(model, this.start);
    this.chances = /** @type {number[]} */ (this.start.map(() => 1)); // of each word, before any filter
    this.past = /** @type {{ids: number[], from: number, cue: string}[]} */ ([]); // for undo
    this.from = this.start.length; // where the last continuation begins
    this.listeners = /** @type {(() => void)[]} */ ([]);
    this.running = false;
    this.version = 0;
  }

  get ids() {
    return this.reading.ids;
  }

  /** Read a word that was typed or drawn. @param {number} id @param {number} chance */
  push(id, chance = id < this.model.vocabSize ? Math.exp(this.reading.next()[id]) : NaN) {
    this.reading.push(id);
    this.chances.push(chance);
  }

  /** Replace the text, reading only what is new. @param {number[]} ids */
  set(ids) {
    let same = 0;
    while (same < ids.length && ids[same] === this.ids[same]) same++;
    this.reading.truncate(Math.max(same, this.start.length));
    this.chances.length = this.ids.length;
    ids.slice(this.ids.length).forEach((id) => this.push(id));
  }

  /** @param {string} cue from which the text was begun */
  remember(cue) {
    this.past.push({ ids: [...this.ids], from: this.from, cue });
  }

  /** Go back to the text before; its cue, or null if there is none. */
  undo() {
    this.running = false;
    const before = this.past.pop();
    if (!before) return null;
    this.set(before.ids);
    this.from = before.from;
    return before.cue;
  }

  /** Log-probabilities of the words that may follow. */
  scores() {
    const scores = this.reading.next(), [story] = this.start;
    for (const id of this.text.specials) if (id !== story || this.ids.length === this.start.length) scores[id] = -Infinity;
    return scores;
  }

  /** Whether the text ends with a sentence, closing marks included. */
  sentenceEnds() {
    let i = this.ids.length - 1;
    while (i > 0 && /^["'”’»›)\]]+$/.test(this.text.surfaces[this.ids[i]])) i--;
    return /[.!?…。！？]["'”’»›)\]]*$/.test(this.text.surfaces[this.ids[i]] ?? "");
  }

  /**
   * The words of a continuation, one at a time: at least as many as asked for, then to the end of
   * the sentence, at most half as many more.
   * @param {{temperature: number, topP: number, words: number, seed: number}} settings
   */
  *words(settings) {
    const random = new Random(settings.seed), { surfaces } = this.text, joiner = new Detokenizer(this.text);
    this.ids.forEach((id) => joiner.add(id));
    for (let words = 0, tokens = 0; words < settings.words * 1.5 && tokens < 4 * settings.words + 50; tokens++) {
      const scores = this.scores();
      if (!tokens) scores[this.start[0]] = -Infinity; // a continuation has one word at least
      const id = draw(scores, settings, random);
      if (id === this.start[0]) return; // the story ends
      const open = words < settings.words * 1.25 && joiner.spacing.double + joiner.spacing.single > 0;
      if (words >= settings.words && !open && this.sentenceEnds() && !/^[.!?…)\]]/.test(surfaces[id])) return;
      joiner.add(id);
      this.push(id, Math.exp(scores[id]));
      words += this.text.isWordEntry[id] ? 1 : 0;
      yield id;
    }
  }

  /** Continue in slices, so that the page stays responsive. @param {any} settings @param {() => void} show */
  async run(settings, show) {
    const version = ++this.version, words = this.words(settings);
    this.running = true;
    for (let done = false; !done && this.running && version === this.version; ) {
      const until = performance.now() + SLICE;
      while (!done && performance.now() < until) done = !!words.next().done;
      show();
      await new Promise((next) => setTimeout(next));
    }
    if (version === this.version) this.running = false;
    show();
  }

  /** The ids of copied passages' tokens and where they stand. @returns {(string | null)[]} for each token */
  copied() {
    const places = /** @type {(string | null)[]} */ (this.ids.map(() => null));
    const { training } = this;
    if (!training || this.running) return places; // searched when the text is complete
    const runs = training.runs(this.ids);
    runs.forEach(({ run, at }, end) => {
      if (run < this.minCopied) return;
      for (let i = end, left = run; i >= 0 && left > 0; i--) {
        places[i] = places[i] ?? training.locate(at);
        left -= training.canonical[this.ids[i]] ? 1 : 0;
      }
    });
    return places;
  }
}

/** @param {Pen} pen @param {any} data the key "sample" of the page's data */
function showPen(pen, data) {
  const { text, model } = pen, cue = $("cue");
  const number = (/** @type {string} */ id) => Number($(id).value);
  const settings = () => ({ temperature: number("temperature"), topP: number("top-p"), words: number("words"), seed: number("seed") });
  cue.value = data.cue;
  $("temperature").value = data.temperature;
  $("top-p").value = data.top_p;
  $("words").value = data.words;
  let typed = /** @type {string | null} */ (null), describe = (/** @type {number} */ _) => "";
  const view = new WordView($("text"), text, { hover: (i) => ($("word-note").textContent = describe(i)), pick: choose });

  const show = () => {
    const copied = pen.copied(), unlikely = color("--gate"), likely = color("--paper");
    describe = (i) => (i < pen.start.length ? "" : `“${text.name(pen.ids[i])}”: probability ${percent(pen.chances[i])}${copied[i] ? `, copied from ${copied[i]}` : ""}`);
    view.show(pen.ids);
    view.spans.forEach((span, i) => {
      if (i < pen.start.length) span.hidden = true;
      shade(span, blend([likely, unlikely], Math.min(0.5, Math.max(0, -Math.log10(pen.chances[i]) * 0.13) || 0)));
      span.classList.toggle("copied", copied[i] !== null);
      span.classList.toggle("written", i >= pen.from);
      if (pen.running) span.classList.remove("chosen");
    });
    const first = view.spans[pen.start.length];
    if (first) first.tabIndex = 0;
    $("stop").disabled = !pen.running;
    $("undo").disabled = !pen.past.length;
    if (!pen.running) pen.listeners.forEach((listener) => listener());
  };

  const readCue = () => {
    if (cue.value === typed) return;
    const { ids, unknown } = text.encode((typed = cue.value).replace(/[ \t]+$/, ""));
    pen.set([...pen.start, ...ids]);
    $("unknown").textContent = text.notice(unknown);
  };
  const begin = () => {
    pen.from = pen.ids.length;
    $("choices").replaceChildren();
    return pen.run(settings(), show);
  };
  const proceed = () => {
    pen.remember(typed ?? "");
    readCue();
    return begin();
  };
  $("continue").addEventListener("click", proceed);
  $("stop").addEventListener("click", () => (pen.running = false));
  $("undo").addEventListener("click", () => {
    cue.value = typed = pen.undo() ?? typed;
    $("choices").replaceChildren();
    show();
  });
  $("again").addEventListener("click", () => {
    pen.remember(typed ?? "");
    if (cue.value !== typed) readCue();
    else pen.set(pen.ids.slice(0, pen.from));
    $("seed").value = number("seed") + 1;
    return begin();
  });
  cue.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      proceed();
    }
  });

  /** Show the likeliest words at a place. @param {number} i */
  function choose(i) {
    pen.running = false;
    if (i < pen.start.length) return;
    const scores = pen.reading.next(i);
    const take = (/** @type {number[]} */ words) => {
      pen.remember(typed ?? "");
      pen.set([...pen.ids.slice(0, i), ...words]);
      begin();
    };
    const other = el("input", { type: "text", size: 12, "aria-label": "other words", placeholder: "other words" });
    other.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const { ids, unknown } = text.encode(other.value.trim());
      if (event.key !== "Enter" || !ids.length) return;
      take(ids);
      $("unknown").textContent = text.notice(unknown);
    });
    view.spans.forEach((span, place) => span.classList.toggle("chosen", place === i));
    $("choices").replaceChildren(
      el("p", {}, `Instead of “${text.name(pen.ids[i])}” (${percent(pen.chances[i])}). The text after it is written again; Undo brings it back.`),
      ...highest(scores, 5).map((id) => el("button", { type: "button", onclick: () => take([id]), disabled: text.specials.has(id) ? "" : null },
        id === pen.start[0] ? "(the story ends)" : text.name(id), el("small", {}, ` ${percent(Math.exp(scores[id]))}`))), other,
    );
  }
  $("copy").addEventListener("click", () => {
    /** @type {any} */ (getSelection()).selectAllChildren($("text"));
    document.execCommand("copy"); // which needs no permission, unlike navigator.clipboard
  });
  readCue();
  redraw(() => pen.running || show());
  show();
  setTimeout(() => pen.past.length || begin()); // so that there is a text to look at
}
