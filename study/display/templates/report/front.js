/* The plot of the trials: two metrics against each other, and a strip of those that lack one. */
const isNarrow = () => window.matchMedia("(max-width: 640px)").matches;
let shown = []; // the trials of each trace that can be hovered, by its place
let ticking = false; // while ticks are set anew, which is no zoom of the reader's
let pickedTrial = null;

const isDrawn = (trial) => !CHOSEN.hidden.includes(trial.status);
const canBeLog = (name, trials) => METRICS.get(name).kind !== "share" && METRICS.get(name).kind !== "whole"
  && trials.every((trial) => !(trial.scores[name] <= 0));

/* What is drawn: trials with both figures, screened ones with one, and all the others. */
function partsOf() {
  const { x, y } = CHOSEN;
  const drawn = [...TRIALS, ...SCREENED].filter(isDrawn);
  const both = drawn.filter((trial) => hasBoth(trial, x, y));
  const edge = drawn.filter((t) => t.status === "screened" && !hasBoth(t, x, y) && Number.isFinite(t.scores[x]));
  const strip = drawn.filter((t) => t.status !== "screened" && !hasBoth(t, x, y));
  return { both, edge, strip };
}

function marker(status, trials) {
  const [symbol] = MARKS[status];
  const size = { front: 11, screened: 5 }[status] ?? 9;
  const pale = trials.map((t) => (status === "dominated" && ANY_VERIFIED && !t.seeds ? 0.4 : status === "screened" ? 0.5 : 0.95));
  return { symbol, size, color: colour(status), opacity: pale, line: { width: symbol === "circle" ? 0.8 : 1.6, color: symbol === "circle" ? colour("surface") : colour(status) } };
}

/* The ranks of front points, but for those whose label would lie upon another one. */
function ranksOf(trials, both, edge) {
  const ranges = CHOSEN.zoom ?? wholeView(both, edge);
  const box = [at("front-box").clientWidth - 76, at("front-plot").clientHeight - 56];
  const places = trials.map((trial) => [["x", isLogX()], ["y", isLogY()]].map(([axis, isLog], i) => {
    const value = trial.scores[CHOSEN[axis]];
    const [low, high] = ranges[axis];
    return (((isLog ? Math.log10(value) : value) - low) / (high - low)) * box[i];
  }));
  const labelled = [];
  return trials.map((trial, i) => {
    const isFree = labelled.every(([x, y]) => Math.abs(x - places[i][0]) > 22 || Math.abs(y - places[i][1]) > 17);
    if (isFree) labelled.push(places[i]);
    return isFree ? String(trial.rank) : "";
  });
}

function traceOf(status, trials, places, more = {}) {
  shown.push(trials);
  return {
    type: "scatter", mode: "markers", hoverinfo: "none", marker: marker(status, trials),
    x: places.map(([x]) => x), y: places.map(([, y]) => y), ...more,
  };
}

function tracesOf({ both, edge, strip }) {
  const { x, y } = CHOSEN;
  shown = [];
  const traces = [];
  for (const status of ["screened", ...[...STATUSES.keys()].reverse()]) {
    const mine = both.filter((trial) => trial.status === status);
    const ranks = status === "front" ? { mode: "markers+text", text: ranksOf(mine, both, edge), textposition: "top right", textfont: { color: colour("text"), size: 12 } } : {};
    if (mine.length) traces.push(traceOf(status, mine, mine.map((t) => [t.scores[x], t.scores[y]]), ranks));
    const apart = strip.filter((trial) => trial.status === status);
    if (apart.length) traces.push(traceOf(status, apart, apart.map((t) => [t.trial, 0.5]), { xaxis: "x2", yaxis: "y2" }));
  }
  if (edge.length) traces.push(traceOf("screened", edge, edge.map((t) => [t.scores[x], 0.97]), { yaxis: "y3" }));
  return [...traces, ...linesOf(both), ringOf()];
}

/* Whether a model can beat another one in both metrics: less of a trial's number is no merit. */
const hasLine = () => METRICS.get(CHOSEN.x).aim && METRICS.get(CHOSEN.y).aim && CHOSEN.x !== CHOSEN.y;

