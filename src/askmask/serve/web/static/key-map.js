/** Which key does what, with the changes that a person has made; kept in this browser. */

import { KEYS } from "./keys.js";
import { printed } from "./key-names.js";

const STORE = "keys";

export class KeyMap extends EventTarget {
  /** @param {import("./preferences.js").Preferences} preferences */
  constructor(preferences) {
    super();
    this.preferences = preferences;
    /** @type {Record<string, string>} action -> key, where it was changed */
    this.changed = preferences.read(STORE, {});
    this.byKey = new Map();
    this.fill();
  }

  /** A key that a person has given to something stays with it, also when the table has a new use for it. */
  fill() {
    const changedLast = [...KEYS].sort((a, b) => Number(a.action in this.changed) - Number(b.action in this.changed));
    const taken = changedLast.flatMap((entry) => this.keysOf(entry).map((key) => [key, entry.action]));
    this.byKey = new Map(/** @type {[string, string][]} */ (taken));
    this.dispatchEvent(new Event("change"));
  }

  /** Keys of an entry of the table, as they are now. */
  keysOf(entry) {
    return isChangeable(entry) && this.changed[entry.action] ? [this.changed[entry.action]] : entry.match;
  }

  actionOf(key) {
    return this.byKey.get(key);
  }

  /** What is printed on the keys of an entry. */
  shownOf(entry) {
    return isChangeable(entry) && this.changed[entry.action] ? [printed(this.changed[entry.action])] : entry.show;
  }

  /** Why a key cannot be given to an action; null if it can. */
  obstacle(action, key) {
    if (!/^[!-~]$|^f[2346789]$|^(insert|delete|pageup|pagedown|end)$/.test(key)) {
      return `${printed(key)} belongs to the browser or to moving about. Take a letter, a sign, or F2 to F9 without F5.`;
    }
    const other = this.byKey.get(key);
    if (!other || other === action) return null;
    const entry = KEYS.find((one) => one.action === other);
    return `${printed(key)} is taken: ${entry?.text}. Change that one first.`;
  }

  change(action, key) {
    this.changed = { ...this.changed, [action]: key };
    this.preferences.write(STORE, this.changed);
    this.fill();
  }

  reset() {
    this.changed = {};
    this.preferences.write(STORE, this.changed);
    this.fill();
  }
}

/** Keys that stand alone for something can be changed; digits, arrows and combinations stay. */
export function isChangeable(entry) {
  return entry.match.every((key) => !key.includes("+") || key === "+") && entry.show.length === 1 && !entry.isFixed;
}
