/** The asked regions as the server knows them, brought up to date by its news. */

import { get } from "./api.js";
import { detailOf, keyOf } from "./dom.js";
import { news } from "./events.js";

const GATHER_MS = 250; // several changes at once cost one call

export class Items extends EventTarget {
  constructor() {
    super();
    /** @type {import("./types.js").Item[]} */
    this.list = [];
    /** @type {any[]} */
    this.rounds = [];
    /** @type {Map<string, import("./types.js").Item>} */
    this.byKey = new Map();
    this.change = -1;
    /** @type {ReturnType<typeof setTimeout> | null} */
    this.timer = null;
    this.turn = 0; // of several lists under way the newest counts
    this.listed = 0; // turn of the list that is shown
    for (const kind of ["items", "query", "reload"]) {
      news.addEventListener(kind, () => this.refreshSoon());
    }
    news.addEventListener("hello", (event) => {
      if (detailOf(event).change !== this.change) this.refreshSoon();
    });
  }

  refreshSoon() {
    this.timer ??= setTimeout(() => this.refresh().catch(() => {}), GATHER_MS);
  }

  async refresh() {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    const turn = ++this.turn;
    const { items, rounds, change } = await get("/items");
    if (turn !== this.turn) return;
    Object.assign(this, { list: items, rounds, change, listed: turn });
    this.byKey = new Map(items.map((item) => [keyOf(item), item]));
    this.dispatchEvent(new Event("change"));
  }

  /** Take over one item that a reply brought. */
  update(item) {
    const { prefill, ...rest } = item;
    const index = this.list.findIndex((other) => keyOf(other) === keyOf(item));
    if (index < 0) return;
    if (this.listed !== this.turn) this.refreshSoon(); // the list on its way does not know it
    this.listed = ++this.turn;
    this.list[index] = rest;
    this.byKey.set(keyOf(item), rest);
    this.dispatchEvent(new Event("change"));
  }

  get(item) {
    return this.byKey.get(keyOf(item));
  }

  /** Items in the order after one, round again, without that one. */
  after(item) {
    const index = item ? this.list.findIndex((other) => keyOf(other) === keyOf(item)) : -1;
    return [...this.list.slice(index + 1), ...this.list.slice(0, Math.max(0, index))];
  }
}

/** One word for the state of an item, and what it is called for people. */
export function stateOf(item, outbox) {
  if (outbox.holds(item)) return ["sending", "to be sent"];
  if (item.conflict) return ["conflict", "conflict"];
  if (item.state === "open" && item.lease && !item.lease.mine) return ["leased", item.lease.name];
  return {
    open: ["open", "open"],
    labels: ["labels", "labelled"],
    unsure: ["unsure", "unsure"],
    artefact: ["artefact", "artefact"],
    withdrawn: ["withdrawn", "withdrawn"],
  }[item.state];
}
