/* How the study came along: its hypervolume, what its knobs did, and its trainings. */
function drawCourse() {
  const { steps, why } = DATA.course;
  const byTime = CHOSEN.courseX === "time";
  at("course-plot").hidden = !steps.length;
  at("course-table").parentElement.hidden = !steps.length;
  if (!steps.length) { at("course-text").textContent = `There is nothing to draw: ${why}.`; return; }
  const last = steps[steps.length - 1];
  at("course-text").textContent = `The hypervolume is the share that the front dominates of the box between the best and the worst values of all trials, on logarithmic scales, by the search's own figures. After ${plain(last[0], "trial", "trials")} in ${duration(last[1])} it is ${last[2].toFixed(3)}.`;
  const across = steps.map(([count, seconds]) => (byTime ? seconds : count));
  const range = [0, Math.max(...across) * 1.02];
  const name = byTime ? "train_seconds" : "trial";
  const xaxis = axisOver(name, byTime ? "time since the first trial began" : "ended trials", range, false, isNarrow() ? 4 : 9);
  if (byTime) Object.assign(xaxis, secondTicks(range[1]));
  Plotly.react("course-plot", [{
    type: "scatter", mode: "lines+markers", line: { shape: "hv", color: colour("s1"), width: 2 }, marker: { size: 5 },
    x: across, y: steps.map(([, , volume]) => volume), hovertemplate: "%{text}<extra></extra>",
    text: steps.map(([count, seconds, volume]) => `${count} ended, ${duration(seconds)}: ${volume.toFixed(3)}`),
  }], { ...looks(), dragmode: false, xaxis: { ...xaxis, fixedrange: true }, yaxis: { ...axisLooks("hypervolume"), rangemode: "tozero", fixedrange: true } }, PLOTLY_OPTIONS);
}

/* Ticks of an axis of seconds at whole seconds, minutes or hours. */
function secondTicks(most) {
  const sizes = [1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400];
  const step = sizes.find((size) => most / size <= (isNarrow() ? 4 : 8)) ?? 86400 * Math.ceil(most / 86400 / 8);
  const values = Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
  return { tickmode: "array", tickvals: values, ticktext: values.map((seconds) => (seconds < 60 ? `${seconds} s` : seconds < 3600 ? `${+(seconds / 60).toFixed(1)} min` : `${+(seconds / 3600).toFixed(1)} h`)) };
}

function beginCourse() {
  at("course-x").value = CHOSEN.courseX;
  at("course-x").addEventListener("change", () => { keep({ courseX: at("course-x").value }); drawCourse(); });
  const rows = DATA.course.steps.map(([count, seconds, volume]) => [String(count), duration(seconds), volume.toFixed(4)]);
  fill("course-table", tableOf(["ended trials", "time", "hypervolume"], rows, "Hypervolume"));
}

function showKnobs() {
  const found = DATA.importances.find(({ metric }) => metric === CHOSEN.knobs) ?? DATA.importances[0];
  const title = METRICS.get(found.metric).title;
  at("knobs-text").textContent = found.why
    ? `Importances for ${title} cannot be had: ${found.why}.`
    : `How much each knob tells the best tenth of the trials in ${title} from the others (Optuna's PED-ANOVA, by the search's own figures); the shares sum to 1. A knob that few trials have, or that moved with another one, is judged with them.`;
  const most = Math.max(...found.shares.map(([, share]) => share), 1e-9);
  const rows = found.shares.map(([knob, share]) => make(
    "tr", {}, make("th", { scope: "row" }, knob),
    make("td", {}, make("div", { class: "bar", style: `width: ${(100 * share) / most}%` })),
    make("td", { class: "number" }, share.toFixed(3)),
  ));
  const head = make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "knob"), make("th", { scope: "col" }, "how much"), make("th", { scope: "col", class: "number" }, "share")));
  fill("knobs-table", rows.length ? make("table", { class: "bars" }, make("caption", { class: "unseen" }, `Importances for ${title}`), head, make("tbody", {}, rows)) : null);
}

function beginKnobs() {
  options("knobs-metric", DATA.importances.map(({ metric }) => [metric, METRICS.get(metric).title]), CHOSEN.knobs);
  at("knobs-metric").addEventListener("change", () => { keep({ knobs: at("knobs-metric").value }); showKnobs(); });
  showKnobs();
}

const MOST_NAMED = 12; // trainings with their trial's number at the end of their curve
const DASHES = ["solid", "dash", "dot", "dashdot"];

function drawTrainings() {
  const { curves } = DATA;
  for (const id of ["trainings-plot", "trainings-details"]) at(id).hidden = !curves.length;
  if (!curves.length) { at("trainings-text").textContent = "No training has reached a rung, where its uncompressed model is scored."; return; }
  const stopped = curves.filter(({ status }) => status === "stopped").length;
  const images = new Set(curves.map((curve) => curve.images));
  const of = images.size === 1 && [...images][0] ? `, of ${[...images][0]} images` : "";
  at("trainings-text").textContent = `The FID${of} of each training's uncompressed model at its rungs, where trainings are compared. ${plain(curves.length, "training was", "trainings were")} judged so, ${stopped} stopped early (a cross at the end).`;
  const [across, up] = [0, 1].map((i) => curves.flatMap(({ points }) => points.map((point) => point[i])));
  const isLog = up.every((value) => value > 0);
  Plotly.react("trainings-plot", curves.map(curveOf), {
    ...looks(), dragmode: false,
    xaxis: { ...axisOver("train_images", "images trained on", rangeOf(across, true), true, isNarrow() ? 4 : 9), fixedrange: true },
    yaxis: { ...axisOver("fid", "FID", rangeOf(up, isLog), isLog, 8), fixedrange: true },
  }, PLOTLY_OPTIONS);
}

function curveOf({ trial, status, name, points }, place) {
  const tint = colour(`s${1 + (place % 6)}`);
  const ends = points.map((_, i) => (i === points.length - 1 && status === "stopped" ? "x" : "circle"));
  const names = DATA.curves.length <= MOST_NAMED ? points.map((_, i) => (i === points.length - 1 ? `${trial}` : "")) : null;
  return {
    type: "scatter", mode: names ? "lines+markers+text" : "lines+markers", text: names, textposition: "top right", textfont: { color: tint, size: 12 }, x: points.map(([images]) => images), y: points.map(([, fid]) => fid),
    line: { color: tint, dash: DASHES[Math.floor(place / 6) % DASHES.length], width: 1.8 }, marker: { symbol: ends, size: 8, color: tint },
    hovertext: points.map(([images, fid]) => `Trial ${trial}, ${escaped(name)}<br>${images.toLocaleString("en")} images: FID ${written("fid", fid)}, ${wordsOf(status)}`),
    hovertemplate: "%{hovertext}<extra></extra>",
  };
}

/* Plotly reads some markup in its texts: what is in a name is text. */
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function beginTrainings() {
  const rows = DATA.curves.flatMap(({ trial, name, status, points }) => points.map(([images, fid]) => [
    `Trial ${trial}: ${name}`, wordsOf(status), images.toLocaleString("en"), written("fid", fid),
  ]));
  fill("trainings-table", tableOf(["training", "what became of it", "images", "FID"], rows, "FID at each rung"));
}
