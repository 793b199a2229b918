import assert from "node:assert/strict";
import { test } from "node:test";

import { superpixels } from "../../src/askmask/serve/web/static/editor/superpixels.js";
import { ActiveTimer } from "../../src/askmask/serve/web/static/timer.js";
import {
  fit,
  keepInSight,
  pan,
  toImage,
  toScreen,
  visibleTiles,
  zoomAt,
} from "../../src/askmask/serve/web/static/viewer/viewport.js";

const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

test("screen and image positions are inverse", () => {
  const viewport = { scale: 2.5, row: 10, col: -3 };
  const { x, y } = toScreen(viewport, 12, 4);
  const { row, col } = toImage(viewport, x, y);
  close(row, 12);
  close(col, 4);
});

test("zoom keeps the position under the pointer", () => {
  const before = { scale: 2, row: 10, col: 20 };
  const held = toImage(before, 300, 100);
  const after = zoomAt(before, 1.7, 300, 100);
  close(toImage(after, 300, 100).row, held.row);
  close(toImage(after, 300, 100).col, held.col);
  close(after.scale, 3.4);
});

test("zoom stops at its limits", () => {
  assert.equal(zoomAt({ scale: 2, row: 0, col: 0 }, 1e9, 0, 0).scale, 64);
  assert.equal(zoomAt({ scale: 2, row: 0, col: 0 }, 1e-9, 0, 0).scale, 0.005);
});

test("a fitted box lies whole in the middle of the screen", () => {
  const box = { top: 100, left: 40, bottom: 250, right: 190 };
  const viewport = fit(box, 900, 600);
  const a = toScreen(viewport, box.top, box.left);
  const b = toScreen(viewport, box.bottom, box.right);
  assert.ok(a.x > 0 && a.y > 0 && b.x < 900 && b.y < 600);
  close(a.x, 900 - b.x);
  close(a.y, 600 - b.y);
});

test("panning moves the picture with the pointer", () => {
  const moved = pan({ scale: 2, row: 5, col: 5 }, 10, -4);
  assert.deepEqual(moved, { scale: 2, row: 7, col: 0 });
});

test("the image cannot be pushed out of sight", () => {
  const image = { width: 100, height: 100 };
  const lost = keepInSight({ scale: 1, row: 1e6, col: -1e6 }, image, 200, 200);
  const corner = toScreen(lost, 100, 0);
  assert.ok(corner.x >= 0 && corner.x <= 200 && corner.y >= 0 && corner.y <= 200);
});

test("tiles cover the screen, once each, at the level that has enough pixels", () => {
  const image = { width: 5000, height: 3000 };
  const tiles = visibleTiles({ scale: 0.25, row: 0, col: 0 }, image, { width: 800, height: 600 }, 512, 5);
  assert.ok(tiles.every((tile) => tile.level === 2));
  const names = tiles.map((tile) => `${tile.row}/${tile.col}`).sort();
  assert.deepEqual(names, ["0/0", "0/1", "1/0", "1/1"]);
});

test("no tile is asked outside the image", () => {
  const image = { width: 100, height: 100 };
  const tiles = visibleTiles({ scale: 1, row: -300, col: -300 }, image, { width: 2000, height: 2000 }, 512, 1);
  assert.deepEqual(tiles, [{ level: 0, row: 0, col: 0 }]);
});

test("superpixels follow an edge and cover the image with connected patches", () => {
  const [width, height] = [60, 40];
  const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) {
    if (i % width >= 27) rgba.set([30, 30, 30], i * 4); // an edge off the grid of centres
  }
  const ids = superpixels(rgba, width, height, 10);
  const left = new Set();
  const right = new Set();
  ids.forEach((id, i) => (i % width < 27 ? left : right).add(id));
  assert.equal([...left].filter((id) => right.has(id)).length, 0);
  assert.ok(left.size + right.size >= 12, `${left.size + right.size} superpixels`);
  for (const id of left) assert.equal(pieces(ids, width, height, id), 1);
});

function pieces(ids, width, height, id) {
  const seen = new Set();
  let count = 0;
  ids.forEach((value, start) => {
    if (value !== id || seen.has(start)) return;
    count++;
    const stack = [start];
    while (stack.length > 0) {
      const i = stack.pop();
      if (i < 0 || i >= width * height || seen.has(i) || ids[i] !== id) continue;
      seen.add(i);
      stack.push(i - width, i + width);
      if (i % width > 0) stack.push(i - 1);
      if (i % width < width - 1) stack.push(i + 1);
    }
  });
  return count;
}

test("the timer counts a pause as its limit at most", () => {
  let clock = 0;
  const timer = new ActiveTimer(0, { now: () => clock, idleSeconds: 20 });
  clock = 5000;
  timer.touch();
  close(timer.seconds, 5);
  clock = 15000;
  close(timer.seconds, 15);
  assert.equal(timer.idle, false);
  clock = 3600000;
  close(timer.seconds, 25);
  assert.equal(timer.idle, true);
  timer.touch();
  clock += 1000;
  close(timer.seconds, 26);
});

test("a hidden page counts nothing", () => {
  let clock = 0;
  const timer = new ActiveTimer(3, { now: () => clock });
  clock = 4000;
  timer.stop();
  clock = 9000;
  close(timer.seconds, 7);
  timer.touch();
  clock = 10000;
  close(timer.seconds, 8);
});
