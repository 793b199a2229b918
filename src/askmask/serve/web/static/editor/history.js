/**
 * Undo and redo without limit: each step keeps only the runs of pixels that it changed.
 *
 * A diff is an Int32Array of quadruples (start, length, before, after): `length` pixels from index
 * `start` went from class `before` to class `after`.
 */

/** Difference of two rasters of one shape, inside `box` (null: nowhere). */
export function difference(before, after, box) {
  const runs = [];
  if (!box) return new Int32Array(0);
  const { width } = after;
  for (let row = box.top; row < box.bottom; row++) {
    const end = row * width + box.right;
    for (let i = row * width + box.left; i < end; i++) {
      const old = before.data[i];
      const now = after.data[i];
      if (old === now) continue;
      const last = runs.length - 4;
      const continues =
        last >= 0 && runs[last] + runs[last + 1] === i && runs[last + 2] === old && runs[last + 3] === now;
      if (continues) runs[last + 1]++;
      else runs.push(i, 1, old, now);
    }
  }
  return Int32Array.from(runs);
}

/** Write a diff into a raster, forwards or backwards; return the box that changed, or null. */
export function apply(raster, diff, { backwards = false } = {}) {
  if (diff.length === 0) return null;
  const { width } = raster;
  const box = { top: raster.height, left: raster.width, bottom: 0, right: 0 };
  for (let i = 0; i < diff.length; i += 4) {
    const [start, length] = [diff[i], diff[i + 1]];
    raster.data.fill(diff[i + (backwards ? 2 : 3)], start, start + length);
    const first = Math.floor(start / width);
    const last = Math.floor((start + length - 1) / width);
    box.top = Math.min(box.top, first);
    box.bottom = Math.max(box.bottom, last + 1);
    box.left = Math.min(box.left, first === last ? start - first * width : 0);
    box.right = Math.max(box.right, first === last ? start + length - first * width : width);
  }
  return box;
}

export class History {
  /** `steps` are diffs in order, of which the first `done` are in force. */
  constructor(steps = [], done = steps.length) {
    this.steps = steps;
    this.done = done;
  }

  get canUndo() {
    return this.done > 0;
  }

  get canRedo() {
    return this.done < this.steps.length;
  }

  /** Keep a step; what had been undone is forgotten. A step that changes nothing is not kept. */
  push(diff) {
    if (diff.length === 0) return false;
    this.steps.length = this.done;
    this.steps.push(diff);
    this.done++;
    return true;
  }

  /** Take the last step back; returns the changed box, or null if there is none. */
  undo(raster) {
    if (!this.canUndo) return null;
    this.done--;
    return apply(raster, this.steps[this.done], { backwards: true });
  }

  redo(raster) {
    if (!this.canRedo) return null;
    this.done++;
    return apply(raster, this.steps[this.done - 1]);
  }
}
