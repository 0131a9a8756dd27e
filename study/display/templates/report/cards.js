/* All that is known of one trial: as a card on the page, or in the dialog. */
function cardOf(trial, level) {
  return [
    level === "h3" ? null : statusLine(trial),
    trial.name ? make("p", { class: "muted" }, trial.name) : null,
    trial.reason ? make("p", {}, trial.reason) : null,
    sheetOf(trial),
    figuresOf(trial),
    make("details", { open: level === "h2" }, make("summary", {}, "Recipe and conditions"), pairsOf(trial)),
    commandsOf(trial),
  ];
}

function statusLine(trial) {
  const took = trial.seconds === undefined ? "" : `, took ${duration(trial.seconds)}`;
  return make("p", {}, `Trial ${trial.trial}, ${wordsOf(trial.status)}${took}`);
}

/* The samples with a heading for each class, or a strip of them where the page has no more. */
function sheetOf(trial) {
  const picture = DATA.pictures[trial.trial];
  if (!picture) return null;
  const byClass = picture.by_class;
  const what = byClass ? "a column a class" : "evenly over all labels";
  const label = `${picture.sheet ? "Samples" : "Some samples"} of ${nameOf(trial).toLowerCase()}, ${what}`;
  const long = DATA.classes.length > 12 || DATA.classes.some((name) => name.length > 2);
  const heads = byClass
    ? make("div", { class: long ? "heads long" : "heads" }, DATA.classes.map((name) => make("span", { title: name }, name)))
    : null;
  const wide = Math.min(2 * picture.width, 640);
  return make(
    "figure", { class: "sheet", style: `width: ${wide}px` },
    heads, make("img", { src: picture.sheet ?? picture.strip, alt: label }),
    make("figcaption", {}, `${label}.`),
  );
}

const MAIN = ["fid", "size_bytes", "latency_ms", "macs", "parameters", "label_agreement", ...DATA.objectives];

/* The figures: verified ones first, beside what the search had and what real images reach. */
function figuresOf(trial) {
  const names = DATA.metrics.map((metric) => metric.name).filter((name) => name !== "trial" && name in trial.scores);
  if (!names.length) return null;
  const others = names.filter((name) => !MAIN.includes(name));
  const first = rowsOf(trial, names.filter((name) => MAIN.includes(name)));
  const { noise } = DATA.conditions[trial.conditions] ?? {};
  if (noise) first.splice(1, 0, ["FID of uniform noise", written("fid", noise)]);
  if (trial.chance !== undefined) first.push(["probability of being on the front", `${Math.round(100 * trial.chance)} %`]);
  return [
    figureTable(trial, first, "Figures"),
    others.length ? make("details", {}, make("summary", {}, "More figures"), figureTable(trial, rowsOf(trial, others), "More figures")) : null,
  ];
}

function rowsOf(trial, names) {
  const { floors = {} } = DATA.conditions[trial.conditions] ?? {};
  const value = (name) => (name === "fid" ? withInterval(trial) : written(name, trial.scores[name]));
  const searched = (name) => (trial.searched ? [name in trial.searched ? written(name, trial.searched[name]) : ""] : []);
  return names.map((name) => [METRICS.get(name).title, value(name), ...searched(name), name in floors ? written(name, floors[name]) : ""]);
}

function figureTable(trial, rows, what) {
  const own = trial.searched ? `verified, ${drawnImages(trial)}` : trial.images ? `search, ${drawnImages(trial)}` : "value";
  const searched = trial.searched ? [`search, ${trial.searched_images} images`] : [];
  const heads = ["figure", own, ...searched, "real images"];
  const whole = rows.map((row) => [...row, ...heads.slice(row.length).map(() => "")]);
  return tableOf(heads, whole, `${what} of ${nameOf(trial).toLowerCase()}`, "figures");
}

/* A table whose first column heads its rows. */
function tableOf(heads, rows, caption, kind = "") {
  const head = make("tr", {}, heads.map((text, i) => make("th", { scope: "col", class: i ? "number" : "" }, text)));
  const body = rows.map(([first, ...cells]) => make(
    "tr", {}, make("th", { scope: "row" }, first), cells.map((text) => make("td", { class: "number" }, text)),
  ));
  return make("table", { class: kind }, make("caption", { class: "unseen" }, caption), make("thead", {}, head), make("tbody", {}, body));
}

function pairsOf(trial) {
  const knobs = Object.entries(trial.knobs ?? {}).map(([name, value]) => [name, String(value)]);
  const { lines = [] } = DATA.conditions[trial.conditions] ?? {};
  const pairs = [...(trial.recipe ?? []), ...knobs, ...lines];
  const of = make("dl", { class: "facts" }, pairs.map(([label, text]) => make("div", {}, make("dt", {}, label), make("dd", {}, text))));
  return pairs.length ? of : make("p", {}, "Nothing more is known of it.");
}

function commandsOf(trial) {
  const commands = DATA.commands[trial.trial];
  if (!commands) return null;
  return make(
    "details", {}, make("summary", {}, "Use it"),
    make("p", { class: "muted" }, "Draw images:"), make("pre", {}, make("code", {}, commands.draw)),
    make("p", { class: "muted" }, "In Python:"), make("pre", {}, make("code", {}, commands.python)),
  );
}

function openTrial(trial) {
  const close = make("button", { type: "button", onclick: () => at("dialog").close() }, "Close");
  const title = make("h2", { id: "dialog-title" }, nameOf(trial));
  fill("dialog-body", make("div", { class: "bar-top" }, title, close), cardOf(trial, "h2"));
  at("tip").hidden = true;
  keep({ open: trial.trial });
  if (!at("dialog").open) at("dialog").showModal();
}

function beginCards() {
  fill("cards", FRONT.map((trial) => make(
    "article", { class: "card", id: `card-${trial.trial}`, "aria-labelledby": `card-title-${trial.trial}` },
    make("h3", { id: `card-title-${trial.trial}` }, `${nameOf(trial)}: ${written("size_bytes", trial.scores.size_bytes)}, FID ${withInterval(trial)}`),
    cardOf(trial, "h3"),
  )));
  at("scale").textContent = DATA.scale ? `${DATA.scale}.` : "There is no model on the front yet.";
  at("dialog").addEventListener("close", () => keep({ open: null }));
  at("dialog").addEventListener("click", (event) => { if (event.target === at("dialog")) at("dialog").close(); });
  const reopened = BY_NUMBER.get(CHOSEN.open);
  if (reopened) openTrial(reopened);
}
