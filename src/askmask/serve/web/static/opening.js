/**
 * Which region is in hand: a state machine with one owner.
 *
 * Everything that changes the region on the screen goes through here: the next region, one that was
 * chosen, a prediction that comes late, an answer. Each begins a turn, and the newest turn wins:
 * every reply is followed by a check that its turn is still the newest, and what is shown changes in
 * one step that waits for nothing. A reply that comes too late is put away: its lock is let go, its
 * lease given back.
 *
 *     none --next, place--> opening --show--> open --answer--> answering --> opening ...
 *                              `----nothing free----> waiting --next--> opening ...
 *
 * This file knows neither the page nor the server: what it needs are `ports`.
 */

import { keyOf } from "./dom.js";

/** A newer turn has begun: what was waited for is no longer wanted. */
class Overtaken extends Error {}

export class Opening {
  /**
   * `ports` are functions:
   *
   * - `next(after, isWanted)`: `{item, hold}` of the next free region, or null; asks no more once
   *   `isWanted()` is false;
   * - `take(place)`: the item of a place, leased; `again(item)`: the item in hand, read anew;
   * - `hold(item)`: its lock against other tabs, `{isHeld, letGo()}`;
   * - `prepare(item, hold)`: all that it takes to show it; the first that may fail;
   * - `show(item, hold, prepared)`, `wait(error)`, `close()`: change the page; they wait for nothing;
   * - `keep(kind)`: keep an answer to the region in hand; it is closed when this resolves;
   * - `isUntouched()`: whether a late prediction may fill the region in hand;
   * - `giveBack(item)`: its lease is not wanted;
   * - `news()`: a number that changes whenever a region may have become free.
   *
   * @param {any} ports
   */
  constructor(ports) {
    this.ports = ports;
    /** @type {"none" | "opening" | "open" | "answering" | "waiting"} */
    this.state = "none";
    this.turn = 0;
    /** @type {any} the region in hand */
    this.item = null;
    /** @type {import("./types.js").Hold | null} its lock */
    this.hold = null;
    /** @type {import("./types.js").Place | null} what is being opened, if it was chosen */
    this.wanted = null;
    /** @type {number | null} turn of the late prediction that is being fetched */
    this.refilling = null;
    /** @type {Map<string, import("./types.js").Place>} leased by turns that were overtaken */
    this.unwanted = new Map();
    /** @type {Promise<void> | null} settles when the answer on its way is kept */
    this.keeping = null;
  }

  /** Open the next free region after one (null: the first). */
  next(after) {
    return this.run(null, async (turn) => {
      const news = this.ports.news();
      try {
        const found = await this.wait(turn, this.ports.next(after, () => turn === this.turn), (late) => this.putAway(late));
        if (found) await this.show(turn, found.item, found.hold);
        else this.nothing(null, news);
      } catch (error) {
        if (error instanceof Overtaken) throw error;
        this.nothing(error, news);
      }
    });
  }

  /** Open one region, also an answered one. Rejects if it cannot be had; what is in hand stays. */
  place(place) {
    const key = keyOf(place);
    const isInHand = this.state === "open" && key === keyOf(this.item);
    if (isInHand || (this.wanted && key === keyOf(this.wanted))) return Promise.resolve();
    return this.run(place, async (turn) => {
      const item = await this.wait(turn, this.ports.take(place), (late) => this.putAway({ item: late, hold: null }));
      await this.show(turn, item, await this.lock(turn, item));
    });
  }

  async lock(turn, item) {
    try {
      return await this.wait(turn, this.ports.hold(item), (late) => late.letGo());
    } catch (error) {
      this.putAway({ item, hold: null });
      throw error;
    }
  }

