import assert from "node:assert/strict";
import { test } from "node:test";

import { onSlide, placeOf, reach, slideTiles } from "../../src/askmask/serve/web/static/viewer/slide-around.js";
import { keepInSight, toImage } from "../../src/askmask/serve/web/static/viewer/viewport.js";

// A field of 1024 x 1024 at 1 um, in a slide of 80,000 x 100,000 at 0.25 um; it begins at (8192, 4096).
const slide = { number: 0, row: 8192, col: 4096, scale: 4, height: 80000, width: 100000, tile: 512, levels: 9 };
const screen = { width: 800, height: 600 };

test("a place on the screen is the same place of the field and of the slide", () => {
  const viewport = { scale: 2, row: 10, col: -30 };
  const at = toImage(viewport, 120, 40);
  const seen = toImage(onSlide(viewport, slide), 120, 40);
  assert.deepEqual(seen, { row: 8192 + 4 * at.row, col: 4096 + 4 * at.col });
});

test("beyond a field the slide can be brought onto the screen, and no further", () => {
  const image = { height: 1024, width: 1024, slide };
  const lost = keepInSight({ scale: 1, row: 1e6, col: -1e6 }, reach(image), 800, 600);
  assert.equal(lost.row, 80000 / 4 - 8192 / 4 - 0.2 * 600);
  assert.equal(lost.col, -4096 / 4 - 0.8 * 800);
  assert.deepEqual(reach({ height: 50, width: 60 }), { top: 0, left: 0, height: 50, width: 60 });
});

test("zoomed out, the tiles of the slide lie under the field", () => {
  const { wanted, under, over } = slideTiles({ scale: 0.5, row: 0, col: 0 }, slide, screen);
  assert.deepEqual([...new Set(wanted.map((tile) => tile.level))], [3]);
  assert.equal(over.length, 0);
  assert.equal(under[0].level, 8);
  assert.equal(under.at(-1)?.level, 3);
});

test("zoomed in, what the scanner saw lies over the field", () => {
  const { wanted, under, over } = slideTiles({ scale: 4, row: 100, col: 100 }, slide, screen);
  assert.deepEqual([...new Set(wanted.map((tile) => tile.level))], [0]);
  assert.deepEqual([...new Set(over.map((tile) => tile.level))], [1, 0]);
  assert.ok(under.every((tile) => tile.level >= 2));
});

test("a tile is drawn where it lies in the field, cut at the slide's edge", () => {
  const full = { naturalWidth: 512, naturalHeight: 512 };
  assert.deepEqual(placeOf({ level: 2, row: 4, col: 2 }, slide, full), { row: 0, col: 0, width: 512, height: 512 });
  const last = placeOf({ level: 8, row: 0, col: 0 }, slide, { naturalWidth: 391, naturalHeight: 313 });
  assert.deepEqual(last, { row: -2048, col: -1024, width: 25000, height: 20000 });
});
