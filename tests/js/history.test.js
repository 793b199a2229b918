import assert from "node:assert/strict";
import { test } from "node:test";

import { apply, difference, History } from "../../src/askmask/serve/web/static/editor/history.js";
import { paintSegment, Raster } from "../../src/askmask/serve/web/static/editor/raster.js";
import { decodeRuns, encodeRuns } from "../../src/askmask/serve/web/static/editor/rle.js";

let seed = 11;
const next = (limit) => Math.floor(((seed = (seed * 16807) % 2147483647) / 2147483647) * limit);

function stroke(raster, history) {
  const before = raster.clone();
  const from = { row: next(30), col: next(40) };
  const to = { row: next(30), col: next(40) };
  const box = paintSegment(raster, from, to, 1 + next(4), next(4));
  return history.push(difference(before, raster, box));
}

test("undo to the start and redo to the end give back every raster on the way", () => {
  const raster = new Raster(40, 30);
  const history = new History();
  const kept = [raster.data.slice()];
  while (kept.length < 200) if (stroke(raster, history)) kept.push(raster.data.slice());
  for (let i = kept.length - 2; i >= 0; i--) {
    history.undo(raster);
    assert.deepEqual(raster.data, kept[i]);
  }
  assert.equal(history.undo(raster), null);
  for (let i = 1; i < kept.length; i++) {
    history.redo(raster);
    assert.deepEqual(raster.data, kept[i]);
  }
  assert.equal(history.redo(raster), null);
});

test("a new step after undo forgets what was undone", () => {
  const raster = new Raster(40, 30);
  const history = new History();
  for (let n = 0; n < 3; n++) while (!stroke(raster, history));
  history.undo(raster);
  while (!stroke(raster, history));
  assert.equal(history.steps.length, 3);
  assert.equal(history.canRedo, false);
});

test("a step that changes nothing is not kept", () => {
  const raster = new Raster(4, 4);
  const history = new History();
  assert.equal(history.push(difference(raster, raster.clone(), { top: 0, left: 0, bottom: 4, right: 4 })), false);
  assert.equal(history.canUndo, false);
});

test("a step is small: runs, not pixels", () => {
  const raster = new Raster(1000, 1000);
  const before = raster.clone();
  const at = { row: 500, col: 500 };
  const diff = difference(before, raster, paintSegment(raster, at, at, 100, 1));
  assert.ok(diff.length <= 4 * 203, `${diff.length} numbers for a disc of 200 rows`);
});

test("the box that a step changed holds every changed pixel", () => {
  for (let n = 0; n < 50; n++) {
    const raster = new Raster(40, 30);
    const history = new History();
    while (!stroke(raster, history));
    const before = raster.clone();
    const box = apply(raster, history.steps[0], { backwards: true });
    raster.data.forEach((value, i) => {
      const [row, col] = [Math.floor(i / 40), i % 40];
      assert.ok(box);
      const inside = row >= box.top && row < box.bottom && col >= box.left && col < box.right;
      assert.ok(inside || value === before.data[i]);
    });
  }
});

test("runs keep every pixel", () => {
  for (const data of [[], [1], [0, 0, 0], [255, 1, 1, 255], Array.from({ length: 500 }, () => next(3))]) {
    const bytes = Uint8Array.from(data);
    assert.deepEqual(decodeRuns(encodeRuns(bytes), bytes.length), bytes);
  }
});

test("runs are value and length in turn", () => {
  assert.deepEqual([...encodeRuns(Uint8Array.of(7, 7, 0))], [7, 2, 0, 1]);
});

test("runs of another size are refused", () => {
  assert.throws(() => decodeRuns([1, 3], 4), /expected runs of 4 pixels in all, got 3/);
  assert.throws(() => decodeRuns([1, 5], 4), /expected runs of 4 pixels in all, got 5/);
});
