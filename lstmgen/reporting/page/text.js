// Words to ids and back, by the rules of lstmgen.text; the page's data has their tables.

const PLAIN = 0, SPACE = 1, CLOSE = 2, OPEN = 3, JOIN = 4, START = 5, DOUBLE = 6;
const BY_USUAL = 1, BY_OTHER = 2, FLIPPED = "¬";

/** @typedef {{previous: number, double: number, single: number}} Spacing */

/** The vocabulary, tokenizer and detokenizer. */
class Vocabulary {
  /** @param {any} data the key "text" of the page's data */
  constructor(data) {
    this.kind = /** @type {string} */ (data.kind);
    this.isWord = this.kind.startsWith("word");
    this.entries = /** @type {string[]} */ (data.entries);
    this.ids = new Map(this.entries.map((entry, id) => [entry, id]));
    this.unknownId = /** @type {number} */ (data.unknown_id);
    this.specials = new Set(/** @type {number[]} */ (data.specials)); // never printed
    this.lowercase = /** @type {boolean | string} */ (data.lowercase);
    this.rules = data.rules;
    const table = (/** @type {string} */ name) => new Map(Object.entries(data.rules[name])); // words as keys need a Map
    this.quotes = table("quotes");
    this.typedQuotes = table("typed_quotes");
    this.spellings = table("spellings");
    this.simplest = table("simplest");
    this.unspaced = new RegExp(data.rules.unspaced, "u");
    this.pattern = data.rules.pattern ? new RegExp(data.rules.pattern, "gu") : null;
    this.surfaces = this.entries.map((entry) => this.surfaceOf(entry));
    this.isWordEntry = this.surfaces.map((s, id) => !this.specials.has(id) && /[\p{L}\p{N}]/u.test(s));
  }

  /** A form without the mark of an exception. @param {string} form */
  surfaceOf(form) {
    return this.isWord && form.length > 1 && form.endsWith(FLIPPED) ? form.slice(0, -1) : form;
  }

  /** A word as people read it. @param {number} id */
  name(id) {
    if (id >= this.entries.length) return "<unknown>";
    return this.surfaces[id].replace(/\n/g, "↵").replace(/\t/g, "⇥").replace(/^ +$/, "␣") || "␣";
  }

  /** The class of a surface for the spacing rule. @param {string} surface */
  classify(surface) {
    const first = String.fromCodePoint(surface.codePointAt(0) ?? 32), { rules } = this;
    const apostrophe = (/** @type {string} */ c) => rules.apostrophes.includes(c);
    if (/\s/.test(first)) return SPACE;
    if (apostrophe(first) && surface.length > 1)
      return this.kind === "word_v1" || /^.[sS]$/.test(surface) ? CLOSE : PLAIN;
    if (this.kind === "word" && surface.length > 1 && apostrophe(surface[surface.length - 1])) return OPEN;
    if (this.quotes.has(first)) return this.quotes.get(first);
    if (rules.closing.includes(first)) return CLOSE;
    if (rules.opening.includes(first)) return OPEN;
    return rules.joining.includes(first) || this.unspaced.test(first) ? JOIN : PLAIN;
  }

  /**
   * Place a token after a text: whether a space is before it, whether that breaks the rule.
   * @param {string} surface @param {Spacing} spacing
   * @param {{flipped?: boolean, space?: boolean}} known one of the two
   */
  place(surface, spacing, { flipped, space }) {
    const resolve = (/** @type {boolean} */ expected) => flipped === undefined
      ? { space: !!space, flipped: !!space !== expected }
      : { space: expected !== flipped, flipped };
    const afterText = spacing.previous === PLAIN || spacing.previous === CLOSE;
    let role = this.classify(surface), { double, single } = spacing;
    if (role < DOUBLE) {
      if (surface[0] === "\n") double = single = 0;
      return { ...resolve(afterText && (role === PLAIN || role === OPEN)), after: { previous: role, double, single } };
    }
    const quote = role, isSingle = quote % 2 === 1, opened = isSingle ? single : double;
    role = this.likelyRole(quote, spacing.previous, opened);
    const placed = resolve(afterText && role === OPEN);
    if (afterText && this.kind === "word") role = placed.space ? OPEN : CLOSE;
    const other = this.rules.other_quotes.includes(quote);
    const now = role === CLOSE ? 0 : other ? BY_OTHER : BY_USUAL;
    if (isSingle) single = now;
    else double = now;
    return { ...placed, after: { previous: role, double, single } };
  }

