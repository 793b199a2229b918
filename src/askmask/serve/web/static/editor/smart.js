/**
 * Strokes that correct the region: what was drawn so far, and how the region was before.
 *
 * The strokes themselves are no labels; the labels that come of them are, and take the place of
 * those in hand until more strokes come. Forgetting the strokes accepts them. Where nothing is
 * labelled yet, the strokes are spread over the whole region, which takes two classes.
 */

import { paintSegment, Raster, UNLABELLED } from "./raster.js";

export const SMART_RADIUS = 1.5; // of a stroke, in pixels of the image: it marks, it does not paint

const MOST_LINES = 8; // that correct together; each costs the server some milliseconds

/** @typedef {{value: number, points: import("../types.js").At[]}} Line */

export class SmartStrokes {
  constructor() {
    /** @type {Line[]} finished strokes, the oldest first */
    this.lines = [];
    /** @type {Line | null} the stroke that is being drawn */
    this.line = null;
    /** @type {Uint8Array | null} labels before the first stroke */
    this.before = null;
  }

  get isBegun() {
    return this.lines.length > 0;
  }

  /** Whether there was nothing to correct before the strokes. */
  get isFromNothing() {
    return this.before === null || this.before.every((value) => value === UNLABELLED);
  }

  /** Whether labels come of the strokes: from nothing, two classes are needed to tell them apart. */
  get isEnough() {
    return !this.isFromNothing || new Set(this.lines.map(({ value }) => value)).size > 1;
  }

  begin(raster, at, value) {
    if (this.lines.length >= MOST_LINES && !this.isFromNothing) this.clear();
    this.before ??= raster.data.slice();
    this.line = { value, points: [at] };
  }

  extend(to) {
    this.line?.points.push(to);
  }

  /** Finish the stroke; returns whether there was one. */
  end() {
    if (!this.line) return false;
    this.lines.push(this.line);
    this.line = null;
    return true;
  }

  /** Forget everything: the labels in hand stay as they are. */
  clear() {
    Object.assign(this, { lines: [], line: null, before: null });
  }

  /** Raster of the strokes: their classes where they are, unlabelled elsewhere; the newer wins. */
  drawn({ width, height }) {
    const raster = new Raster(width, height, new Uint8Array(width * height).fill(UNLABELLED));
    for (const { value, points } of this.lines) {
      points.forEach((to, i) => paintSegment(raster, points[Math.max(0, i - 1)], to, SMART_RADIUS, value));
    }
    return raster;
  }
}
