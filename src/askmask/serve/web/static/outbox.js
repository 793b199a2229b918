/**
 * Answers on their way to the server. An answer leaves this browser's database only when the
 * server has said that it is kept; until then it is sent again and again under the same id.
 */

import { connection, itemPath, post } from "./api.js";
import { readAll, transaction } from "./db.js";
import { forget } from "./drafts.js";
import { keyOf } from "./dom.js";

const LONGEST_WAIT_SECONDS = 15;
const SETTLE_MS = 6000;

export class Outbox extends EventTarget {
  /** Only answers of this project by this person are sent: a port may serve another one tomorrow. */
  constructor(project, person) {
    super();
    this.project = project;
    this.person = person;
    /** @type {any[]} */
    this.entries = [];
    this.wait = 1;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {Promise<void> | null} */
    this.sending = null;
    this.hasLateEntry = false;
    this.changes = 0; // made here; a list read meanwhile does not know them
    /** @type {string | null} */
    this.obstacle = null; // what the server said when it was there and could not keep an answer
    connection.addEventListener("reached", () => this.flush());
  }

  async load() {
    await this.refresh();
    this.flush();
  }

  async refresh() {
    let all;
    let before;
    do {
      before = this.changes;
      all = await readAll("outbox");
    } while (before !== this.changes); // else an answer given meanwhile would be forgotten for a moment
    this.entries = all
      .filter((entry) => entry.project === this.project && entry.person === this.person)
      .sort((a, b) => a.createdAt - b.createdAt);
    this.dispatchEvent(new Event("change"));
  }

  get waiting() {
    return this.entries.filter((entry) => entry.state === "waiting");
  }

  get refused() {
    return this.entries.filter((entry) => entry.state === "refused");
  }

  /** Whether an answer to this item is still here. */
  holds(item) {
    return this.entries.some((entry) => keyOf(entry) === keyOf(item));
  }

  /** Wait a little until the server has the answers to an item that are still here. */
  async settle(item) {
    if (!this.holds(item)) return;
    await Promise.race([this.flush(), new Promise((resolve) => setTimeout(resolve, SETTLE_MS))]);
  }

  /** Keep an answer and drop the draft it came from, both or neither; then send. */
  async add(item, body, draftKey) {
    const { project, person } = this;
    const { round, rank } = item;
    const entry = { id: body.id, project, person, round, rank, body, createdAt: Date.now(), state: "waiting" };
    await transaction(["outbox", "drafts", "steps"], "readwrite", (stores) => {
      stores.outbox.put(entry);
      if (draftKey) forget(stores, draftKey);
    });
    this.entries.push(entry);
    this.changes++;
    this.dispatchEvent(new Event("change"));
    this.hasLateEntry = this.sending !== null; // what is going on may have looked for the last time
    this.flush();
  }

  /** Try the refused ones again. */
  async retry() {
    const again = this.refused.map((entry) => ({ ...entry, state: "waiting", message: undefined }));
    await transaction(["outbox"], "readwrite", (stores) => again.forEach((entry) => stores.outbox.put(entry)));
    this.changes++;
    await this.refresh();
    await this.flush();
  }

  /** Send what waits, oldest first, from one tab at a time. */
  flush() {
    this.sending ??= this.alone(() => this.sendAll()).finally(() => {
      this.sending = null;
      if (!this.hasLateEntry) return undefined;
      this.hasLateEntry = false;
    this.changes = 0; // made here; a list read meanwhile does not know them
      return this.flush();
    });
    return this.sending;
  }

  alone(work) {
    if (!navigator.locks) return work(); // off this host without https; the ids still protect
    return navigator.locks.request(`askmask-outbox-${this.project}`, work);
  }

  async sendAll() {
    clearTimeout(this.timer);
    await this.refresh();
    while (this.waiting.length > 0) {
      if (!(await this.send(this.waiting[0]))) return;
    }
    this.wait = 1;
  }

  /** Send one answer; returns whether to go on with the next. */
  async send(entry) {
    try {
      const reply = await post(`${itemPath(entry)}/answers`, entry.body);
      this.obstacle = null;
      await this.remove(entry);
      this.dispatchEvent(new CustomEvent("sent", { detail: reply }));
      return true;
    } catch (error) {
      if (error.status === 401) return false;
      if (error.isTemporary || error.status === undefined) {
        this.obstacle = error.status >= 500 ? error.message : null;
        this.again();
        return false;
      }
      await this.refuse(entry, error.message);
      return true;
    }
  }

  again() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), this.wait * 1000);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT_SECONDS);
    this.dispatchEvent(new Event("change"));
  }

  async remove(entry) {
    await transaction(["outbox"], "readwrite", (stores) => stores.outbox.delete(entry.id));
    this.entries = this.entries.filter((other) => other.id !== entry.id);
    this.changes++;
    this.dispatchEvent(new Event("change"));
  }

  async refuse(entry, message) {
    Object.assign(entry, { state: "refused", message });
    await transaction(["outbox"], "readwrite", (stores) => stores.outbox.put(entry));
    this.changes++;
    this.dispatchEvent(new Event("change"));
  }
}
