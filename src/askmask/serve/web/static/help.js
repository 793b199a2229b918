/** The help sheet: every key, from the table that the dispatcher uses. */

import { dialogOf, h, show } from "./dom.js";
import { isChangeable } from "./key-map.js";
import { nameOf, printed } from "./key-names.js";
import { KEYS } from "./keys.js";

export class Help {
  /**
   * @param {import("./key-map.js").KeyMap} map
   * @param {string[]} [absent] actions that this project does not offer
   */
  constructor(map, absent = []) {
    this.map = map;
    this.offered = KEYS.filter((entry) => !absent.includes(entry.action));
    /** @type {string | null} action that waits for its new key */
    this.waiting = null;
    this.problem = "";
    writeKeys(map);
    map.addEventListener("change", () => writeKeys(map));
  }

  toggle() {
    const dialog = dialogOf("help-sheet");
    if (dialog.open) {
      dialog.close();
      return;
    }
    this.waiting = null;
    this.problem = "";
    this.fill();
    dialog.onkeydown = (event) => this.key(event);
    dialog.showModal();
  }

  fill() {
    const groups = [...new Set(this.offered.map((entry) => entry.group))];
    const dialog = dialogOf("help-sheet");
    const text = this.waiting ? `Press the new key for: ${this.entry(this.waiting)?.text}. Esc leaves it.` : this.problem;
    show(
      dialog,
      h("div", { class: "row" },
        h("h2", { id: "help-title" }, "Keys"),
        h("span", { class: "spring" }),
        h("button", { type: "button", class: "quiet", disabled: Object.keys(this.map.changed).length === 0, onclick: () => this.reset() }, "All as at first"),
        h("button", { type: "button", onclick: () => dialog.close(), autofocus: true }, "Close"),
      ),
      h("p", { class: this.waiting || !this.problem ? "muted" : "error", role: "status" }, text || "Click a key to change it."),
      h("div", { class: "sheet" }, groups.map((group) => this.section(group))),
      h("p", { class: "muted" },
        "Mouse: the wheel zooms, with Alt it changes the brush, the right or middle button moves the picture. Touch: one finger draws, two move and zoom. ",
        "Every stroke is kept in this browser at once, every answer goes to the server at once."),
    );
  }

  entry(action) {
    return KEYS.find((one) => one.action === action);
  }

  section(group) {
    const rows = this.offered.filter((entry) => entry.group === group).flatMap((entry) => [h("dt", {}, this.keys(entry)), h("dd", {}, entry.text)]);
    return h("section", {}, h("h3", {}, group), h("dl", {}, rows));
  }

  keys(entry) {
    const shown = this.map.shownOf(entry);
    if (!isChangeable(entry)) return shown.map((key) => h("kbd", {}, key));
    const ask = () => {
      this.waiting = entry.action;
      this.fill();
      focusOn(entry.action);
    };
    const label = `${shown[0]}: ${entry.text}. Change this key`;
    return [h("button", { type: "button", class: "key", "data-action": entry.action, "aria-label": label, onclick: ask }, h("kbd", {}, shown[0]))];
  }

  /** A key while the sheet is open: the new one that is waited for, or the one that closes it. */
  key(event) {
    event.stopPropagation();
    const name = nameOf(event);
    if (!this.waiting) {
      if (this.map.actionOf(name) === "help") dialogOf("help-sheet").close();
      return;
    }
    if (["shift", "control", "alt", "meta", "altgraph"].some((part) => name.endsWith(part))) return;
    event.preventDefault();
    const action = this.waiting;
    this.waiting = null;
    this.problem = name === "escape" ? "" : (this.map.obstacle(action, name) ?? "");
    if (name !== "escape" && !this.problem) {
      this.map.change(action, name);
      this.problem = "";
    }
    this.fill();
    focusOn(action);
  }

  reset() {
    this.map.reset();
    this.fill();
  }
}

/** The sheet is built anew; its keys must go on being heard. */
function focusOn(action) {
  /** @type {HTMLElement | null} */ (document.querySelector(`#help-sheet [data-action=${action}]`))?.focus();
}

/** Write the keys of now wherever the page shows one. */
function writeKeys(map) {
  for (const entry of KEYS) {
    for (const element of document.querySelectorAll(`kbd[data-key=${entry.action}]`)) {
      element.textContent = printed(map.keysOf(entry)[0]);
    }
  }
}