/* The staircase of what no rival beats, and the intervals of its FIDs. */
function linesOf(both) {
  const { x, y } = CHOSEN;
  const line = hasLine() ? unbeaten(both.filter(isRival), x, y) : [];
  const points = isDrawn({ status: "front" }) ? FRONT.filter((trial) => hasBoth(trial, x, y)) : [];
  const reach = (trial, end) => Math.abs((trial.interval?.[end] ?? trial.scores.fid) - trial.scores.fid);
  const ends = (name) => (name === "fid" && CHOSEN.intervals ? {
    type: "data", symmetric: false, thickness: 1.2, width: 4, color: colour("front"),
    array: points.map((trial) => reach(trial, 1)), arrayminus: points.map((trial) => reach(trial, 0)),
  } : { visible: false });
  return [
    { type: "scatter", mode: "lines", hoverinfo: "skip", line: { color: colour("front"), width: 1.4, shape: METRICS.get(x).maximize ? "vh" : "hv" }, x: line.map((t) => t.scores[x]), y: line.map((t) => t.scores[y]) },
    { type: "scatter", mode: "markers", hoverinfo: "skip", marker: { opacity: 0 }, x: points.map((t) => t.scores[x]), y: points.map((t) => t.scores[y]), error_y: ends(y), error_x: ends(x) },
  ];
}

/* A ring around the model that is picked. */
function ringOf() {
  const has = pickedTrial && hasBoth(pickedTrial, CHOSEN.x, CHOSEN.y);
  return {
    type: "scatter", mode: "markers", hoverinfo: "skip", x: has ? [pickedTrial.scores[CHOSEN.x]] : [], y: has ? [pickedTrial.scores[CHOSEN.y]] : [],
    marker: { symbol: "circle-open", size: 20, color: colour("text"), line: { width: 2 } },
  };
}

function layoutOf({ both, edge, strip }) {
  const { x, y } = CHOSEN;
  const ranges = CHOSEN.zoom ?? wholeView(both, edge);
  const most = isNarrow() ? 5 : 9;
  const title = (name) => METRICS.get(name).title + (METRICS.get(name).maximize ? " (more is better)" : "");
  const foot = strip.length ? (isNarrow() ? 0.29 : 0.2) : 0;
  const top = foot / (isNarrow() ? 3.8 : 3.4); // of the strip; its caption is above it
  const last = Math.max(1, ...TRIALS.map((trial) => trial.trial));
  return {
    ...looks(), dragmode: isNarrow() ? false : "zoom",
    margin: { l: isNarrow() ? 52 : 64, r: 12, t: 10, b: strip.length ? 34 : 46 },
    xaxis: { ...axisOver(x, title(x), ranges.x, isLogX(), most), anchor: "y", fixedrange: isNarrow() },
    yaxis: { ...axisOver(y, title(y), ranges.y, isLogY(), 9), domain: [foot, 1], fixedrange: isNarrow() },
    xaxis2: { ...axisLooks(""), anchor: "y2", range: [-0.5, last + 0.5], fixedrange: true, visible: strip.length > 0, showgrid: false, nticks: most },
    yaxis2: { domain: [0, top], range: [0, 1], visible: false, fixedrange: true },
    yaxis3: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true },
    annotations: strip.length ? [{ text: "without both figures, by trial number", xref: "paper", yref: "paper", x: 1, xanchor: "right", y: top, yanchor: "bottom", showarrow: false, font: { size: 12, color: colour("muted") } }] : [],
  };
}

const isLogX = () => CHOSEN.xLog && canBeLog(CHOSEN.x, partsOf().both);
const isLogY = () => CHOSEN.yLog && canBeLog(CHOSEN.y, partsOf().both);

/* The ranges that show all points, and the intervals of those of the front. */
function wholeView(both, edge) {
  const { x, y } = CHOSEN;
  const of = (name) => both.flatMap((t) => (name === "fid" && CHOSEN.intervals && t.status === "front" && t.interval ? [t.scores.fid, ...t.interval.filter((end) => end > 0)] : [t.scores[name]]));
  return { x: rangeOf([...of(x), ...edge.map((trial) => trial.scores[x])], isLogX()), y: rangeOf(of(y), isLogY()) };
}

function drawFront() {
  const parts = partsOf();
  ticking = true;
  Plotly.react("front-plot", tracesOf(parts), layoutOf(parts), PLOTLY_OPTIONS).then(() => { ticking = false; });
  sayFront(parts);
}

function sayFront({ both, edge, strip }) {
  const begun = plain(TRIALS.length, "trial has begun", "trials have begun");
  const drawn = TRIALS.filter(isDrawn).length;
  const inStrip = strip.length ? `, of which ${strip.length} lack one of the two figures and stand in the strip below` : "";
  const screened = edge.length ? ` Screened compressions have no ${METRICS.get(CHOSEN.y).title}: they stand along the upper edge.` : "";
  const line = both.length && hasLine() ? ` The line joins what no ${ANY_VERIFIED ? "verified" : "other"} model beats in both.` : "";
  at("front-text").textContent = `${begun}; ${drawn} are drawn${inStrip}.${line}${screened}`;
}

function markPicked(trial) {
  pickedTrial = trial;
  const plot = at("front-plot");
  if (!plot.data) return;
  const ring = ringOf();
  Plotly.restyle(plot, { x: [ring.x], y: [ring.y] }, [plot.data.length - 1]);
}
