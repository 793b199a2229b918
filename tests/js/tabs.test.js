import assert from "node:assert/strict";
import { test } from "node:test";

import { Tabs } from "../../src/askmask/serve/web/static/tabs.js";

/** Locks of one browser, as its tabs share them: freed a moment after the holder lets go. */
class Locks {
  constructor() {
    /** @type {Set<string>} */
    this.held = new Set();
  }

  async request(name, _options, work) {
    await null;
    if (this.held.has(name)) return work(null);
    this.held.add(name);
    try {
      return await work({ name });
    } finally {
      this.held.delete(name);
    }
  }
}

const moment = () => new Promise((resolve) => setTimeout(resolve, 5));
const pair = () => {
  const locks = /** @type {any} */ (new Locks());
  return { locks, one: new Tabs(locks), other: new Tabs(locks) };
};

test("a region open in one tab is not held by another until it is let go", async () => {
  const { one, other } = pair();
  const mine = await one.hold("1/2");
  assert.equal(mine.isHeld, true);
  assert.equal((await other.hold("1/2")).isHeld, false);
  mine.letGo();
  await moment();
  assert.equal((await other.hold("1/2")).isHeld, true);
});

test("a tab that asks twice at once holds the region until both have let go", async () => {
  const { locks, one } = pair();
  const [first, second] = await Promise.all([one.hold("1/2"), one.hold("1/2")]);
  assert.deepEqual([first.isHeld, second.isHeld], [true, true]);
  first.letGo();
  first.letGo(); // twice is once
  await moment();
  assert.equal(locks.held.size, 1);
  second.letGo();
  await moment();
  assert.equal(locks.held.size, 0);
});

test("a region let go and wanted again at once is held by the same tab", async () => {
  const { one } = pair();
  const hold = await one.hold("1/2");
  hold.letGo();
  assert.equal((await one.hold("1/2")).isHeld, true);
});

test("regions held one after another leave no lock behind", async () => {
  const { locks, one } = pair();
  const asked = ["1/0", "1/1", "1/2"].map((name) => one.hold(name)); // as by fast clicks
  for (const hold of await Promise.all(asked)) hold.letGo();
  await moment();
  assert.equal(locks.held.size, 0);
});

test("where the browser has no locks every region is held", async () => {
  const tabs = new Tabs(/** @type {any} */ (null));
  assert.equal((await tabs.hold("1/2")).isHeld, true);
});
