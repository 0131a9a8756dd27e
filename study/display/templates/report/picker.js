/* Picking one model of the front. */
const RULES = {
  recommended: { text: "Best FID, and small: the smallest whose interval reaches it" },
  fid: { text: "Smallest with a FID of at most …", limit: "fid", least: "size_bytes", start: "15" },
  size_bytes: { text: "Best FID in at most … bytes", limit: "size_bytes", least: "fid", start: "100 kB" },
  latency_ms: { text: "Best FID in at most … ms an image", limit: "latency_ms", least: "fid", start: "5" },
  macs: { text: "Best FID in at most … MACs", limit: "macs", least: "fid", start: "10M" },
  parameters: { text: "Best FID in at most … parameters", limit: "parameters", least: "fid", start: "100k" },
  knee: { text: "Knee: where more bytes begin to gain little" },
};

/* The point farthest below the line between the ends of the front, on logarithmic scales. */
function kneeOf(trials) {
  const points = unbeaten(trials.filter((t) => t.scores.fid > 0), "size_bytes", "fid");
  if (points.length < 3) return points[0] ?? null;
  const places = points.map((t) => [Math.log(t.scores.size_bytes), Math.log(t.scores.fid)]);
  const [first, last] = [places[0], places[places.length - 1]];
  const depth = ([x, y]) => (1 - (x - first[0]) / (last[0] - first[0])) - (y - last[1]) / (first[1] - last[1]);
  const depths = places.map(depth);
  return points[depths.indexOf(Math.max(...depths))];
}

/* The model that a rule picks, or why there is none. */
function pick(rule, text) {
  if (!FRONT.length) return { why: "There is no front yet." };
  if (rule === "recommended") return { trial: BY_NUMBER.get(DATA.pick) };
  if (rule === "knee") return { trial: kneeOf(FRONT) };
  const { limit, least } = RULES[rule];
  const most = readFigure(text);
  if (most === null) return { why: `“${text}” is no figure; allowed: above 0, like ${RULES[rule].start}.` };
  const within = FRONT.filter((trial) => trial.scores[limit] <= most);
  within.sort((a, b) => costOf(a, least) - costOf(b, least) || costOf(a, limit) - costOf(b, limit));
  if (within.length) return { trial: within[0] };
  const values = FRONT.map((trial) => trial.scores[limit]).filter(Number.isFinite);
  if (!values.length) return { why: "No model of the front has this figure." };
  return { why: `No model of the front has at most ${text}; the least is ${written(limit, Math.min(...values))}.` };
}

function showPicked() {
  const rule = CHOSEN.rule;
  const { trial, why } = pick(rule, at("most").value);
  if (!trial) fill("picked", make("p", { class: "error" }, why));
  else fill("picked", pickedText(trial));
  for (const card of document.querySelectorAll(".card")) {
    card.classList.toggle("picked", Boolean(trial) && card.id === `card-${trial.trial}`);
  }
  markPicked(trial ?? null);
}

function pickedText(trial) {
  const figures = `${written("size_bytes", trial.scores.size_bytes)}, FID ${withInterval(trial)}`;
  return [
    make("p", {}, make("strong", { id: "picked-name" }, nameOf(trial)), ` – ${figures}`),
    make("p", { class: "muted" }, trial.name),
    make("p", {}, make("button", { type: "button", class: "main", onclick: () => openTrial(trial) }, "Open it")),
    make("p", { class: "muted" }, "Draw images with it:"),
    make("pre", {}, make("code", {}, DATA.commands[trial.trial].draw)),
  ];
}

function beginPicker() {
  options("rule", Object.entries(RULES).map(([name, rule]) => [name, rule.text]), CHOSEN.rule);
  const setRule = () => {
    const { limit, start } = RULES[CHOSEN.rule];
    at("most-label").hidden = !limit;
    at("most").value = CHOSEN.most[CHOSEN.rule] ?? start ?? "";
    showPicked();
  };
  at("rule").addEventListener("change", () => { keep({ rule: at("rule").value }); setRule(); });
  at("most").addEventListener("input", () => {
    keep({ most: { ...CHOSEN.most, [CHOSEN.rule]: at("most").value } });
    showPicked();
  });
  at("picker").addEventListener("submit", (event) => event.preventDefault());
  setRule();
}
