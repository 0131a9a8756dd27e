/* What the reader has chosen: kept over a reload of the page, for this run and this tab. */
const KEY = `report ${DATA.run.name}`;
const axes = DATA.objectives.includes("fid") && DATA.objectives.length > 1
  ? { y: "fid", x: DATA.objectives.find((name) => name !== "fid") }
  : { y: DATA.objectives[0], x: DATA.objectives[1] ?? "size_bytes" };
const CHOSEN = {
  ...axes, xLog: true, yLog: true, intervals: true, hidden: ["noise", "screened"], zoom: null,
  rule: "recommended", most: {}, filter: "", which: "all", sort: "trial", descending: false,
  shown: 100, courseX: "trials", knobs: DATA.objectives[0], open: null,
  ...restored(),
};

function restored() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // where the browser keeps nothing, as of some files that are opened from a disk
  }
}

function keep(changes = {}) {
  Object.assign(CHOSEN, changes);
  try {
    sessionStorage.setItem(KEY, JSON.stringify(CHOSEN));
  } catch {
    // the choice then lasts as long as the page
  }
}
