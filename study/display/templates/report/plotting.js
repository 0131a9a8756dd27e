/* What all plots share: their looks, and the ticks of their axes. */
const STEPS = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 7]];
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const PLOTLY_OPTIONS = { displayModeBar: false, responsive: true, doubleClick: false, showTips: false };

function looks() {
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    font: { family: FONT, size: 13, color: colour("text") }, hovermode: "closest",
    margin: { l: 64, r: 14, t: 14, b: 48 },
  };
}

function axisLooks(title) {
  return {
    title: { text: title, font: { size: 13 }, standoff: 8 }, gridcolor: colour("line"), linecolor: colour("muted"),
    zeroline: false, ticks: "outside", tickcolor: colour("muted"), tickfont: { size: 12 },
  };
}

/* Ticks between two values: multiples of powers of 10 where they are enough, else even steps. */
function ticksBetween(low, high, isLog, most) {
  if (isLog) {
    for (const steps of [...STEPS].reverse()) {
      const found = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
        found.push(...steps.map((step) => step * 10 ** power));
      }
      const within = found.filter((value) => value >= low && value <= high);
      if (within.length <= most && within.length >= 3) return within;
    }
  }
  const rough = (high - low) / Math.max(most - 1, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.max(Math.floor(high / step) - first + 1, 0) }, (_, i) => (first + i) * step);
}

/* An axis over a range of values, or of their logarithms, with ticks as the metric is written. */
function axisOver(name, title, range, isLog, most) {
  const [low, high] = isLog ? range.map((end) => 10 ** end) : range;
  const values = ticksBetween(low, high, isLog, most);
  return {
    ...axisLooks(title), type: isLog ? "log" : "linear", range, autorange: false, tickmode: "array",
    tickvals: values, ticktext: values.map((value) => writtenTick(name, value)),
  };
}

/* The range that shows values with some room, in the axis's own scale. */
function rangeOf(values, isLog, room = 0.06) {
  if (!values.length) return isLog ? [0, 1] : [0, 1];
  const scaled = isLog ? values.map(Math.log10) : values;
  let [low, high] = scaled.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  if (high - low < 1e-9 * Math.max(Math.abs(high), 1)) {
    const apart = isLog ? 0.1 : Math.max(Math.abs(high) * 0.1, 0.5);
    [low, high] = [low - apart, high + apart];
  }
  return [low - room * (high - low), high + room * (high - low)];
}
