/* A report that is served while its study runs is loaded again once it was written anew. */
const POLL_MS = 3000;
const PLACE = `${KEY} place`;

function isServed() {
  return location.protocol === "http:" && ["127.0.0.1", "localhost"].includes(location.hostname);
}

/* The tag of the page as it was loaded, which may be older than what is served by now. */
function ownTag() {
  const [loaded] = performance.getEntriesByType("navigation");
  const timing = loaded?.serverTiming?.find(({ name }) => name === "file");
  return timing ? `"${timing.description}"` : null;
}

async function tagOf() {
  const response = await fetch(location.href, { method: "HEAD", cache: "no-store" });
  return response.headers.get("ETag");
}

/* Load the page again where it changed, with the same view; say so once nobody serves it. */
async function watch(first) {
  try {
    const tag = await tagOf();
    if (tag !== null && first !== null && tag !== first) {
      sessionStorage.setItem(PLACE, JSON.stringify([scrollX, scrollY, document.activeElement?.id ?? ""]));
      location.reload();
      return;
    }
    setTimeout(watch, POLL_MS, first ?? tag);
  } catch {
    at("state").append(" The study that served this page has ended; its report lies in the run's folder.");
  }
}

function beginWatch() {
  if (!isServed()) return;
  const place = JSON.parse(sessionStorage.getItem(PLACE) ?? "null");
  sessionStorage.removeItem(PLACE);
  if (place) {
    document.documentElement.style.scrollBehavior = "auto";
    scrollTo(place[0], place[1]);
    document.documentElement.style.scrollBehavior = "";
    if (place[2] && !at("dialog").open) at(place[2])?.focus({ preventScroll: true });
  }
  setTimeout(watch, POLL_MS, ownTag());
}
