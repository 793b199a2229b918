import assert from "node:assert/strict";
import { test } from "node:test";

import { Raster, UNLABELLED } from "../../src/askmask/serve/web/static/editor/raster.js";
import { movedTo, paintCut, paintEllipse, paintShape } from "../../src/askmask/serve/web/static/editor/shapes.js";
import { grow, removeSmall, shrink } from "../../src/askmask/serve/web/static/editor/tidy.js";
import { Editor } from "../../src/askmask/serve/web/static/editor/editor.js";
import { History } from "../../src/askmask/serve/web/static/editor/history.js";

const raster = (...rows) =>
  new Raster(rows[0].length, rows.length, Uint8Array.from(rows.join(""), (c) => (c === "." ? UNLABELLED : Number(c))));
const drawn = ({ width, height, data }) =>
  Array.from({ length: height }, (_, row) => Array.from(data.subarray(row * width, (row + 1) * width), (v) => (v === UNLABELLED ? "." : v)).join(""));

test("an ellipse in a square box of odd size is round and touches its sides", () => {
  const square = raster("00000", "00000", "00000", "00000", "00000");
  paintEllipse(square, { row: 0, col: 0 }, { row: 5, col: 5 }, 1);
  assert.deepEqual(drawn(square), ["01110", "11111", "11111", "11111", "01110"]);
});

test("an ellipse is the same from any two opposite corners", () => {
  const corners = [{ row: 1, col: 2 }, { row: 9, col: 15 }];
  const one = new Raster(20, 12);
  const other = new Raster(20, 12);
  paintEllipse(one, corners[0], corners[1], 3);
  paintEllipse(other, { row: 9, col: 2 }, { row: 1, col: 15 }, 3);
  assert.deepEqual(one.data, other.data);
});

test("a flat ellipse paints nothing", () => {
  const empty = new Raster(4, 4);
  assert.equal(paintEllipse(empty, { row: 1, col: 0 }, { row: 1, col: 4 }, 1), null);
});

test("a cut parts an object also where corners would join it", () => {
  const blob = new Raster(20, 20, new Uint8Array(400).fill(1));
  paintCut(blob, { row: 0, col: 0 }, { row: 20, col: 20 }, 0);
  const seen = new Set([19]);
  const waiting = [19]; // the upper right corner
  for (let i = waiting.pop(); i !== undefined; i = waiting.pop()) {
    const [row, col] = [Math.floor(i / 20), i % 20];
    for (const [y, x] of [[-1, -1], [-1, 0], [-1, 1], [0, -1], [0, 1], [1, -1], [1, 0], [1, 1]]) {
      const next = (row + y) * 20 + col + x;
      if (!blob.contains(row + y, col + x) || seen.has(next) || blob.data[next] !== 1) continue;
      seen.add(next);
      waiting.push(next);
    }
  }
  assert.ok(!seen.has(19 * 20), "the lower left corner is not reached");
});

test("a cut labels nothing that had no label", () => {
  const half = raster("..11", "..11");
  paintCut(half, { row: 1, col: 0 }, { row: 1, col: 4 }, 0);
  assert.deepEqual(drawn(half), ["..00", "..00"]);
});

test("the last shape comes again about another middle, of the same size", () => {
  const shape = { tool: "ellipse", points: [{ row: 2, col: 2 }, { row: 8, col: 10 }], size: 4 };
  const [one, other] = [new Raster(40, 40), new Raster(40, 40)];
  paintShape(one, shape, 1);
  paintShape(other, movedTo(shape, { row: 25, col: 26 }), 1);
  const shift = (25 - 5) * 40 + (26 - 6);
  one.data.forEach((value, i) => value === 1 && assert.equal(other.data[i + shift], 1));
  assert.equal(one.data.filter((value) => value === 1).length, other.data.filter((value) => value === 1).length);
});

test("a class grows by one pixel, but not around corners", () => {
  const grown = raster("00000", "00000", "00100", "00000", "00000");
  grow(grown, 1);
  assert.deepEqual(drawn(grown), ["00000", "00100", "01110", "00100", "00000"]);
});

test("a class shrinks by one pixel, and the edge of the region is no edge of it", () => {
  const shrunk = raster("1110", "1110", "1110", "0000");
  shrink(shrunk, 1);
  assert.deepEqual(drawn(shrunk), ["1100", "1100", "0000", "0000"]);
});

test("what shrinking gives up takes a label before it has none", () => {
  const shrunk = raster("112", "11.", "...");
  shrink(shrunk, 1);
  assert.deepEqual(drawn(shrunk), ["122", "...", "..."]);
});

test("specks and holes below the size go, others stay, missing labels stay", () => {
  const field = raster("0000000", "0100111", "0000101", "0000111", ".000000");
  removeSmall(field, 2);
  assert.deepEqual(drawn(field), ["0000000", "0000111", "0000111", "0000111", ".000000"]);
});

test("removing specks twice is removing them once", () => {
  const field = new Raster(30, 30, Uint8Array.from({ length: 900 }, (_, i) => (i * 7919) % 3));
  removeSmall(field, 5);
  const once = field.data.slice();
  removeSmall(field, 1);
  assert.deepEqual(field.data, once);
});

test("a lasso, a line and tidying are undone one by one", () => {
  const editor = new Editor();
  const first = new Uint8Array(400);
  editor.open({ raster: new Raster(20, 20, first.slice()), history: new History(), first });
  editor.setTool("lasso");
  editor.beginStroke({ row: 2, col: 2 });
  for (const at of [{ row: 2, col: 12 }, { row: 12, col: 12 }, { row: 12, col: 2 }]) editor.extendStroke(at);
  editor.endStroke();
  editor.setTool("line");
  editor.setSize(3);
  editor.beginStroke({ row: 16, col: 2 });
  editor.extendStroke({ row: 18, col: 9 });
  editor.extendStroke({ row: 16, col: 15 }); // only its ends count
  editor.endStroke();
  editor.shrink();
  assert.deepEqual([...editor.used].sort(), ["lasso", "line", "shrink"]);
  assert.equal(editor.history.done, 3);
  while (editor.undo());
  assert.deepEqual(editor.raster.data, first);
});

test("a shape that is dropped paints nothing", () => {
  const editor = new Editor();
  editor.open({ raster: new Raster(20, 20), history: new History(), first: new Uint8Array(400) });
  editor.setTool("ellipse");
  editor.beginStroke({ row: 2, col: 2 });
  editor.extendStroke({ row: 9, col: 9 });
  assert.equal(editor.cancel(), true);
  editor.endStroke();
  assert.equal(editor.history.done, 0);
});
