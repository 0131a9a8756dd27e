/* The page is put together. */
function showHeading() {
  const { run } = DATA;
  const ended = TRIALS.filter((trial) => !["running", "refused"].includes(trial.status)).length;
  const running = TRIALS.some((trial) => trial.status === "running");
  at("aims").textContent = `${run.aims[0].toUpperCase()}${run.aims.slice(1)}.`;
  fill("state", make("span", { class: run.live ? "pill live" : "pill ended" }, run.live ? "running" : running ? "not ended" : "ended"), `${ended} of ${Math.max(run.asked, ended)} trials finished`);
  fill("facts", run.facts.map(([label, text]) => make("div", {}, make("dt", {}, label), make("dd", {}, text))));
  fill("notes", DATA.notes.map((text) => make("li", {}, text)));
  at("written").textContent = `Written ${run.written}. Drawn by Plotly, which is embedded; nothing is fetched.`;
}

/* Plots below the first one, drawn once they come near the window; printing shows all. */
const LATER = new Map([["course", drawCourse], ["trainings", drawTrainings]]);
const drawn = new Set();
const seer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) if (isIntersecting) drawLater(target.id);
}, { rootMargin: "400px" });

function drawLater(id) {
  seer.unobserve(at(id));
  drawn.add(id);
  LATER.get(id)();
}

function drawAgain() {
  drawFront();
  for (const id of drawn) LATER.get(id)();
}

showHeading();
beginCards();
beginAxes();
beginPicker();
drawFront();
beginPointing();
beginTable();
beginCourse();
beginKnobs();
beginTrainings();
beginWatch();
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAgain);
window.matchMedia("(max-width: 640px)").addEventListener("change", drawAgain);
window.addEventListener("beforeprint", () => LATER.forEach((_, id) => drawLater(id)));
LATER.forEach((_, id) => seer.observe(at(id)));
document.documentElement.dataset.ready = "yes";
