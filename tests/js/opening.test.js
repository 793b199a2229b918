import assert from "node:assert/strict";
import { test } from "node:test";

import { Opening } from "../../src/askmask/serve/web/static/opening.js";
import { everyOrder, Replies } from "./orders.js";

const ITEMS = ["a", "b", "c"].map((name, rank) => ({ round: 1, rank, name }));
const [A, B, C] = ITEMS;

/** A page and a server without any of their parts: what is shown, held, leased and answered. */
class World {
  constructor({ failing = [] } = {}) {
    this.replies = new Replies();
    this.failing = new Set(failing);
    /** @type {string[]} */
    this.answered = [];
    this.leased = new Set();
    /** @type {string[]} */
    this.locks = [];
    /** @type {string | null} */
    this.shown = null;
    this.touched = false;
    this.news = 0;
    /** @type {any[]} */
    this.waits = [];
    /** @type {string[]} */
    this.faults = [];
    /** @type {string | null} what was seen when the person answered */
    this.seen = null;
    this.opening = new Opening(this.ports());
  }

  later(name, answer) {
    return this.replies.later(name, () => {
      if (this.failing.delete(name)) throw new Error(`${name} failed`);
      return answer();
    });
  }

  ports() {
    return {
      next: (after) => this.later("next", () => this.leaseNext(after)),
      take: (place) => this.later("take", () => this.lease(place)),
      again: (item) => this.later("again", () => ({ ...item, isFilled: true })),
      hold: (item) => this.later("hold", () => this.lock(item)),
      prepare: (item) => this.later("prepare", () => item.name),
      show: (item, hold, prepared) => this.show(item, hold, prepared),
      wait: (error) => {
        this.shown = null;
        this.waits.push(error);
      },
      close: () => {
        this.shown = null;
      },
      keep: (kind) => this.keep(kind),
      isUntouched: () => !this.touched,
      giveBack: (item) => this.leased.delete(item.name),
      news: () => this.news,
    };
  }

  leaseNext(after) {
    const first = after ? after.rank + 1 : 0;
    const order = [...ITEMS.slice(first), ...ITEMS.slice(0, first)];
    const free = order.find(({ name }) => !this.answered.includes(name));
    return free ? { item: this.lease(free), hold: this.lock(free) } : null;
  }

  lease(item) {
    this.leased.add(item.name);
    return item;
  }

  lock({ name }) {
    this.locks.push(name);
    return { isHeld: true, name, letGo: () => this.locks.splice(this.locks.indexOf(name), 1) };
  }

  show(item, hold, prepared) {
    if (prepared !== item.name || hold.name !== item.name) this.faults.push(`${item.name} is shown with parts of others`);
    if (item.isFilled && this.touched) this.faults.push("strokes were painted over");
    if (this.shown !== item.name) this.touched = false;
    this.shown = item.name;
  }

  /** @param {string} _kind */
  async keep(_kind) {
    const name = String(this.shown);
    await this.later("keep", () => {});
    this.answered.push(name);
    this.leased.delete(name);
    this.shown = null;
  }

  /** What must hold whenever nothing is on its way. */
  assertTidy(trace) {
    const { opening } = this;
    assert.deepEqual(this.faults, [], trace);
    assert.notEqual(opening.state, "opening", trace);
    assert.notEqual(opening.state, "answering", trace);
    assert.equal(opening.item?.name ?? null, this.shown, trace);
    const inHand = this.shown ? [this.shown] : [];
    assert.deepEqual([...this.leased], inHand, `leases after: ${trace}`);
    assert.deepEqual(this.locks, inHand, `locks after: ${trace}`);
  }
}

/** @type {Record<string, (world: World, item?: any) => [string, () => any]>} */
const acts = {
  next: (world) => ["next", () => world.opening.next(null)],
  late: (world) => ["late prediction", () => world.opening.refill()],
  touch: (world) => ["stroke", () => {
    world.touched = world.shown !== null;
  }],
  answer: (world) => ["answer", () => {
    world.seen = world.shown;
    world.opening.answer("labels").catch((error) => world.waits.push(error));
  }],
  place: (world, item) => [`choose ${item.name}`, () => world.opening.place(item).catch((error) => world.waits.push(error))],
  skip: (world) => ["skip", () => {
    const { item } = world.opening;
    if (!item) return;
    world.opening.leave();
    world.opening.next(item);
  }],
  news: (world) => ["news", () => {
    world.news++;
    if (world.opening.state === "waiting") world.opening.next(null);
  }],
};

/** A world where A is in hand, then actions, then checks. */
function from(actions, check, options) {
  return () => {
    const world = new World(options);
    const { opening } = world;
    opening.item = world.lease(A);
    opening.hold = world.lock(A);
    opening.state = "open";
    world.shown = A.name;
    return {
      replies: world.replies,
      actions: actions(world),
      check: (trace) => {
        world.assertTidy(trace);
        check(world, trace);
      },
    };
  };
}

