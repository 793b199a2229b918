/**
 * Which part of an image is on the screen: pure geometry.
 *
 * A viewport is `{scale, row, col}`: screen pixels per image pixel, and the image position at the
 * top left of the screen.
 */

export const MAX_SCALE = 64;

export function toImage(viewport, x, y) {
  return { row: viewport.row + y / viewport.scale, col: viewport.col + x / viewport.scale };
}

export function toScreen(viewport, row, col) {
  return { x: (col - viewport.col) * viewport.scale, y: (row - viewport.row) * viewport.scale };
}

/** Show a box in the middle of the screen, with `margin` of the box's size around it. */
export function fit(box, width, height, margin = 0.15) {
  const boxWidth = box.right - box.left;
  const boxHeight = box.bottom - box.top;
  const scale = Math.min(
    MAX_SCALE,
    width / (boxWidth * (1 + 2 * margin)),
    height / (boxHeight * (1 + 2 * margin)),
  );
  return {
    scale,
    row: box.top + boxHeight / 2 - height / 2 / scale,
    col: box.left + boxWidth / 2 - width / 2 / scale,
  };
}

/** Zoom by a factor; the image position under (x, y) stays where it is. */
export function zoomAt(viewport, factor, x, y, minScale = 0.005) {
  const scale = Math.min(MAX_SCALE, Math.max(minScale, viewport.scale * factor));
  const held = toImage(viewport, x, y);
  return { scale, row: held.row - y / scale, col: held.col - x / scale };
}

/** Move the picture by (dx, dy) screen pixels. */
export function pan(viewport, dx, dy) {
  return {
    scale: viewport.scale,
    row: viewport.row - dy / viewport.scale,
    col: viewport.col - dx / viewport.scale,
  };
}

/** Keep at least a corner of an image, or of what is around it, on the screen. */
export function keepInSight(viewport, { top = 0, left = 0, ...image }, width, height) {
  const rows = height / viewport.scale;
  const cols = width / viewport.scale;
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  return {
    scale: viewport.scale,
    row: clamp(viewport.row, top - 0.8 * rows, top + image.height - 0.2 * rows),
    col: clamp(viewport.col, left - 0.8 * cols, left + image.width - 0.2 * cols),
  };
}

/**
 * Tiles needed for a viewport: `{level, row, col}`, middle first.
 *
 * Level k is the image shrunk 2^k times; the level is the coarsest that still has a tile pixel for
 * each screen pixel.
 */
export function visibleTiles(viewport, image, screen, tileSize, levels) {
  const wanted = Math.floor(Math.log2(1 / viewport.scale));
  const level = Math.min(levels - 1, Math.max(0, wanted));
  const step = tileSize * 2 ** level;
  const span = (start, length, limit) => {
    const first = Math.max(0, Math.floor(start / step));
    const last = Math.min(Math.ceil(limit / step), Math.ceil((start + length) / step));
    return { first, last };
  };
  const rows = span(viewport.row, screen.height / viewport.scale, image.height);
  const cols = span(viewport.col, screen.width / viewport.scale, image.width);
  const tiles = [];
  for (let row = rows.first; row < rows.last; row++) {
    for (let col = cols.first; col < cols.last; col++) tiles.push({ level, row, col });
  }
  const middleRow = (rows.first + rows.last - 1) / 2;
  const middleCol = (cols.first + cols.last - 1) / 2;
  const far = (tile) => Math.abs(tile.row - middleRow) + Math.abs(tile.col - middleCol);
  return tiles.sort((a, b) => far(a) - far(b));
}
