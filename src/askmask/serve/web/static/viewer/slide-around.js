/**
 * The slide around a field: what lies beyond the field's edges, and how the scanner saw it.
 *
 * Coarse tiles of the slide lie under the field's own; where the screen shows more than the field
 * has, finer ones lie over them. What is labelled stays the field.
 */

import { visibleTiles } from "./viewport.js";

/**
 * What can be brought onto the screen: an image, or the slide that it is a part of.
 *
 * @param {{height: number, width: number, slide?: import("../types.js").SlideFacts | null}} image
 */
export function reach({ slide, height, width }) {
  if (!slide) return { top: 0, left: 0, height, width };
  return {
    top: -slide.row / slide.scale,
    left: -slide.col / slide.scale,
    height: slide.height / slide.scale,
    width: slide.width / slide.scale,
  };
}

/** Viewport of the slide, in pixels of its first level, that shows what a viewport of the field shows. */
export function onSlide(viewport, slide) {
  return {
    scale: viewport.scale / slide.scale,
    row: viewport.row * slide.scale + slide.row,
    col: viewport.col * slide.scale + slide.col,
  };
}

/**
 * Tiles of the slide that are on the screen, by level, the coarsest first: those to be drawn before
 * the field (`under`) and after it (`over`). `wanted` are those to be loaded.
 */
export function slideTiles(viewport, slide, screen) {
  const seen = onSlide(viewport, slide);
  const wanted = visibleTiles(seen, slide, screen, slide.tile, slide.levels);
  const finest = wanted.length ? wanted[0].level : slide.levels;
  const levels = Array.from({ length: slide.levels - finest }, (_, i) => slide.levels - 1 - i);
  const tiles = levels.flatMap((level) => (level === finest ? wanted : atLevel(seen, slide, screen, level)));
  const isFiner = (tile) => 2 ** tile.level < slide.scale * 0.99; // scans differ from a whole factor by a little
  return { wanted, under: tiles.filter((tile) => !isFiner(tile)), over: tiles.filter(isFiner) };
}

/** Tiles of a coarser level than the screen needs. */
function atLevel(viewport, slide, screen, level) {
  const scale = 2 ** -level;
  const factor = scale / viewport.scale;
  const shrunk = { width: screen.width * factor, height: screen.height * factor };
  return visibleTiles({ ...viewport, scale }, slide, shrunk, slide.tile, slide.levels);
}

/** Where a tile lies, in pixels of the field. */
export function placeOf(tile, slide, picture) {
  const step = 2 ** tile.level;
  const [row, col] = [tile.row * slide.tile * step, tile.col * slide.tile * step];
  return {
    row: (row - slide.row) / slide.scale,
    col: (col - slide.col) / slide.scale,
    width: Math.min(picture.naturalWidth * step, slide.width - col) / slide.scale,
    height: Math.min(picture.naturalHeight * step, slide.height - row) / slide.scale,
  };
}
