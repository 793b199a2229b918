/** Shapes that are drawn from one press to one release: lasso, line, ellipse, cut. Pure functions. */

import { clip, paintPolygon, paintSegment, UNLABELLED } from "./raster.js";

export const SHAPES = ["lasso", "line", "ellipse", "cut"];
const CUT_RADIUS = 1; // two pixels wide: objects stay apart also where corners would join them

/**
 * A shape after the pointer has moved on: a lasso keeps its way, the others their two ends.
 *
 * @param {import("../types.js").At[]} points
 * @param {import("../types.js").At} at
 */
export function extended(tool, points, at) {
  return tool === "lasso" ? [...points, at] : [points[0], at];
}

/**
 * Paint a shape; returns the box that it may have changed, or null.
 *
 * @param {import("./raster.js").Raster} raster
 * @param {{tool: string, points: import("../types.js").At[], size: number}} shape
 * @param {number} value
 */
export function paintShape(raster, { tool, points, size }, value) {
  const [first, last] = [points[0], points[points.length - 1]];
  if (tool === "lasso") return paintPolygon(raster, points, value);
  if (tool === "line") return paintSegment(raster, first, last, size / 2, value);
  if (tool === "cut") return paintCut(raster, first, last, value);
  return paintEllipse(raster, first, last, value);
}

/** Paint the pixels whose centres are inside the ellipse that fills a box of two corners. */
export function paintEllipse(raster, a, b, value) {
  const middle = { row: (a.row + b.row) / 2, col: (a.col + b.col) / 2 };
  const [tall, wide] = [Math.abs(a.row - b.row) / 2, Math.abs(a.col - b.col) / 2];
  const box = clip(raster, { top: middle.row - tall, left: middle.col - wide, bottom: middle.row + tall, right: middle.col + wide });
  if (!box || tall === 0 || wide === 0) return null;
  for (let row = box.top; row < box.bottom; row++) {
    for (let col = box.left; col < box.right; col++) {
      const [y, x] = [(row + 0.5 - middle.row) / tall, (col + 0.5 - middle.col) / wide];
      if (x * x + y * y <= 1) raster.data[row * raster.width + col] = value;
    }
  }
  return box;
}

/** Cut along a line: only pixels that have a label change, so that nothing is made up. */
export function paintCut(raster, from, to, value) {
  const before = raster.data.slice();
  const box = paintSegment(raster, from, to, CUT_RADIUS, value);
  before.forEach((old, i) => {
    if (old === UNLABELLED) raster.data[i] = UNLABELLED;
  });
  return box;
}

/**
 * The same shape about another middle.
 *
 * @param {{tool: string, points: import("../types.js").At[], size: number}} shape
 */
export function movedTo(shape, at) {
  const rows = shape.points.map(({ row }) => row);
  const cols = shape.points.map(({ col }) => col);
  const down = at.row - (Math.min(...rows) + Math.max(...rows)) / 2;
  const right = at.col - (Math.min(...cols) + Math.max(...cols)) / 2;
  return { ...shape, points: shape.points.map(({ row, col }) => ({ row: row + down, col: col + right })) };
}
