/**
 * Rasters of class indices, and what paints on them: pure functions, no canvas.
 *
 * Coordinates are (row, col); pixel (r, c) has its centre at (r + 0.5, c + 0.5). Every painting
 * function returns the box it may have changed, `{top, left, bottom, right}` half-open, or null.
 */

export const UNLABELLED = 255;

export class Raster {
  /** `data` is a Uint8Array of `width * height` class indices, row by row; not copied. */
  constructor(width, height, data = new Uint8Array(width * height).fill(UNLABELLED)) {
    if (data.length !== width * height) {
      throw new RangeError(`expected ${width * height} pixels, got ${data.length}.`);
    }
    this.width = width;
    this.height = height;
    this.data = data;
  }

  clone() {
    return new Raster(this.width, this.height, this.data.slice());
  }

  at(row, col) {
    return this.data[row * this.width + col];
  }

  contains(row, col) {
    return row >= 0 && col >= 0 && row < this.height && col < this.width;
  }
}

export function unite(a, b) {
  if (!a || !b) return a || b;
  return {
    top: Math.min(a.top, b.top),
    left: Math.min(a.left, b.left),
    bottom: Math.max(a.bottom, b.bottom),
    right: Math.max(a.right, b.right),
  };
}

/** Part of a box inside the raster, or null. */
export function clip(raster, box) {
  const top = Math.max(0, Math.floor(box.top));
  const left = Math.max(0, Math.floor(box.left));
  const bottom = Math.min(raster.height, Math.ceil(box.bottom));
  const right = Math.min(raster.width, Math.ceil(box.right));
  return top < bottom && left < right ? { top, left, bottom, right } : null;
}

/**
 * Paint every pixel whose centre is within `radius` of the segment `from`-`to`.
 *
 * A brush moved from one pointer event to the next leaves no gaps, however fast. The pixel under
 * each end is painted also by a brush thinner than a pixel.
 */
export function paintSegment(raster, from, to, radius, value) {
  const box = clip(raster, {
    top: Math.min(from.row, to.row) - radius - 1,
    left: Math.min(from.col, to.col) - radius - 1,
    bottom: Math.max(from.row, to.row) + radius + 1,
    right: Math.max(from.col, to.col) + radius + 1,
  });
  if (!box) return null;
  const dRow = to.row - from.row;
  const dCol = to.col - from.col;
  const norm = dRow * dRow + dCol * dCol;
  const limit = radius * radius;
  for (let row = box.top; row < box.bottom; row++) {
    for (let col = box.left; col < box.right; col++) {
      const y = row + 0.5 - from.row;
      const x = col + 0.5 - from.col;
      const along = norm > 0 ? Math.min(1, Math.max(0, (y * dRow + x * dCol) / norm)) : 0;
      const offRow = y - along * dRow;
      const offCol = x - along * dCol;
      if (offRow * offRow + offCol * offCol <= limit) raster.data[row * raster.width + col] = value;
    }
  }
  for (const end of [from, to]) {
    const row = Math.floor(end.row);
    const col = Math.floor(end.col);
    if (raster.contains(row, col)) raster.data[row * raster.width + col] = value;
  }
  return box;
}

/** Paint the inside of a closed polygon by the even-odd rule at pixel centres. */
export function paintPolygon(raster, points, value) {
  if (points.length < 3) return null;
  const rows = points.map((point) => point.row);
  const cols = points.map((point) => point.col);
  const box = clip(raster, {
    top: Math.min(...rows),
    left: Math.min(...cols),
    bottom: Math.max(...rows),
    right: Math.max(...cols),
  });
  if (!box) return null;
  for (let row = box.top; row < box.bottom; row++) {
    const crossings = crossingsAt(points, row + 0.5);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const first = Math.max(box.left, Math.ceil(crossings[i] - 0.5));
      const end = Math.min(box.right, Math.ceil(crossings[i + 1] - 0.5));
      if (end > first) raster.data.fill(value, row * raster.width + first, row * raster.width + end);
    }
  }
  return box;
}

function crossingsAt(points, y) {
  const found = [];
  for (let i = 0; i < points.length; i++) {
    const a = points[i];
    const b = points[(i + 1) % points.length];
    if (a.row <= y !== b.row <= y) {
      found.push(a.col + ((y - a.row) / (b.row - a.row)) * (b.col - a.col));
    }
  }
  return found.sort((a, b) => a - b);
}

/** Give the 4-connected area of one class around a pixel another class. */
export function floodFill(raster, row, col, value) {
  if (!raster.contains(row, col)) return null;
  const { width, height, data } = raster;
  const old = data[row * width + col];
  if (old === value) return null;
  const box = { top: row, left: col, bottom: row + 1, right: col + 1 };
  const stack = [row * width + col];
  while (stack.length > 0) {
    const seed = stack.pop();
    if (data[seed] !== old) continue;
    const y = Math.floor(seed / width);
    let left = seed;
    let right = seed + 1;
    while (left > y * width && data[left - 1] === old) left--;
    while (right < (y + 1) * width && data[right] === old) right++;
    data.fill(value, left, right);
    pushRuns(data, old, left - width, right - width, y > 0, stack);
    pushRuns(data, old, left + width, right + width, y + 1 < height, stack);
    box.top = Math.min(box.top, y);
    box.bottom = Math.max(box.bottom, y + 1);
    box.left = Math.min(box.left, left - y * width);
    box.right = Math.max(box.right, right - y * width);
  }
  return box;
}

function pushRuns(data, old, start, end, inside, stack) {
  if (!inside) return;
  for (let i = start; i < end; i++) {
    if (data[i] === old && (i === start || data[i - 1] !== old)) stack.push(i);
  }
}

/** Paint every pixel whose superpixel is in `ids`; `superpixels` has the raster's shape. */
export function paintSuperpixels(raster, superpixels, ids, value) {
  let box = null;
  const { width } = raster;
  for (let i = 0; i < superpixels.length; i++) {
    if (!ids.has(superpixels[i])) continue;
    raster.data[i] = value;
    const row = Math.floor(i / width);
    const col = i - row * width;
    if (!box) box = { top: row, left: col, bottom: row + 1, right: col + 1 };
    box.left = Math.min(box.left, col);
    box.right = Math.max(box.right, col + 1);
    box.bottom = row + 1;
  }
  return box;
}

/** Pixels per value, as an array of 256 counts. */
export function histogram(raster) {
  const counts = new Uint32Array(256);
  for (const value of raster.data) counts[value]++;
  return counts;
}
