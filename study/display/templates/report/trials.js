/* The trials, and what is the same of all their uses. */
const TRIALS = DATA.trials;
const BY_NUMBER = new Map(TRIALS.map((trial) => [trial.trial, trial]));
const FRONT = TRIALS.filter((trial) => trial.status === "front").sort((a, b) => a.rank - b.rank);
const ANY_VERIFIED = TRIALS.some((trial) => trial.seeds);
const SCREENED = DATA.screened.rows.map((row, place) => {
  const scores = Object.fromEntries(DATA.screened.columns.map((name, i) => [name, row[i]]));
  return { trial: scores.trial, status: "screened", name: DATA.screened.names[place], scores };
});
const MARKS = {
  front: ["circle", "●"], dominated: ["circle", "●"], noise: ["x-thin", "✕"],
  over: ["cross-thin", "+"], stopped: ["circle-open", "○"], failed: ["triangle-down", "▼"],
  refused: ["square-open", "□"], running: ["diamond", "◆"], screened: ["circle", "·"],
};

function nameOf(trial) {
  if (trial.status === "screened") return `Screened beside trial ${trial.trial}`;
  return trial.point ? `Point ${trial.point}` : `Trial ${trial.trial}`;
}

const wordsOf = (status) => (status === "screened" ? "screened" : STATUSES.get(status));

/* Whether a trial may be on a front: it is complete, keeps to the limits, and is verified if any is. */
function isRival(trial) {
  const complete = trial.status === "front" || trial.status === "dominated";
  return complete && (!ANY_VERIFIED || Boolean(trial.seeds));
}

/* Figures of a metric as costs, so that less is better. */
function costOf(trial, name) {
  const value = trial.scores[name];
  return METRICS.get(name).maximize ? -value : value;
}

/* The trials that no other one beats in two metrics, by the first one. */
function unbeaten(trials, x, y) {
  const sorted = trials.filter((trial) => hasBoth(trial, x, y)).sort(
    (a, b) => costOf(a, x) - costOf(b, x) || costOf(a, y) - costOf(b, y),
  );
  let least = Infinity;
  return sorted.filter((trial) => {
    const isBetter = costOf(trial, y) < least;
    least = Math.min(least, costOf(trial, y));
    return isBetter;
  });
}

function hasBoth(trial, x, y) {
  return Number.isFinite(trial.scores[x]) && Number.isFinite(trial.scores[y]);
}
