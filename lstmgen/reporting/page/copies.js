// Where passages of a text stand in the training text, if the page holds it.

/** The training text: its tokens, and the file and line of every word. */
class TrainingText {
  /** @param {any} data the key "training" of the page's data */
  constructor(data) {
    this.ids = decodeNumbers(data.ids);
    this.complete = /** @type {boolean} */ (data.complete); // with punctuation and line ends
    this.canonical = decodeNumbers(data.canonical); // of each entry the entry that spells its word; 0: no word
    this.files = /** @type {string[]} */ (data.files);
    this.fileStarts = decodeNumbers(data.file_starts); // in words
    this.fileLines = decodeNumbers(data.file_lines);
    let line = 0;
    this.lineStarts = decodeNumbers(data.line_starts).map((gap) => (line += gap)); // words before each line
    this.places = /** @type {number[]} */ ([]); // the token of each word
    this.words = /** @type {number[]} */ ([]);
    const breaks = new Set(/** @type {number[]} */ (data.breaks));
    this.ids.forEach((id, place) => {
      if (!this.canonical[id] && !breaks.has(id)) return;
      this.places.push(place);
      this.words.push(this.canonical[id]);
    });
    /** @type {Map<number, number[]>} */
    this.positions = new Map();
    this.words.forEach((word, at) => {
      const list = this.positions.get(word);
      if (list) list.push(at);
      else this.positions.set(word, [at]);
    });
  }

  /** The file and line of a word. @param {number} word */
  locate(word) {
    let file = 0;
    while (file + 1 < this.files.length && this.fileStarts[file + 1] <= word) file++;
    const end = file + 1 < this.files.length ? this.fileLines[file + 1] : this.lineStarts.length;
    let line = 1;
    for (let i = this.fileLines[file]; i < end && this.lineStarts[i] <= word; i++) line++;
    return `${this.files[file]}, line ${line}`;
  }

  /** The file and line of a token. @param {number} token */
  locateToken(token) {
    let low = 0, high = this.places.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.places[middle] <= token) low = middle;
      else high = middle - 1;
    }
    return this.locate(low);
  }

  /**
   * The copied passage that ends with each token of a text: its words and where it begins.
   * @param {number[]} ids @returns {{run: number, at: number}[]} run 0 outside of a passage
   */
  runs(ids) {
    /** @type {number[]} */
    const words = [];
    /** @type {number[]} */
    let ends = [];
    let run = 0;
    return ids.map((id) => {
      const word = this.canonical[id] ?? 0;
      if (!word) return { run: 0, at: 0 };
      words.push(word);
      const after = ends.map((end) => end + 1).filter((end) => this.words[end] === word);
      if (run && after.length) {
        run += 1;
        ends = after;
      } else {
        ends = this.positions.get(word) ?? [];
        run = ends.length ? 1 : 0;
        while (run && run < words.length) {
          const longer = ends.filter((end) => end >= run && this.words[end - run] === words[words.length - 1 - run]);
          if (!longer.length) break;
          run += 1;
          ends = longer;
        }
      }
      return { run, at: run ? ends[0] - run + 1 : 0 };
    });
  }
}
