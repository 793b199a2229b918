import assert from "node:assert/strict";
import { test } from "node:test";
import { Raster, UNLABELLED } from "../../src/askmask/serve/web/static/editor/raster.js";
import { SmartStrokes } from "../../src/askmask/serve/web/static/editor/smart.js";

const filled = (value) => new Raster(8, 8, new Uint8Array(64).fill(value));

function draw(strokes, raster, value) {
  strokes.begin(raster, { row: 4, col: 4 }, value);
  strokes.end();
}

test("one stroke is enough where something is in hand", () => {
  const strokes = new SmartStrokes();
  draw(strokes, filled(0), 1);
  assert.equal(strokes.isEnough, true);
});

test("two classes are needed where nothing is labelled", () => {
  const strokes = new SmartStrokes();
  const raster = filled(UNLABELLED);
  draw(strokes, raster, 1);
  draw(strokes, raster, 1);
  assert.equal(strokes.isEnough, false);
  draw(strokes, raster, 0);
  assert.equal(strokes.isEnough, true);
});

test("eight strokes correct together, and the ninth begins with what came of them", () => {
  const strokes = new SmartStrokes();
  const raster = filled(0);
  for (let n = 0; n < 8; n++) draw(strokes, raster, 1);
  assert.equal(strokes.lines.length, 8);
  assert.deepEqual(strokes.before, filled(0).data);
  raster.data.fill(2);
  draw(strokes, raster, 1);
  assert.equal(strokes.lines.length, 1);
  assert.deepEqual(strokes.before, filled(2).data);
});

test("from nothing, any number of strokes counts together", () => {
  const strokes = new SmartStrokes();
  const raster = filled(UNLABELLED);
  for (let value = 0; value < 12; value++) draw(strokes, raster, value);
  assert.equal(strokes.lines.length, 12);
});
