/** Small pictures of answers: the region with its labels over it. */

import { thumbnailUrl } from "../api.js";
import { h, penOf } from "../dom.js";
import { Raster } from "../editor/raster.js";
import { decodeRuns } from "../editor/rle.js";
import { LabelLayer, loadPicture } from "../viewer/layers.js";

const SIDE = 192;

/** Canvas with an answer's picture; filled as soon as it is loaded. */
export function maskPicture(item, runs, classes, label) {
  const canvas = h("canvas", { class: "mask-picture", "data-drawn": "no", width: SIDE, height: SIDE, role: "img", "aria-label": label });
  fill(canvas, item, runs, classes)
    .catch(() => {})
    .finally(() => canvas.setAttribute("data-drawn", "yes"));
  return canvas;
}

async function fill(canvas, item, runs, classes) {
  const context = penOf(canvas);
  const scale = SIDE / Math.max(item.width, item.height);
  const [width, height] = [item.width * scale, item.height * scale];
  const [x, y] = [(SIDE - width) / 2, (SIDE - height) / 2];
  context.drawImage(await loadPicture(thumbnailUrl(item, SIDE)), x, y, width, height);
  if (!runs) return;
  const raster = new Raster(item.width, item.height, decodeRuns(runs, item.width * item.height));
  context.imageSmoothingEnabled = false;
  context.drawImage(new LabelLayer(raster, classes, 0.45).canvas, x, y, width, height);
}
