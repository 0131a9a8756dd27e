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

function drawAll() {
  drawFront();
  drawCourse();
  drawTrainings();
}

showHeading();
beginCards();
beginAxes();
drawAll();
beginPointing();
beginPicker();
beginTable();
beginCourse();
beginKnobs();
beginTrainings();
beginWatch();
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
window.matchMedia("(max-width: 640px)").addEventListener("change", drawAll);
document.documentElement.dataset.ready = "yes";
