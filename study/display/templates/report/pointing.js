/* Pointing at trials in the plot, by mouse, finger and keys. */
let pointed = null; // the trial that the tip is about

function tipOf(trial) {
  const picture = DATA.pictures[trial.trial];
  const parts = [make("p", {}, make("strong", {}, nameOf(trial)), `, ${wordsOf(trial.status)}`)];
  if (trial.name) parts.push(make("p", { class: "muted" }, trial.name));
  parts.push(...figuresInTip(trial).map((text) => make("p", {}, text)));
  if (trial.reason) parts.push(make("p", {}, trial.reason));
  if (picture && trial.status !== "screened") {
    parts.push(make("img", { src: picture.strip, alt: `Some samples of trial ${trial.trial}`, width: Math.min(picture.width, 300) }));
  }
  return parts;
}

function figuresInTip(trial) {
  const { scores } = trial;
  const lines = [];
  if (scores.size_bytes !== undefined) lines.push(`size ${written("size_bytes", scores.size_bytes)}`);
  if (scores.fid !== undefined) {
    lines.push(`FID ${withInterval(trial)}${trial.seeds ? ", verified" : ""}, ${drawnImages(trial)}`);
    if (trial.searched) lines.push(`the search's FID ${written("fid", trial.searched.fid)}, ${trial.searched_images} images`);
  }
  for (const name of new Set([CHOSEN.x, CHOSEN.y])) {
    const isSaid = ["fid", "size_bytes", "trial"].includes(name);
    if (!isSaid && scores[name] !== undefined) lines.push(`${METRICS.get(name).title} ${written(name, scores[name])}`);
  }
  return lines;
}

/* Show the tip of a trial beside its marker, wherever there is room. */
function showTip(trial, box) {
  pointed = trial;
  fill("tip", tipOf(trial));
  const tip = at("tip");
  tip.hidden = false;
  const [width, height] = [at("front-box").clientWidth, at("front-box").clientHeight];
  const right = box.x1 + 12;
  const left = right + tip.offsetWidth <= width ? right : Math.max(box.x0 - 12 - tip.offsetWidth, 0);
  tip.style.left = `${Math.min(left, Math.max(width - tip.offsetWidth, 0))}px`;
  tip.style.top = `${Math.max(Math.min(box.y1 + 10, height - tip.offsetHeight), -40)}px`;
}

function hideTip() {
  pointed = null;
  at("tip").hidden = true;
}

const trialAt = ({ curveNumber, pointNumber }) => shown[curveNumber]?.[pointNumber];

/* All points that are in view, from left to right; of one place the first is the upper one. */
function pointsInOrder() {
  const { _fullLayout: layout, data } = at("front-plot");
  const points = shown.flatMap((trials, curveNumber) => trials.map((trial, pointNumber) => {
    const [xaxis, yaxis] = ["x", "y"].map((letter) => layout[(data[curveNumber][`${letter}axis`] ?? letter).replace(letter, `${letter}axis`)]);
    const [left, top] = [xaxis.d2p(data[curveNumber].x[pointNumber]), yaxis.d2p(data[curveNumber].y[pointNumber])];
    const isSeen = left >= 0 && left <= xaxis._length && top >= 0 && top <= yaxis._length;
    return { trial, isSeen, x: left + xaxis._offset, y: top + yaxis._offset };
  }));
  return points.filter((point) => point.isSeen).sort((a, b) => a.x - b.x || a.y - b.y);
}

/* Go on from the point that is pointed at; the first step is to the first or the last one. */
function step(by) {
  const points = pointsInOrder();
  const now = points.findIndex((point) => point.trial === pointed);
  const begin = by > 0 ? 0 : points.length - 1;
  goTo(points, now < 0 ? begin : Math.min(Math.max(now + by, 0), points.length - 1));
}

function goTo(points, place) {
  if (!points.length) return;
  const { trial, x, y } = points[place];
  showTip(trial, { x0: x - 6, x1: x + 6, y0: y - 6, y1: y + 6 });
  const text = [nameOf(trial), wordsOf(trial.status), ...figuresInTip(trial)].join(", ");
  at("front-said").textContent = `${text}. ${place + 1} of ${points.length}.`;
}

const ON_KEY = {
  ArrowRight: () => step(1), ArrowDown: () => step(1), ArrowLeft: () => step(-1), ArrowUp: () => step(-1),
  Home: () => goTo(pointsInOrder(), 0), End: () => goTo(pointsInOrder(), pointsInOrder().length - 1), Escape: hideTip, Enter: () => pointed && openTrial(pointed),
  "+": () => zoomBy(0.7), "-": () => zoomBy(1 / 0.7), 0: () => zoomTo(null),
};

function beginPointing() {
  const plot = at("front-plot");
  plot.on("plotly_hover", ({ points: [point] }) => {
    const trial = trialAt(point);
    if (trial) showTip(trial, point.bbox);
  });
  plot.on("plotly_unhover", hideTip);
  plot.on("plotly_click", ({ points: [point] }) => trialAt(point) && openTrial(trialAt(point)));
  plot.on("plotly_relayout", (changes) => {
    if (ticking || !("xaxis.range[0]" in changes || "yaxis.range[0]" in changes)) return;
    const { xaxis, yaxis } = plot._fullLayout;
    zoomTo({ x: [...xaxis.range], y: [...yaxis.range] });
  });
  plot.on("plotly_doubleclick", () => zoomTo(null));
  at("front-box").addEventListener("keydown", (event) => {
    if (!(event.key in ON_KEY) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    ON_KEY[event.key]();
  });
  at("front-box").addEventListener("blur", hideTip);
}
