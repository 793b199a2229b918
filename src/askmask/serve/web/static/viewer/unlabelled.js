/**
 * What shows that pixels have no label: a faint texture of dots in screen pixels, so that the
 * picture is seen through it at any zoom.
 */

import { penOf } from "../dom.js";

const STEP = 14; // screen pixels between dots

/** @type {HTMLCanvasElement | null} */
let tile = null;

function dots() {
  if (tile) return tile;
  tile = document.createElement("canvas");
  tile.width = tile.height = STEP;
  const context = penOf(tile);
  for (const [x, y] of [[3, 3], [3 + STEP / 2, 3 + STEP / 2]]) {
    context.fillStyle = "rgb(0 0 0 / 0.55)";
    context.fillRect(x, y, 2, 2);
    context.fillStyle = "rgb(255 255 255 / 0.75)";
    context.fillRect(x, y, 1.2, 1.2);
  }
  return tile;
}

/** @type {OffscreenCanvas | null} */
let scratch = null;

/**
 * Draw the texture where `mask` (a canvas of the region's size) is opaque.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {OffscreenCanvas} mask
 * @param {{x: number, y: number, width: number, height: number}} box where the mask is, on the screen
 * @param {{width: number, height: number}} screen
 */
export function drawUnlabelled(context, mask, box, screen) {
  const width = Math.ceil(screen.width);
  const height = Math.ceil(screen.height);
  if (!scratch || scratch.width !== width || scratch.height !== height) scratch = new OffscreenCanvas(width, height);
  const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (scratch.getContext("2d"));
  pen.globalCompositeOperation = "copy";
  pen.imageSmoothingEnabled = false;
  pen.drawImage(mask, box.x, box.y, box.width, box.height);
  pen.globalCompositeOperation = "source-in";
  const pattern = /** @type {CanvasPattern} */ (pen.createPattern(dots(), "repeat"));
  pattern.setTransform(new DOMMatrix([1, 0, 0, 1, box.x % STEP, box.y % STEP])); // moves with the picture
  pen.fillStyle = pattern;
  pen.fillRect(0, 0, width, height);
  context.drawImage(scratch, 0, 0, width, height);
}
