/**
 * What this page knows of the asked regions: counts, and the regions that it has seen.
 *
 * There may be very many, so none is fetched before it is needed: lists are read a window at a time,
 * and the server's news says what changed since. Event "change"; its detail `{stale}` says whether
 * lists must be read anew.
 */

import { get, query } from "./api.js";
import { detailOf, keyOf } from "./dom.js";
import { news } from "./events.js";

const GATHER_MS = 250; // several changes at once cost one call
const MOST_KNOWN = 1000;
const BEHIND_ALL = "999999999/0";

export class Items extends EventTarget {
  constructor() {
    super();
    /** @type {Map<string, import("./types.js").Item>} regions that were seen, the latest last */
    this.known = new Map();
    /** @type {any[]} counts of the newest rounds, the newest last */
    this.rounds = [];
    this.totals = { total: 0, open: 0, free: 0, conflicts: 0 };
    /** @type {number | null} newest event that this page has taken in */
    this.change = null;
    /** @type {string | null} key of the region in hand, which is never forgotten */
    this.pinned = null;
    /** @type {ReturnType<typeof setTimeout> | null} */
    this.timer = null;
    this.turn = 0; // of several calls under way the newest counts; the next one tells what it skips
    this.taken = 0; // turn of the news that was taken in last
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

  /** Take in what changed since the last time. */
  async refresh() {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    const turn = ++this.turn;
    const told = await get(`/items/changes${query({ after: this.change })}`);
    const pinned = told.stale && this.pinned ? await this.read(this.pinned) : null;
    if (turn !== this.turn) return;
    const { items, rounds, total, open, free, conflicts, stale, change } = told;
    if (stale) this.forgetAll(pinned);
    Object.assign(this, { totals: { total, open, free, conflicts }, change, taken: turn });
    this.rounds = merged(this.change === null || stale ? [] : this.rounds, rounds);
    this.remember(items);
    this.dispatchEvent(new CustomEvent("change", { detail: { stale } }));
  }

  /** Much changed: only the region in hand is still known, as it is now. */
  forgetAll(pinned) {
    const kept = pinned ?? (this.pinned && this.known.get(this.pinned));
    this.known.clear();
    if (kept) this.known.set(keyOf(kept), kept);
  }

  /** @param {import("./types.js").Item[]} items */
  remember(items) {
    for (const { prefill: _, ...item } of items) {
      this.known.delete(keyOf(item)); // the latest goes to the end
      this.known.set(keyOf(item), item);
    }
    for (const key of this.known.keys()) {
      if (this.known.size <= MOST_KNOWN) return;
      if (key !== this.pinned) this.known.delete(key);
    }
  }

  /** Never forget this region, which is in hand; what is told of it is heard at once. */
  pin(item) {
    this.pinned = keyOf(item);
    this.remember([item]);
  }

  /** Take over one item that a reply brought. */
  update(item) {
    if (this.taken !== this.turn) this.refreshSoon(); // the news on its way does not know it
    this.taken = ++this.turn;
    this.remember([item]);
    this.refreshSoon(); // counts
    this.dispatchEvent(new CustomEvent("change", { detail: { stale: false } }));
  }

  /** A region, if this page has seen it. */
  get(item) {
    return this.known.get(keyOf(item));
  }

  /**
   * Part of a list: `{items, first, total}`. `chosen` narrows it (`round`, `state`, `image`, `text`);
   * `first` counts from the beginning, or from the first region at `at` or after it.
   *
   * @param {{round?: string | number, state?: string, image?: number, text?: string}} chosen
   * @param {{at?: import("./types.js").Place | null, first?: number, limit?: number}} part
   */
  async window(chosen, { at = null, first = 0, limit = 100 } = {}) {
    const place = at && `${at.round}/${at.rank}`;
    for (;;) {
      const told = await get(`/items${query({ ...chosen, at: place, first, limit })}`);
      if (this.change !== null && told.change < this.change) continue; // news has overtaken it
      this.remember(told.items);
      return told;
    }
  }

  /** One region, also one that was not seen yet; null if there is none, or it was withdrawn. */
  async fetch(place) {
    return this.get(place) ?? (await this.read(keyOf(place)));
  }

  async read(key) {
    const { items } = await get(`/items${query({ at: key, limit: 1 })}`);
    return items.length > 0 && keyOf(items[0]) === key ? items[0] : null;
  }

  /** The region before one in the order of asking (null: the last of all); null if it is the first. */
  async before(item) {
    const { items } = await get(`/items${query({ at: item ? keyOf(item) : BEHIND_ALL, first: -1, limit: 1 })}`);
    return items.length > 0 && !(item && inOrder(items[0], item) >= 0) ? items[0] : null;
  }

  /** Open regions in the order after one, round again, without that one. */
  async openAfter(item, limit) {
    const chosen = { state: "open" };
    const { items, total } = await this.window(chosen, { at: item, limit: limit + 1 });
    const again = items.length < Math.min(total, limit + 1) ? (await this.window(chosen, { limit })).items : [];
    const found = new Map([...items, ...again].map((other) => [keyOf(other), other]));
    if (item) found.delete(keyOf(item));
    return [...found.values()].slice(0, limit);
  }
}

/** Order of asking: below zero if the first comes before the second. */
export function inOrder(a, b) {
  return a.round - b.round || a.rank - b.rank;
}

/** Counts by round, with those that changed put in. */
export function merged(rounds, changed) {
  const byRound = new Map([...rounds, ...changed].map((row) => [row.round, row]));
  return [...byRound.values()].sort((a, b) => a.round - b.round);
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
