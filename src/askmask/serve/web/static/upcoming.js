/**
 * Which region comes next, and having it here before it is needed.
 *
 * The server decides; when it is gone, the regions fetched ahead are opened in the order it asked.
 */

import { get, itemPath, post } from "./api.js";
import { keyOf } from "./dom.js";
import { inOrder } from "./items.js";

const AHEAD = 4;
const MOST_OF_OTHERS = 12; // regions in the hands of other people, which are not fetched
const MOST_TURNS = 50;

export class Upcoming {
  /**
   * `warm(item)` loads what an item needs to be shown, so that it opens without a server.
   *
   * @param {import("./types.js").App} app
   * @param {import("./work.js").Work} work
   * @param {(item: import("./types.js").Item) => Promise<void>} warm
   */
  constructor(app, work, warm) {
    this.app = app;
    this.work = work;
    this.warm = warm;
    this.fetched = new Map(); // key -> item with prefill
    this.turn = 0;
  }

  /**
   * Next region after one (null: the first), as `{item, hold}`; null if nothing is free.
   *
   * Regions that another tab has, and those answered here but not yet sent, are passed over.
   * Throws an ApiError if the server is gone and nothing was fetched ahead.
   */
  async next(after, isWanted) {
    const passed = new Set();
    let from = after;
    for (let turn = 0; turn < MOST_TURNS && isWanted(); turn++) {
      const item = await this.ask(from);
      if (!item || passed.has(keyOf(item))) return null;
      if (!this.app.outbox.holds(item)) {
        const hold = await this.work.hold(item);
        if (hold.isHeld) return { item, hold };
        hold.letGo();
      }
      passed.add(keyOf(item));
      from = item;
    }
    return null;
  }

  async ask(from) {
    try {
      return await post("/items/next", { after: from ? { round: from.round, rank: from.rank } : null }, { timeoutSeconds: 6 });
    } catch (error) {
      if (!error.isTemporary) throw error;
      const kept = this.fromFetched(from);
      if (kept) return kept;
      throw error;
    }
  }

  /** Next open region among those fetched ahead, in the order of asking. */
  fromFetched(from) {
    const isBefore = (item) => from !== null && inOrder(item, from) <= 0;
    const ready = [...this.fetched.values()].filter((item) => this.isFree(this.app.items.get(item) ?? item));
    const [found] = ready
      .filter((item) => !from || keyOf(item) !== keyOf(from))
      .sort((a, b) => Number(isBefore(a)) - Number(isBefore(b)) || inOrder(a, b));
    return found ?? null;
  }

  isFree(item) {
    return item.state === "open" && !this.app.outbox.holds(item) && !(item.lease && !item.lease.mine);
  }

  /** One region by its number, leased; from the server, or as fetched before if it is gone. */
  async take(place) {
    await this.app.outbox.settle(place); // else the answer just given would come as somebody's
    try {
      return await post(`${itemPath(place)}/lease`, {}, { timeoutSeconds: 6 });
    } catch (error) {
      const kept = this.fetched.get(keyOf(place));
      if (error.isTemporary && kept) return kept;
      throw error;
    }
  }

  /** Fetch the open regions that come after one; failures wait for the next time. */
  async fetchAhead(from) {
    const turn = ++this.turn;
    const { items, outbox } = this.app;
    const open = await items.openAfter(from, AHEAD + outbox.entries.length + MOST_OF_OTHERS).catch(() => null);
    if (!open || turn !== this.turn) return;
    const wanted = open.filter((item) => this.isFree(item)).slice(0, AHEAD);
    const keep = new Set([...wanted, ...(from ? [from] : [])].map(keyOf));
    for (const key of this.fetched.keys()) if (!keep.has(key)) this.fetched.delete(key);
    for (const item of wanted) {
      if (this.fetched.has(keyOf(item))) continue;
      try {
        const whole = await get(itemPath(item));
        await this.warm(whole);
        if (turn !== this.turn) return; // another region is in hand: what comes after it is other
        this.fetched.set(keyOf(item), whole);
      } catch {
        return;
      }
    }
  }

  /** Keep a region that is open now, so that coming back to it needs no server. */
  remember(item) {
    this.fetched.set(keyOf(item), item);
  }
}
