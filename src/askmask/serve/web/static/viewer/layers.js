/** Pictures laid over the image: the labels, and the score map. */

import { penOf } from "../dom.js";
import { clip, UNLABELLED } from "../editor/raster.js";

const HEAT = [
  [0, 0, 4],
  [87, 16, 110],
  [188, 55, 84],
  [249, 142, 9],
  [252, 255, 164],
];

/** Colour of a value in [0, 1], from black over red to light yellow. */
export function heat(value) {
  const at = Math.min(0.9999, Math.max(0, value)) * (HEAT.length - 1);
  const low = Math.floor(at);
  return HEAT[low].map((channel, i) => Math.round(channel + (HEAT[low + 1][i] - channel) * (at - low)));
}

const HEAT_TABLE = Array.from({ length: 256 }, (_, value) => heat(value / 255));

export function parseColour(text) {
  return [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16));
}

/** A background is left clear, so that the image stays visible; any other class has its colour. */
export const isClear = (cls) => cls.index === 0 && cls.name.toLowerCase() === "background";

/** Canvas with a raster in the classes' colours; outlines are stronger than the inside. */
export class LabelLayer {
  constructor(raster, classes, opacity) {
    this.raster = raster;
    this.classes = classes;
    this.canvas = new OffscreenCanvas(raster.width, raster.height);
    this.context = penOf(this.canvas);
    this.inside = new Uint32Array(256);
    this.outline = new Uint32Array(256);
    this.dash = [packed(255, 255, 255, 0.75), packed(0, 0, 0, 0.75)];
    this.unlabelled = new OffscreenCanvas(raster.width, raster.height); // opaque where no label is
    this.setOpacity(opacity);
  }

  setOpacity(opacity) {
    for (const cls of this.classes) {
      if (isClear(cls)) continue;
      const [red, green, blue] = parseColour(cls.color);
      this.inside[cls.index] = packed(red, green, blue, opacity);
      this.outline[cls.index] = packed(red, green, blue, Math.min(1, opacity * 2.4));
    }
    this.paint({ top: 0, left: 0, bottom: this.raster.height, right: this.raster.width });
  }

  /** Draw anew what changed; a neighbour's outline may change with it. */
  paint(changed) {
    const around = { top: changed.top - 1, left: changed.left - 1, bottom: changed.bottom + 1, right: changed.right + 1 };
    const box = clip(this.raster, around);
    if (!box) return;
    const width = box.right - box.left;
    const height = box.bottom - box.top;
    const picture = new ImageData(width, height);
    const rest = new ImageData(width, height);
    const pixels = new Uint32Array(picture.data.buffer);
    const opaque = new Uint32Array(rest.data.buffer);
    for (let row = box.top; row < box.bottom; row++) {
      for (let col = box.left; col < box.right; col++) {
        const i = (row - box.top) * width + col - box.left;
        pixels[i] = this.colour(row, col);
        if (this.raster.at(row, col) === UNLABELLED) opaque[i] = 0xffffffff;
      }
    }
    this.context.putImageData(picture, box.left, box.top);
    penOf(this.unlabelled).putImageData(rest, box.left, box.top);
  }

  colour(row, col) {
    const { width, height, data } = this.raster;
    const i = row * width + col;
    const value = data[i];
    const edge =
      (col > 0 && data[i - 1] !== value) ||
      (col + 1 < width && data[i + 1] !== value) ||
      (row > 0 && data[i - width] !== value) ||
      (row + 1 < height && data[i + width] !== value);
    if (value === UNLABELLED) return edge ? this.dash[((row + col) >> 1) % 2] : 0;
    return edge ? this.outline[value] : this.inside[value];
  }
}

const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

function packed(red, green, blue, opacity) {
  const bytes = [red, green, blue, Math.round(opacity * 255)];
  if (!LITTLE_ENDIAN) bytes.reverse();
  return (bytes[0] | (bytes[1] << 8) | (bytes[2] << 16) | (bytes[3] << 24)) >>> 0;
}

/** Canvas with a grey picture in heat colours; null if it cannot be loaded. */
export async function heatCanvas(url) {
  const picture = await loadPicture(url).catch(() => null);
  if (!picture) return null;
  const { canvas, context, pixels } = readPicture(picture);
  for (let i = 0; i < pixels.data.length; i += 4) pixels.data.set(HEAT_TABLE[pixels.data[i]], i);
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/**
 * Classes of a grey picture whose values are class indices, to be looked at; what is kept never
 * goes through a canvas.
 *
 * @param {string} url
 */
export async function classPixels(url) {
  const { pixels } = readPicture(await loadPicture(url));
  return Uint8Array.from({ length: pixels.data.length / 4 }, (_, i) => pixels.data[4 * i]);
}

/** @param {HTMLImageElement} picture */
export function readPicture(picture) {
  const canvas = document.createElement("canvas");
  canvas.width = picture.naturalWidth;
  canvas.height = picture.naturalHeight;
  const context = penOf(canvas, { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  return { canvas, context, pixels: context.getImageData(0, 0, canvas.width, canvas.height) };
}

/** @param {string} url @returns {Promise<HTMLImageElement>} */
export function loadPicture(url) {
  return new Promise((resolve, reject) => {
    const picture = new Image();
    picture.onload = () => resolve(picture);
    picture.onerror = () => reject(new Error(`The picture ${url} could not be loaded.`));
    picture.src = url;
  });
}