  /** Fill the region in hand with a prediction that came late, unless it is touched meanwhile. */
  async refill() {
    const { turn, item, hold } = this;
    const isWanted = () => turn === this.turn && this.state === "open" && this.ports.isUntouched();
    if (!isWanted() || this.refilling === turn) return;
    this.refilling = turn;
    try {
      const whole = await this.ports.again(item);
      if (!isWanted()) return;
      const prepared = await this.ports.prepare(whole, hold);
      if (!isWanted()) return;
      this.item = whole;
      this.ports.show(whole, hold, prepared);
    } catch {
      // the region stays as it is; the next news tries again
    } finally {
      if (this.refilling === turn) this.refilling = null;
    }
  }

  /**
   * Answer the region in hand, then open what was asked for meanwhile, else the next one.
   *
   * Rejects if the answer could not be kept; the region then stays in hand.
   */
  async answer(kind) {
    if (!this.item || this.keeping) return;
    const { item, hold } = this;
    const wanted = this.wanted;
    const turn = this.begin("answering", null);
    this.keeping = this.ports.keep(kind);
    try {
      await this.keeping;
      this.drop(hold);
    } catch (error) {
      if (turn === this.turn) this.state = "open";
      throw error;
    } finally {
      this.keeping = null;
    }
    if (turn !== this.turn) return; // something else was asked for meanwhile
    if (wanted) await this.place(wanted).catch(() => this.next(item));
    else await this.next(item);
  }

  /** Leave the region in hand without an answer, and give up what is being opened. */
  leave() {
    if (this.keeping) return; // the region is closed once its answer is kept
    this.begin("none", null);
    this.putDown();
  }

  /** Run a turn that opens something; overtaken turns end without a word. */
  async run(place, work) {
    const before = this.keeping;
    const turn = this.begin("opening", place);
    try {
      if (before) await this.wait(turn, before.catch(() => {})); // an answer is never cut short
      await work(turn);
    } catch (error) {
      if (error instanceof Overtaken) return;
      this.wanted = null;
      this.state = this.item ? "open" : "none";
      this.giveBack();
      throw error;
    }
  }

  begin(state, place) {
    this.state = state;
    this.wanted = place;
    return ++this.turn;
  }

  /** Wait for something within a turn; when a newer one has begun, `late` puts away what came. */
  async wait(turn, promise, late = (/** @type {any} */ _value) => {}) {
    let value;
    try {
      value = await promise;
    } catch (error) {
      throw turn === this.turn ? error : new Overtaken();
    }
    if (turn === this.turn) return value;
    if (value) late(value);
    throw new Overtaken();
  }

  async show(turn, item, hold) {
    let prepared;
    try {
      prepared = await this.wait(turn, this.ports.prepare(item, hold));
    } catch (error) {
      this.putAway({ item, hold });
      throw error;
    }
    this.putDown();
    Object.assign(this, { state: "open", item, hold, wanted: null });
    this.ports.show(item, hold, prepared);
    this.giveBack();
  }

  /** No region is free, or none can be had: say so; news that came meanwhile is not missed. */
  nothing(error, news) {
    this.putDown();
    this.state = "waiting";
    this.giveBack();
    this.ports.wait(error);
    if (!error && news !== this.ports.news()) this.next(null);
  }

  /** Close the region in hand, if there is one. */
  putDown() {
    if (!this.item) return;
    const { item, hold } = this;
    this.ports.close();
    this.unwanted.set(keyOf(item), item);
    this.drop(hold);
    if (this.state === "none") this.giveBack();
  }

  drop(hold) {
    hold?.letGo();
    this.item = null;
    this.hold = null;
  }

  putAway({ item, hold }) {
    hold?.letGo();
    this.unwanted.set(keyOf(item), item);
    if (this.state !== "opening") this.giveBack();
  }

  /** Give back the leases that are not needed; not while a turn may still want one of them. */
  giveBack() {
    for (const [key, item] of this.unwanted) {
      if (!this.item || key !== keyOf(this.item)) this.ports.giveBack(item);
    }
    this.unwanted.clear();
  }
}
