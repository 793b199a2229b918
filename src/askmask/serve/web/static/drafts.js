/**
 * Work in progress, kept in the browser stroke by stroke.
 *
 * A draft is what the region looked like at first plus the steps since, so a stroke costs a few
 * runs, and undo goes on after a reload. `done` says how many steps are in force.
 */

import { read, readAll, transaction } from "./db.js";
import { apply, History } from "./editor/history.js";
import { Raster } from "./editor/raster.js";
import { decodeRuns, encodeRuns } from "./editor/rle.js";

const writing = new Map(); // key -> settles when what is being written of a draft is on disk

const ofDraft = (key) => IDBKeyRange.bound([key, 0], [key, Infinity]);

export class Draft {
  constructor(record) {
    this.record = record;
    this.queue = Promise.resolve(); // writes happen in order
  }

  /** Start a draft; nothing is written before the first step. */
  static begin(key, raster, { base }) {
    const { width, height } = raster;
    const first = encodeRuns(raster.data);
    return new Draft({ key, width, height, first, base, done: 0, seconds: 0, tools: [] });
  }

  /** Draft kept under a key, as `{draft, raster, history}`; null if there is none. */
  static async restore(key) {
    await writing.get(key); // a region left a moment ago comes back with its last stroke
    const record = await read("drafts", key);
    if (!record) return null;
    const rows = await readAll("steps", ofDraft(key));
    const raster = new Raster(
      record.width,
      record.height,
      decodeRuns(record.first, record.width * record.height),
    );
    const history = new History(rows.map((row) => row.diff), record.done);
    for (const diff of history.steps.slice(0, record.done)) apply(raster, diff);
    return { draft: new Draft(record), raster, history };
  }

  /** Keep a step that was just pushed to the history; later steps are forgotten. */
  keepStep(history, progress) {
    const number = history.done - 1;
    const diff = history.steps[number];
    return this.write(history, progress, (steps) => {
      steps.delete(IDBKeyRange.bound([this.record.key, number], [this.record.key, Infinity]));
      steps.put({ draft: this.record.key, number, diff });
    });
  }

  /** Keep how many steps are in force, and `progress` ({seconds, tools}). */
  keepProgress(history, progress) {
    return this.write(history, progress, () => {});
  }

  write(history, progress, work) {
    this.record = { ...this.record, ...progress, done: history.done };
    const record = this.record;
    const result = this.queue.then(() =>
      transaction(["drafts", "steps"], "readwrite", (stores) => {
        stores.drafts.put(record);
        work(stores.steps);
      }),
    );
    this.queue = result.catch(() => {});
    this.announce(record.key);
    return result;
  }

  announce(key) {
    const { queue } = this;
    writing.set(key, queue);
    queue.then(() => {
      if (writing.get(key) === queue) writing.delete(key);
    });
  }
}

/** Delete a draft within a transaction on "drafts" and "steps". */
export function forget(stores, key) {
  stores.drafts.delete(key);
  stores.steps.delete(ofDraft(key));
}

/** Keys of the drafts that begin with a prefix. */
export async function draftKeys(prefix) {
  const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
  return transaction(["drafts"], "readonly", (stores) => stores.drafts.getAllKeys(range));
}
