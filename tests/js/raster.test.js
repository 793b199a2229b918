import assert from "node:assert/strict";
import { test } from "node:test";

import {
  floodFill,
  histogram,
  paintPolygon,
  paintSegment,
  paintSuperpixels,
  Raster,
  unite,
} from "../../src/askmask/serve/web/static/editor/raster.js";

const drawn = (raster) =>
  Array.from({ length: raster.height }, (_row, row) =>
    Array.from({ length: raster.width }, (_col, col) => (raster.at(row, col) === 255 ? "." : raster.at(row, col))).join(""),
  );
const painted = (width, height, rows) =>
  new Raster(width, height, Uint8Array.from(rows.join(""), (c) => (c === "." ? 255 : Number(c))));

test("a dab paints the pixels whose centres are within the radius", () => {
  const raster = new Raster(5, 5);
  const middle = { row: 2.5, col: 2.5 };
  paintSegment(raster, middle, middle, 1, 1);
  assert.deepEqual(drawn(raster), [".....", "..1..", ".111.", "..1..", "....."]);
});

test("a fast stroke has no gaps", () => {
  const raster = new Raster(7, 3);
  paintSegment(raster, { row: 1.5, col: 0.5 }, { row: 1.5, col: 6.5 }, 0.5, 2);
  assert.deepEqual(drawn(raster), [".......", "2222222", "......."]);
});

test("a brush thinner than a pixel still paints the pixel it is on", () => {
  const raster = new Raster(3, 3);
  paintSegment(raster, { row: 1.1, col: 1.1 }, { row: 1.1, col: 1.1 }, 0.1, 1);
  assert.deepEqual(drawn(raster), ["...", ".1.", "..."]);
});

test("a stroke outside the raster paints nothing, one over the edge is cut", () => {
  const raster = new Raster(3, 3);
  assert.equal(paintSegment(raster, { row: 20, col: 20 }, { row: 30, col: 30 }, 2, 1), null);
  paintSegment(raster, { row: -1, col: 1.5 }, { row: 0.5, col: 1.5 }, 0.5, 1);
  assert.deepEqual(drawn(raster), [".1.", "...", "..."]);
});

test("a polygon paints the pixels whose centres are inside", () => {
  const raster = new Raster(5, 4);
  const square = [[1, 1], [1, 4], [3, 4], [3, 1]].map(([row, col]) => ({ row, col }));
  assert.deepEqual(paintPolygon(raster, square, 1), { top: 1, left: 1, bottom: 3, right: 4 });
  assert.deepEqual(drawn(raster), [".....", ".111.", ".111.", "....."]);
});

test("a polygon that crosses itself leaves its twice wound part out", () => {
  const raster = new Raster(4, 4);
  const twice = [[0, 0], [0, 4], [4, 4], [4, 0], [0, 0], [1, 1], [1, 3], [3, 3], [3, 1], [1, 1]];
  paintPolygon(raster, twice.map(([row, col]) => ({ row, col })), 1);
  assert.deepEqual(drawn(raster), ["1111", "1..1", "1..1", "1111"]);
});

test("polygons that share an edge neither overlap nor leave a gap", () => {
  let state = 7;
  const next = () => {
    state = (state * 16807) % 2147483647;
    return state / 2147483647;
  };
  for (let trial = 0; trial < 50; trial++) {
    const raster = new Raster(20, 20);
    const cut = [{ row: 0, col: next() * 20 }, { row: 20, col: next() * 20 }];
    const left = [{ row: 0, col: 0 }, ...cut, { row: 20, col: 0 }];
    const right = [cut[0], { row: 0, col: 20 }, { row: 20, col: 20 }, cut[1]];
    paintPolygon(raster, left, 1);
    const ones = histogram(raster)[1];
    paintPolygon(raster, right, 2);
    assert.equal(histogram(raster)[1], ones);
    assert.equal(histogram(raster)[255], 0);
  }
});

test("fill changes the connected area of one class only", () => {
  const raster = painted(5, 4, ["00100", "00100", "11100", "00000"]);
  floodFill(raster, 0, 0, 2);
  assert.deepEqual(drawn(raster), ["22100", "22100", "11100", "00000"]);
  assert.equal(floodFill(raster, 0, 0, 2), null);
});

test("fill equals a plain search on random rasters", () => {
  let seed = 3;
  const next = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (let trial = 0; trial < 40; trial++) {
    const [width, height] = [1 + Math.floor(next() * 12), 1 + Math.floor(next() * 12)];
    const raster = new Raster(width, height, Uint8Array.from({ length: width * height }, () => (next() < 0.6 ? 0 : 1)));
    const expected = raster.clone();
    const [row, col] = [Math.floor(next() * height), Math.floor(next() * width)];
    const old = expected.at(row, col);
    const search = (r, c) => {
      if (!expected.contains(r, c) || expected.at(r, c) !== old) return;
      expected.data[r * width + c] = 9;
      [[1, 0], [-1, 0], [0, 1], [0, -1]].forEach(([a, b]) => search(r + a, c + b));
    };
    search(row, col);
    const before = raster.clone();
    const box = floodFill(raster, row, col, 9);
    assert.deepEqual(raster.data, expected.data);
    raster.data.forEach((value, i) => {
      const [r, c] = [Math.floor(i / width), i % width];
      assert.ok(box);
      const inside = r >= box.top && r < box.bottom && c >= box.left && c < box.right;
      assert.ok(inside || value === before.data[i]);
    });
  }
});

test("superpixels are painted whole", () => {
  const raster = new Raster(3, 2);
  const box = paintSuperpixels(raster, Int32Array.of(0, 1, 1, 0, 0, 2), new Set([1]), 1);
  assert.deepEqual(drawn(raster), [".11", "..."]);
  assert.deepEqual(box, { top: 0, left: 1, bottom: 1, right: 3 });
});

test("a raster of another size than its pixels is refused", () => {
  assert.throws(() => new Raster(2, 2, new Uint8Array(3)), /expected 4 pixels, got 3/);
});

test("a box united with nothing is the box", () => {
  const box = { top: 0, left: 1, bottom: 2, right: 3 };
  assert.deepEqual(unite(null, box), box);
  assert.deepEqual(unite(box, { top: 1, left: 0, bottom: 5, right: 2 }), { top: 0, left: 0, bottom: 5, right: 3 });
});
