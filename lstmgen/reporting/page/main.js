// Start: read the data of the page and show each part that it holds.

const page = JSON.parse($("data").textContent);
$("name").textContent = page.name;
$("made").textContent = page.made;
const training = page.training && new TrainingText(page.training);
if (page.training) $("banner").hidden = false;
if (page.run) {
  showRun(page.run);
  showMemory(page.memory);
} else $("run").remove();
showOrigins(page.origins);
if (page.model) {
  const model = new Model(page.model), text = new Vocabulary(page.text), pen = new Pen(model, text, page.sample, training);
  showPen(pen, page.sample);
  showInside(pen, page);
  showVocabulary(model, text, page.map);
} else for (const id of ["pen", "inside", "vocabulary"]) $(id).remove();
for (const link of document.querySelectorAll("nav a")) if (!$(String(link.getAttribute("href")).slice(1))) link.remove();
