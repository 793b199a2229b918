/** What the page tells people: banners that stay, toasts that pass, and speech for screen readers. */

import { byId, h } from "./dom.js";

const TOAST_MS = 6000;
const banners = new Map();

/**
 * Show a banner under a name, in place of the one before; `null` takes it away.
 *
 * @param {string} name
 * @param {string | null} text
 * @param {{bad?: boolean, buttons?: any[][]}} [options] `buttons` are pairs of a label and what it does
 */
export function banner(name, text, { bad = false, buttons = [] } = {}) {
  const old = banners.get(name);
  if (text === null) {
    old?.remove();
    banners.delete(name);
    return;
  }
  if (old?.firstChild.textContent === text) return; // not spoken again
  const element = h(
    "div",
    { class: bad ? "banner bad" : "banner", "data-banner": name },
    h("span", {}, text),
    buttons.map(([label, onclick]) => h("button", { type: "button", class: "small", onclick }, label)),
  );
  if (old) old.replaceWith(element);
  else byId("banners").append(element);
  banners.set(name, element);
}

export function toast(text) {
  const element = h("div", { class: "toast" }, text);
  byId("toasts").append(element);
  setTimeout(() => element.remove(), TOAST_MS);
}

/** Say something to a screen reader only. */
export function say(text) {
  byId("said").textContent = text;
}
