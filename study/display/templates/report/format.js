/* Figures as people read them, and what people write as figures. */
const UNITS = { bytes: [" B", " kB", " MB", " GB"], count: ["", " k", " M", " G"] };
const FACTORS = { "": 1, k: 1e3, m: 1e6, g: 1e9 };

function threeDigits(value, units) {
  for (const unit of units.slice(0, -1)) {
    if (value < 999.5) return `${Number(value.toPrecision(3))}${unit}`;
    value /= 1000;
  }
  return `${Number(value.toPrecision(3))}${units[units.length - 1]}`;
}

function duration(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (count) => String(count).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/* Write a figure of a metric; a dash where there is none. */
function written(name, value) {
  if (value === undefined || value === null) return "–";
  const { kind } = METRICS.get(name);
  if (kind === "bytes" || kind === "count") return threeDigits(value, UNITS[kind]);
  if (kind === "share") return `${(100 * value).toFixed(1)} %`;
  if (kind === "seconds") return duration(value);
  if (kind === "whole") return String(value);
  return Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

/* Write a tick of an axis: no shorter than it takes to tell it from the next one. */
function writtenTick(name, value) {
  const { kind } = METRICS.get(name);
  if (kind === "share") return `${Number((100 * value).toPrecision(4))} %`;
  if (kind === "bytes" || kind === "count") {
    const place = value < 1e3 ? 0 : value < 1e6 ? 1 : value < 1e9 ? 2 : 3;
    return `${Number((value / 1000 ** place).toPrecision(4))}${UNITS[kind][place]}`;
  }
  return String(Number(value.toPrecision(4)));
}

/* Read a figure above 0 like 15, 100k, 100 kB or 1.5 MB; null where it is none. */
function readFigure(text) {
  const found = /^\s*(\d+(?:\.\d*)?|\.\d+)\s*([kmg]?)b?\s*$/i.exec(text.replaceAll(",", ""));
  const value = found ? Number(found[1]) * FACTORS[found[2].toLowerCase()] : 0;
  return value > 0 ? value : null;
}

function withInterval(trial) {
  const fid = written("fid", trial.scores.fid);
  if (!trial.interval) return fid;
  return `${fid} (${trial.interval.map((end) => written("fid", end)).join("–")})`;
}

/* How many images a trial's FID is of. */
function drawnImages(trial) {
  if (!trial.images) return "";
  const images = `${trial.images.toLocaleString("en")} images`;
  return trial.seeds ? `${trial.seeds} × ${images}` : images;
}
