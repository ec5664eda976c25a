// The run: its facts, its curves, and its samples step by step.

/** @param {any} run the key "run" of the page's data */
function showRun(run) {
  for (const [label, value] of run.facts) $("facts").append(el("dt", {}, label), el("dd", {}, value));
  $("command").textContent = run.command;
  const guides = run.baselines.map((/** @type {any} */ b) => ({ name: `${b.name} ${b.perplexity}`, at: b.nats }));
  if (run.best !== null) guides.push({ name: "best", at: run.best, vertical: true });
  const clip = run.clip_norm === null ? [] : [{ name: `clipped at ${short(run.clip_norm)}`, at: run.clip_norm }];
  redraw(() => {
    drawChart($("loss"), {
      title: "Loss and perplexity", x: "step", guides, right: { name: "perplexity", of: Math.exp },
      series: [{ name: "training, with dropout", points: run.training, style: 1 },
        { name: "validation", points: run.curves.valid_nats, style: 0, dots: true }],
    });
    const draw = (/** @type {string} */ id, /** @type {string} */ title, /** @type {string} */ name, /** @type {Guide[]} */ lines) =>
      drawChart($(id), { title, x: "step", guides: lines, series: [{ name: title.toLowerCase(), points: run.curves[name], style: 0 }] });
    draw("rate", "Learning rate", "learning_rate", []);
    draw("norm", "Gradient norm", "gradient_norm", clip);
    draw("speed", "Words per second", "words_per_second", []);
  });
  const { samples } = run;
  if (!samples.length) return $("samples").remove();
  const slider = $("sample-step");
  slider.max = samples.length - 1;
  slider.value = samples.length - 1;
  slider.addEventListener("input", show);
  show();

  function show() {
    const { step, texts } = samples[slider.value];
    $("sample-at").textContent = `step ${step.toLocaleString("en")}`;
    $("sample-texts").replaceChildren(...texts.map((/** @type {string} */ text) => el("blockquote", {}, text)));
  }
}

/** @param {any} memory the key "memory" of the page's data */
function showMemory(memory) {
  if (!memory) return $("memory").remove();
  /** @type {number[][]} */
  const points = memory.nats.map((/** @type {number} */ nats, /** @type {number} */ i) => [Math.log2(memory.words[i]), nats]);
  const guides = [{ name: "all words known", at: memory.all }, { name: `window ${memory.window}`, at: Math.log2(memory.window), vertical: true }];
  redraw(() => drawChart($("memory-chart"), {
    title: "Loss when only the last words are known", x: "words known", xs: points.map(([at]) => at), at: (x) => String(Math.round(2 ** x)), guides,
    series: [{ name: "nats per word", points, style: 0, dots: true }],
  }));
  $("memory-says").textContent = memory.conclusion;
}
