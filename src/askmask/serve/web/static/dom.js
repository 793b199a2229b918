/** Building and finding elements, and writing numbers for people. */

/**
 * Make an element: `h("button", {class: "quiet", onclick: f, "aria-label": "Undo"}, "text", child)`.
 * Properties that begin with "on" are listeners; null, undefined and false are left out.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  setAll(element, properties);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** The same for SVG. */
export function svg(tag, properties = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAll(element, properties);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

function setAll(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
}

/**
 * An element of the page that is always there, by its id.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`expected an element with the id ${id}; the page has none.`);
  return element;
}

/** The same for a control with a value or state. @param {string} id */
export const controlOf = (id) => /** @type {HTMLInputElement} */ (byId(id));

/** @param {string} id */
export const dialogOf = (id) => /** @type {HTMLDialogElement} */ (byId(id));

/** The control that an event comes from. @param {Event} event */
export const sourceOf = (event) => /** @type {HTMLInputElement} */ (event.target);

/**
 * What draws on a canvas.
 *
 * @param {HTMLCanvasElement | OffscreenCanvas} canvas
 * @param {CanvasRenderingContext2DSettings} [options]
 * @returns {CanvasRenderingContext2D}
 */
export function penOf(canvas, options) {
  const context = canvas.getContext("2d", options);
  if (!context) throw new Error("This browser gives no canvas to draw on: close some tabs and reload.");
  return /** @type {CanvasRenderingContext2D} */ (context);
}

/** What an event of ours carries. @param {Event} event */
export const detailOf = (event) => /** @type {CustomEvent} */ (event).detail;

/** Replace the children of an element. */
export function show(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
}

export function choice(label, options, properties = {}) {
  const select = h(
    "select",
    properties,
    options.map(([value, text]) => h("option", { value }, text)),
  );
  return { select, label: h("label", { class: "field" }, h("span", {}, label), select) };
}

/** "3", "12.5 k", "1.2 M". */
export function count(number) {
  if (number === null || number === undefined) return "–";
  if (number >= 1e6) return `${trim(number / 1e6)} M`;
  if (number >= 1e4) return `${trim(number / 1e3)} k`;
  return number.toLocaleString("en");
}

const trim = (number) => (number >= 100 ? number.toFixed(0) : number.toFixed(1).replace(/\.0$/, ""));

export function decimal(number, digits = 3) {
  return number === null || number === undefined ? "–" : number.toFixed(digits);
}

export function signed(number, digits = 3) {
  return `${number >= 0 ? "+" : "−"}${Math.abs(number).toFixed(digits)}`;
}

/** "8 s", "3 min 20 s", "2 h 5 min". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A score with three digits that matter. */
export function score(number) {
  return Math.abs(number) >= 100 ? count(Math.round(number)) : Number(number.toPrecision(3)).toString();
}

/** Local date and time of an ISO string. */
export function moment(iso) {
  return new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** "predictive_entropy" -> "predictive entropy". */
export const words = (name) => name.replaceAll("_", " ");

/** The two numbers of a region, as shown to people: both from 1, rounds from 1 as well. */
export const place = (item) => `${item.round}.${item.rank + 1}`;

export const keyOf = (item) => `${item.round}/${item.rank}`;
