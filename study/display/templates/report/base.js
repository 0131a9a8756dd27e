"use strict";
/* The data of the page, and how its elements are made: every text is text, never markup. */
const DATA = JSON.parse(document.getElementById("data").textContent);
const METRICS = new Map(DATA.metrics.map((metric) => [metric.name, metric]));
const STATUSES = new Map(DATA.statuses);

const at = (id) => document.getElementById(id);

/* Make an element; properties that begin with "on" are listeners, the others attributes. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined));
  return element;
}

function fill(id, ...children) {
  at(id).replaceChildren(...children.flat(3).filter((child) => child !== null));
}

/* Put options, pairs of a value and a text, into a select. */
function options(id, pairs, chosen) {
  fill(id, pairs.map(([value, text]) => make("option", { value, selected: value === chosen }, text)));
}

/* The colour that the style has for a name, in the scheme of the system as it is now. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function plain(count, one, many) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}