  /** Whether a quotation mark opens or closes. @param {number} quote @param {number} previous @param {number} opened */
  likelyRole(quote, previous, opened) {
    if (quote < DOUBLE + 2) return opened ? CLOSE : OPEN;
    if (quote >= 10 && quote < 12) return OPEN;
    if (quote < 10) return opened === BY_OTHER ? CLOSE : OPEN;
    if (quote < 14) return CLOSE;
    return (previous === SPACE || previous === START) && opened !== BY_USUAL ? OPEN : CLOSE;
  }

  /** The text in the form in which it is tokenized. @param {string} text */
  normalize(text) {
    text = text.replace(/\r\n?|\u0085|\u2028|\u2029/g, "\n").replace(/[\0-\x08\x0b-\x1f\x7f]/g, "").normalize("NFC");
    if (!this.lowercase) return text;
    if (this.lowercase === "turkish") text = text.replace(/I/g, "ı");
    return text.replace(/İ/g, "i").toLowerCase().normalize("NFC");
  }

  /**
   * The ids of a cue, and the words of it that the vocabulary lacks.
   * @param {string} cue
   */
  encode(cue) {
    const text = this.normalize(cue), pieces = this.kind === "whitespace" ? text.split(/\s+/).filter(Boolean)
      : this.kind === "character" ? [...text] : text.match(/** @type {RegExp} */ (this.pattern)) ?? [];
    /** @type {Spacing} */
    let spacing = { previous: START, double: 0, single: 0 };
    const ids = [], unknown = [];
    for (const piece of pieces) {
      const space = this.isWord && /^ \S/.test(piece), surface = space ? piece.slice(1) : piece;
      const placed = this.isWord ? this.place(surface, spacing, { space }) : { flipped: false, after: spacing };
      spacing = placed.after;
      const id = this.find(surface + (placed.flipped ? FLIPPED : ""), surface, spacing.previous === OPEN);
      if (id !== undefined) ids.push(id);
      else if (/\S/.test(surface)) {
        ids.push(this.unknownId);
        unknown.push(surface);
      }
    }
    return { ids, unknown };
  }

  /** What was done with words that the vocabulary lacks; empty if there are none. @param {string[]} words */
  notice(words) {
    const read = this.unknownId < this.entries.length ? "<unk>" : "a rare word";
    return words.length ? `Not in the vocabulary, read as ${read}: ${words.join(", ")}` : "";
  }

  /** The id of a token, in any typography. @param {string} form @param {string} surface @param {boolean} opens */
  find(form, surface, opens) {
    const known = this.ids.get(form) ?? this.ids.get(surface);
    if (known !== undefined || !/\S/.test(surface)) return known;
    const typed = this.typedQuotes.get(surface)?.[opens ? 0 : 1];
    if (typed !== undefined && typed !== null) return /** @type {number} */ (typed);
    for (const spelling of [form, surface].map((s) => this.simplify(s))) {
      const id = this.spellings.get(spelling) ?? this.ids.get(spelling);
      if (id !== undefined) return /** @type {number} */ (id);
    }
    return undefined;
  }

  /** A form with the simplest marks. @param {string} form */
  simplify(form) {
    const flipped = this.surfaceOf(form) !== form;
    let surface = [...this.surfaceOf(form)].map((c) => this.simplest.get(c) ?? c).join("");
    if (surface === "--" || surface === "---") surface = "—";
    return (surface[0] === "\n" ? "\n" : surface) + (flipped ? FLIPPED : "");
  }
}

/** Joins tokens to a text, one at a time. */
class Detokenizer {
  /** @param {Vocabulary} text */
  constructor(text) {
    this.text = text;
    this.spacing = /** @type {Spacing} */ ({ previous: START, double: 0, single: 0 });
    this.empty = true;
  }

  copy() {
    return Object.assign(new Detokenizer(this.text), this);
  }

  /** What a token adds, with the space before it. @param {number} id */
  add(id) {
    const { text } = this, wasEmpty = this.empty;
    if (text.specials.has(id) && id !== text.unknownId) return "";
    this.empty = false;
    const surface = id < text.entries.length ? text.surfaces[id] : "<unknown>";
    if (!text.isWord) return (text.kind === "whitespace" && !wasEmpty ? " " : "") + surface;
    const placed = text.place(surface, this.spacing, { flipped: id < text.entries.length && text.entries[id] !== surface });
    this.spacing = placed.after;
    return (placed.space ? " " : "") + surface;
  }
}
