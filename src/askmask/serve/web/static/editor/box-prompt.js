/**
 * A box around one object, and clicks where the proposal that came of it is wrong.
 *
 * Like the smart brush's, a proposal replaces the labels in hand until it is refined or dropped;
 * forgetting the box accepts it. Positions are (row, col) in the region, and may lie outside of it.
 */

/** @typedef {{row: number, col: number, inside: boolean}} BoxClick */

export class BoxPrompt {
  constructor() {
    /** @type {import("../types.js").Box | null} */
    this.box = null;
    /** @type {BoxClick[]} the oldest first */
    this.clicks = [];
    /** @type {Uint8Array | null} the proposal: 1 where the object is */
    this.mask = null;
    /** @type {Uint8Array | null} labels before the box */
    this.before = null;
    this.value = 0; // class that is proposed
    /** @type {import("../types.js").At[]} two ends of what is being dragged; empty: nothing is */
    this.drag = [];
    this.reach = 0.75; // a drag no longer than so many pixels is a click
  }

  get isBegun() {
    return this.box !== null;
  }

  get isDrawing() {
    return this.drag.length > 0;
  }

  press(at) {
    this.drag = [at, at];
  }

  extend(to) {
    if (this.isDrawing) this.drag = [this.drag[0], to];
  }

  /**
   * End the drag: a new box in the class `value`, or a click; returns which, null if neither.
   *
   * @param {import("./raster.js").Raster} raster
   * @param {number} value
   */
  lift(raster, value) {
    if (!this.isDrawing) return null;
    const box = boxOfDrag(this.drag);
    const [, at] = this.drag;
    this.drag = [];
    if (Math.min(box.bottom - box.top, box.right - box.left) > this.reach) {
      Object.assign(this, { box, clicks: [], mask: null, before: raster.data.slice(), value });
      return "box";
    }
    if (Math.max(box.bottom - box.top, box.right - box.left) > this.reach) return null; // a thin line
    return this.click(raster, at);
  }

  /** Say that the proposal is wrong at a place: inside it is too much, outside it too little. */
  click(raster, at) {
    if (!this.isBegun) return null;
    const [row, col] = [Math.floor(at.row), Math.floor(at.col)];
    const isProposed = raster.contains(row, col) && this.mask?.[row * raster.width + col] === 1;
    this.clicks = [...this.clicks, { ...at, inside: !isProposed }];
    return "click";
  }

  /** Labels with a mask in place of what was there before the box. */
  applied(mask) {
    this.mask = mask;
    return /** @type {Uint8Array} */ (this.before).map((old, i) => (mask[i] === 1 ? this.value : old));
  }

  /** Forget everything: the labels in hand stay as they are. */
  clear() {
    Object.assign(this, { box: null, clicks: [], mask: null, before: null, drag: [] });
  }
}

/** @param {import("../types.js").At[]} drag */
export function boxOfDrag([a, b]) {
  return {
    top: Math.min(a.row, b.row),
    left: Math.min(a.col, b.col),
    bottom: Math.max(a.row, b.row),
    right: Math.max(a.col, b.col),
  };
}
