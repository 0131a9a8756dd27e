/* What the reader sets of the plot: its axes, its zoom, and which trials it shows. */
function zoomTo(zoom) {
  keep({ zoom });
  hideTip();
  drawFront();
}

/* Zoom by a factor around the middle; a factor below 1 shows less. */
function zoomBy(factor) {
  const { both, edge } = partsOf();
  const ranges = CHOSEN.zoom ?? wholeView(both, edge);
  const scaled = ([low, high]) => {
    const [middle, half] = [(low + high) / 2, (factor * (high - low)) / 2];
    return [middle - half, middle + half];
  };
  zoomTo({ x: scaled(ranges.x), y: scaled(ranges.y) });
}

function metricOptions() {
  const every = [...TRIALS, ...SCREENED];
  return DATA.metrics.filter((metric) => metric.drawn && every.some((trial) => Number.isFinite(trial.scores[metric.name])))
    .map((metric) => [metric.name, metric.title]);
}

function setChecks() {
  const { both } = partsOf();
  for (const [id, name, chosen] of [["x-log", CHOSEN.x, "xLog"], ["y-log", CHOSEN.y, "yLog"]]) {
    const can = canBeLog(name, both);
    at(id).disabled = !can;
    at(id).checked = can && CHOSEN[chosen];
  }
  at("intervals").checked = CHOSEN.intervals;
}

function beginAxes() {
  for (const [id, name] of [["x-metric", "x"], ["y-metric", "y"]]) {
    options(id, metricOptions(), CHOSEN[name]);
    at(id).addEventListener("change", () => { keep({ [name]: at(id).value }); setChecks(); zoomTo(null); });
  }
  for (const [id, name] of [["x-log", "xLog"], ["y-log", "yLog"], ["intervals", "intervals"]]) {
    at(id).addEventListener("change", () => { keep({ [name]: at(id).checked }); zoomTo(null); });
  }
  at("axes").addEventListener("submit", (event) => event.preventDefault());
  at("reset-zoom").addEventListener("click", () => zoomTo(null));
  setChecks();
  beginToggles();
}

function beginToggles() {
  const counts = new Map([...STATUSES.keys(), "screened"].map((status) => [status, 0]));
  for (const trial of TRIALS) counts.set(trial.status, counts.get(trial.status) + 1);
  counts.set("screened", DATA.screened.total);
  for (const [status, count] of counts) {
    if (count) at("toggles").append(toggleOf(status, count));
  }
}

function toggleOf(status, count) {
  const box = make("input", { type: "checkbox", id: `show-${status}`, checked: !CHOSEN.hidden.includes(status) });
  box.addEventListener("change", () => {
    const others = CHOSEN.hidden.filter((name) => name !== status);
    keep({ hidden: box.checked ? others : [...others, status] });
    setChecks();
    zoomTo(null);
  });
  const mark = make("span", { class: "mark", "aria-hidden": "true", style: `color: var(--${status})` }, MARKS[status][1]);
  const kept = DATA.screened.rows.length;
  const part = status === "screened" && kept < count ? `, ${kept.toLocaleString("en")} drawn` : "";
  return make("label", { class: "check" }, box, mark, `${wordsOf(status)} (${count.toLocaleString("en")}${part})`);
}