test("an answered region never comes back by its late prediction", async () => {
  const orders = await everyOrder(
    from(
      (world) => [acts.late(world), acts.answer(world), acts.late(world), acts.news(world)],
      (world, trace) => {
        assert.deepEqual(world.answered, ["a"], trace);
        assert.equal(world.shown, "b", trace);
      },
    ),
  );
  assert.ok(orders > 50, `${orders} orders`);
});

test("of chosen regions the last is shown, whichever arrives last", async () => {
  const orders = await everyOrder(
    from(
      (world) => [acts.place(world, B), acts.late(world), acts.place(world, C), acts.news(world)],
      (world, trace) => assert.equal(world.shown, "c", trace),
    ),
  );
  assert.ok(orders > 50, `${orders} orders`);
});

test("what is answered is what was seen, and what was chosen is opened after it", async () => {
  await everyOrder(
    from(
      (world) => [acts.place(world, C), acts.answer(world), acts.late(world)],
      (world, trace) => {
        assert.deepEqual(world.answered, world.seen ? [world.seen] : [], trace);
        assert.notEqual(world.shown, world.seen, trace);
        if (world.seen === "a") assert.equal(world.shown, "c", trace);
      },
    ),
  );
});

test("a region chosen while an answer is kept is opened once it is kept", async () => {
  await everyOrder(
    from(
      (world) => [acts.answer(world), acts.place(world, C), acts.news(world)],
      (world, trace) => {
        assert.deepEqual(world.answered, ["a"], trace);
        assert.equal(world.shown, "c", trace);
      },
    ),
  );
});

test("pressing the same key again while an answer is kept answers nothing else", async () => {
  await everyOrder(
    from(
      (world) => [acts.answer(world), acts.answer(world)],
      (world, trace) => {
        const once = world.answered.length === 1 && world.shown === "b";
        const twice = world.answered.join() === "a,b" && world.shown === "c"; // B was seen before
        assert.ok(once || twice, `${trace}: ${world.answered}`);
      },
    ),
  );
});

test("a second answer beside a region that was chosen does not answer the first one twice", async () => {
  await everyOrder(
    from(
      (world) => [acts.answer(world), acts.place(world, C), acts.answer(world)],
      (world, trace) => {
        assert.equal(new Set(world.answered).size, world.answered.length, trace);
        assert.ok(world.shown !== null && !world.answered.includes(world.shown), trace);
      },
    ),
  );
});

test("strokes are never painted over by a prediction that comes later", async () => {
  await everyOrder(
    from(
      (world) => [acts.late(world), acts.touch(world), acts.late(world)],
      (world, trace) => assert.equal(world.shown, "a", trace),
    ),
  );
});

test("skipping while another region is fetched ends with one region", async () => {
  await everyOrder(
    from(
      (world) => [acts.place(world, C), acts.skip(world), acts.late(world)],
      (world, trace) => assert.ok(world.shown !== null, trace),
    ),
  );
});

test("news that comes while nothing is found yet is not missed", async () => {
  const orders = await everyOrder(() => {
    const world = new World();
    world.answered = ["a", "b", "c"];
    const free = () => {
      world.answered = ["a", "c"];
      acts.news(world)[1]();
    };
    return {
      replies: world.replies,
      actions: [acts.next(world), ["news", free]],
      check: (trace) => {
        world.assertTidy(trace);
        assert.equal(world.shown, "b", trace);
      },
    };
  });
  assert.ok(orders > 1);
});

for (const part of ["take", "hold", "prepare"]) {
  test(`a region that cannot be had (${part}) leaves the one in hand`, async () => {
    await everyOrder(
      from(
        (world) => [acts.place(world, C), acts.late(world)],
        (world, trace) => assert.ok(["a", "c"].includes(world.shown), trace),
        { failing: [part] },
      ),
    );
  });
}

test("an answer that cannot be kept leaves its region in hand", async () => {
  await everyOrder(
    from(
      (world) => [acts.answer(world), acts.late(world)],
      (world, trace) => {
        assert.deepEqual(world.answered, [], trace);
        assert.equal(world.shown, "a", trace);
        assert.equal(world.waits.length, 1, trace);
      },
      { failing: ["keep"] },
    ),
  );
});

test("a next region that cannot be had is waited for, and nothing stays leased", async () => {
  for (const part of ["next", "prepare"]) {
    await everyOrder(
      from(
        (world) => [acts.answer(world), acts.late(world)],
        (world, trace) => {
          assert.equal(world.shown, null, trace);
          assert.equal(world.waits.length, 1, trace);
        },
        { failing: [part, part, part] },
      ),
    );
  }
});
