/* The table of all trials. */
const PAGE = 100;
const figureColumn = (name, title) => ({
  name, title, isNumber: true, value: (t) => t.scores[name], text: (t) => written(name, t.scores[name]),
});
/* What became of a trial, with its reason; some begin with the same words. */
function becameOf({ status, reason = "" }) {
  const words = wordsOf(status);
  return !reason ? words : reason.includes(words) ? reason : `${words}: ${reason}`;
}

const COLUMNS = [
  { name: "trial", title: "trial", isNumber: true, value: (t) => t.trial, text: (t) => String(t.trial) },
  { name: "status", title: "what became of it", value: (t) => [...STATUSES.keys()].indexOf(t.status), text: becameOf },
  { name: "recipe", title: "recipe", value: (t) => t.name, text: (t) => t.name ?? "–" },
  { ...figureColumn("size_bytes", "size") },
  { ...figureColumn("fid", "FID"), name: "fid" },
  { name: "interval", title: "95 %", isNumber: true, value: (t) => t.interval?.[0], text: (t) => (t.interval ? t.interval.map((end) => written("fid", end)).join("–") : "–") },
  { name: "searched", title: "search's FID", isNumber: true, value: (t) => t.searched?.fid, text: (t) => written("fid", t.searched?.fid) },
  { name: "chance", title: "on front", isNumber: true, value: (t) => t.chance, text: (t) => (t.chance === undefined ? "–" : `${Math.round(100 * t.chance)} %`) },
  { ...figureColumn("fid_held_out", "held out") },
  { ...figureColumn("latency_ms", "ms an image") },
  { ...figureColumn("macs", "MACs") },
  { ...figureColumn("parameters", "parameters") },
  { ...figureColumn("label_agreement", "labels") },
  { ...figureColumn("train_images", "trained on") },
];
const OBJECTIVE_COLUMNS = DATA.objectives.filter((name) => !COLUMNS.some((column) => column.name === name))
  .map((name) => figureColumn(name, METRICS.get(name).title));
COLUMNS.push(...OBJECTIVE_COLUMNS);
const USED = COLUMNS.filter(({ value }) => TRIALS.some((trial) => value(trial) !== undefined && value(trial) !== null));

function foundTrials() {
  const words = CHOSEN.filter.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (trial) => {
    const text = `${nameOf(trial)} ${wordsOf(trial.status)} ${trial.name ?? ""} ${trial.reason ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const found = TRIALS.filter((trial) => (CHOSEN.which === "all" || trial.status === CHOSEN.which) && matches(trial));
  return found.sort(compare);
}

/* Order two trials as the table is sorted; what lacks the figure comes last either way. */
function compare(a, b) {
  const { value } = USED.find(({ name }) => name === CHOSEN.sort) ?? COLUMNS[0];
  const [one, other] = [value(a) ?? null, value(b) ?? null];
  if (one === null || other === null) return (one === null) - (other === null) || a.trial - b.trial;
  const order = typeof one === "string" ? one.localeCompare(other) : one - other;
  return (CHOSEN.descending ? -order : order) || a.trial - b.trial;
}

function showTable() {
  const found = foundTrials();
  const rows = found.slice(0, CHOSEN.shown);
  fill("table", make("caption", { class: "unseen" }, "Trials"), headOf(), make("tbody", {}, rows.map(rowOf)));
  at("found").textContent = `${found.length} of ${plain(TRIALS.length, "trial", "trials")}`;
  at("more").hidden = rows.length === found.length;
  at("more").textContent = `Show ${Math.min(PAGE, found.length - rows.length)} more of ${found.length - rows.length}`;
  at("sort").value = CHOSEN.sort;
  at("descending").checked = CHOSEN.descending;
}

function headOf() {
  return make("thead", {}, make("tr", {}, USED.map(({ name, title, isNumber }) => {
    const isSorted = name === CHOSEN.sort;
    const order = CHOSEN.descending ? "descending" : "ascending";
    const arrow = isSorted ? (CHOSEN.descending ? " ▼" : " ▲") : "";
    return make("th", { scope: "col", class: isNumber ? "number" : "", "aria-sort": isSorted ? order : null },
      make("button", { type: "button", id: `by-${name}`, onclick: () => sortBy(name) }, title, make("span", { "aria-hidden": "true" }, arrow)));
  })));
}

function rowOf(trial) {
  return make("tr", { id: `row-${trial.trial}` }, USED.map((column) => {
    const text = column.text(trial);
    const content = column.name === "trial"
      ? make("button", { type: "button", "aria-label": `Open trial ${text}`, onclick: () => openTrial(trial) }, text) : text;
    const kind = `${column.isNumber ? "number" : column.name}${text === "–" ? " none" : ""}`;
    return make("td", { class: kind, "data-label": column.title }, content);
  }));
}

function sortBy(name) {
  keep({ sort: name, descending: name === CHOSEN.sort ? !CHOSEN.descending : false });
  showTable();
  at(`by-${name}`).focus();
}

function beginTable() {
  const statuses = [...STATUSES.keys()].filter((status) => TRIALS.some((trial) => trial.status === status));
  options("which", [["all", "all"], ...statuses.map((status) => [status, wordsOf(status)])], CHOSEN.which);
  options("sort", USED.map(({ name, title }) => [name, title]), CHOSEN.sort);
  at("filter").value = CHOSEN.filter;
  const change = (id, event, of) => at(id).addEventListener(event, () => { keep({ shown: PAGE, ...of() }); showTable(); });
  change("filter", "input", () => ({ filter: at("filter").value }));
  change("which", "change", () => ({ which: at("which").value }));
  change("sort", "change", () => ({ sort: at("sort").value }));
  change("descending", "change", () => ({ descending: at("descending").checked }));
  at("more").addEventListener("click", () => { keep({ shown: CHOSEN.shown + PAGE }); showTable(); });
  at("filters").addEventListener("submit", (event) => event.preventDefault());
  showTable();
}
