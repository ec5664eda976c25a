// Building the page. Words of a corpus, a vocabulary or a config are only ever set as text.

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);

/**
 * An element. Attributes that begin with "on" are listeners; children that are strings are text.
 * @param {string} tag @param {Record<string, any>} attributes @param {(Node | string)[]} children
 * @returns {any}
 */
function el(tag, attributes = {}, ...children) {
  const inSvg = ["svg", "g", "path", "line", "text", "circle", "rect"].includes(tag);
  const node = inSvg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, String(value));
  }
  node.append(...children);
  return node;
}

/** A number with about three digits. @param {number} value */
function short(value) {
  const size = Math.abs(value);
  if (value === 0 || (size >= 0.001 && size < 1000)) return String(Number(value.toPrecision(3)));
  return size >= 1000 && size < 1e7 ? Math.round(value).toLocaleString("en") : value.toExponential(1);
}

/** @param {number} p a probability */
const percent = (p) => (p >= 0.0995 ? (100 * p).toFixed(0) : p >= 0.0005 ? (100 * p).toFixed(1) : "<0.1") + "\u00a0%";

/** @param {any} table @param {string[]} head @param {string[][]} rows */
function fillTable(table, head, rows) {
  const line = (/** @type {string} */ tag, /** @type {string[]} */ cells) => el("tr", {}, ...cells.map((cell) => el(tag, {}, cell)));
  table.replaceChildren(line("th", head), ...rows.map((row) => line("td", row)));
}

/** @param {string} name of a custom property of the style sheet, a color @returns {number[]} */
function color(name) {
  const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim().slice(1);
  return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

/** A color between two or three others. @param {number[][]} colors @param {number} at 0 to 1 */
function blend(colors, at) {
  const place = Math.min(1, Math.max(0, at)) * (colors.length - 1), low = Math.min(Math.floor(place), colors.length - 2);
  return colors[low].map((c, i) => Math.round(c + (colors[low + 1][i] - c) * (place - low)));
}

const css = (/** @type {number[]} */ rgb) => `rgb(${rgb.join(" ")})`;

/** Shade a word, with ink that can be read on it. @param {any} node @param {number[]} rgb */
function shade(node, rgb) {
  node.style.backgroundColor = css(rgb);
  node.style.color = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] > 140 ? "#111" : "#fff";
}

/** Colors of values from -reach to reach, or of gates from 0 to 1. @param {boolean} signed @param {number} reach */
function scale(signed, reach = 1) {
  const colors = (signed ? ["--negative", "--middle", "--positive"] : ["--middle", "--gate"]).map(color);
  return (/** @type {number} */ value) => blend(colors, signed ? (value / reach + 1) / 2 : value);
}

/** Redraw when the window, the color scheme or the medium changes. @param {() => void} drawing */
function redraw(drawing) {
  let width = 0;
  new ResizeObserver(() => {
    if (width !== document.body.clientWidth) drawing();
    width = document.body.clientWidth;
  }).observe(document.body);
  for (const query of ["(prefers-color-scheme: dark)", "print"])
    matchMedia(query).addEventListener("change", drawing);
}

/** A text word by word; arrow keys move between words, Enter picks one. */
class WordView {
  /**
   * @param {any} host @param {Vocabulary} text
   * @param {{pick: (i: number) => void, hover: (i: number) => void}} on
   */
  constructor(host, text, on) {
    this.host = host;
    this.text = text;
    this.on = on;
    this.ids = /** @type {number[]} */ ([]);
    this.spans = /** @type {any[]} */ ([]); // the elements of the words, which can be shaded
    this.joiners = [new Detokenizer(text)]; // before each word
  }

  /** Show a text; words that it begins with already stay. @param {number[]} ids */
  show(ids) {
    let same = 0;
    while (same < ids.length && ids[same] === this.ids[same]) same++;
    for (const span of this.spans.splice(same)) {
      if (span.previousSibling && !span.previousSibling.className) span.previousSibling.remove(); // the space
      span.remove();
    }
    this.joiners.length = same + 1;
    for (let i = same; i < ids.length; i++) {
      const joiner = this.joiners[i].copy(), added = joiner.add(ids[i]), spaced = /^ \S/.test(added);
      this.joiners.push(joiner);
      this.spans.push(this.word(i, ids[i], spaced ? added.slice(1) : added));
      this.host.append(...(spaced ? [" "] : []), this.spans[i]);
    }
    this.ids = [...ids];
  }

  /** @param {number} i @param {number} id @param {string} shown */
  word(i, id, shown) {
    const { pick, hover } = this.on, attributes = { class: "word", tabindex: i ? -1 : 0, role: "button" };
    const word = el("span", attributes, shown || "▸");
    if (!shown) word.setAttribute("aria-label", "start of the text");
    if (shown && !shown.trim()) {
      word.classList.add("break");
      word.setAttribute("aria-label", this.text.name(id));
    }
    for (const event of ["mouseenter", "focus"]) word.addEventListener(event, () => hover(i));
    word.addEventListener("click", () => pick(i));
    word.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const next = step && this.spans[i + step];
      if (next) next.focus();
      else if (event.key === "Enter") pick(i);
      else if (!step) return;
      event.preventDefault();
    });
    return word;
  }
}
