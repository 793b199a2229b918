/**
 * How the image is shown: range, brightness, contrast, gamma, channels. The pixels of the project
 * stay as they are; nothing that is learned or kept depends on this.
 */

import { readPicture } from "./layers.js";

export const AS_IT_IS = Object.freeze({
  stretch: "dark", // "dark": only images that are dark; "always"; "never"
  brightness: 0, // added, as a share of the range, -1 to 1
  contrast: 0, // -1 (flat) to 1; the middle stays
  gamma: 1, // above 1 the dark parts become lighter
  channels: Object.freeze([true, true, true]),
});
const WHOLE = Object.freeze({ low: 0, high: 255 });
const TAIL = 0.005; // share of the pixels beyond either end of a robust range
const DARK = 128; // an image whose bright end is below is hard to see

/**
 * Range of the values of an image without its extreme 0.5 % at either end, by each pixel's
 * brightest channel; `isGrey` says whether its channels are the same.
 *
 * @param {Uint8ClampedArray} rgba
 */
export function robustRange(rgba) {
  const counts = new Uint32Array(256);
  let isGrey = true;
  for (let i = 0; i < rgba.length; i += 4) {
    const [red, green, blue] = [rgba[i], rgba[i + 1], rgba[i + 2]];
    counts[Math.max(red, green, blue)]++;
    if (isGrey && Math.max(red, green, blue) - Math.min(red, green, blue) > 8) isGrey = false;
  }
  const beyond = (rgba.length / 4) * TAIL;
  return { low: end(counts, 0, 1, beyond), high: end(counts, 255, -1, beyond), isGrey };
}

function end(counts, from, step, beyond) {
  let seen = 0;
  for (let value = from; value >= 0 && value < 256; value += step) {
    seen += counts[value];
    if (seen > beyond) return value;
  }
  return from;
}

/** Range that is stretched to the whole, given what the image uses. */
export function shownRange(stretch, found) {
  if (!found || found.high <= found.low || stretch === "never") return WHOLE;
  if (stretch === "dark" && found.high >= DARK) return WHOLE;
  return { low: found.low, high: found.high };
}

/** Table of 256 shown values for the 256 values of a channel. */
export function table(settings, { low, high }) {
  const slope = settings.contrast >= 0 ? 1 / (1.001 - settings.contrast) : 1 + settings.contrast;
  return Uint8ClampedArray.from({ length: 256 }, (_, value) => {
    const part = Math.min(1, Math.max(0, (value - low) / (high - low)));
    const curved = part ** (1 / settings.gamma);
    return Math.round(255 * ((curved - 0.5) * slope + 0.5 + settings.brightness));
  });
}

/** Change pixels by a table; a channel that is off is black. */
export function adjust(rgba, shown, channels) {
  const tables = channels.map((isOn) => (isOn ? shown : new Uint8ClampedArray(256)));
  const [red, green, blue] = tables;
  for (let i = 0; i < rgba.length; i += 4) {
    rgba[i] = red[rgba[i]];
    rgba[i + 1] = green[rgba[i + 1]];
    rgba[i + 2] = blue[rgba[i + 2]];
  }
}

/** Event "change": pictures look different now. */
export class Display extends EventTarget {
  /** @param {import("../preferences.js").Preferences} preferences */
  constructor(preferences) {
    super();
    this.preferences = preferences;
    this.settings = preferences.read("display", { ...AS_IT_IS });
    /** @type {ReturnType<typeof robustRange> | null} of the image that is shown */
    this.found = null;
    /** @type {WeakMap<object, {key: string, canvas: HTMLCanvasElement}>} */
    this.adjusted = new WeakMap();
  }

  set(changes) {
    this.settings = { ...this.settings, ...changes };
    this.preferences.write("display", this.settings);
    this.dispatchEvent(new Event("change"));
  }

  reset() {
    this.set(AS_IT_IS);
  }

  /** Measure the image that is shown by its smallest picture; null while that is not here. */
  measure(picture) {
    this.found = picture && robustRange(readPicture(picture).pixels.data);
    this.dispatchEvent(new Event("change"));
  }

  get range() {
    return shownRange(this.settings.stretch, this.found);
  }

  /** Whether pictures are shown as they are. */
  get isPlain() {
    const { brightness, contrast, gamma, channels } = this.settings;
    const { low, high } = this.range;
    return low === 0 && high === 255 && brightness === 0 && contrast === 0 && gamma === 1 && channels.every(Boolean);
  }

  /** A picture as it is shown; the same picture again until something changes. */
  show(picture) {
    if (this.isPlain) return picture;
    const { low, high } = this.range;
    const key = JSON.stringify([this.settings, low, high]);
    const kept = this.adjusted.get(picture);
    if (kept?.key === key) return kept.canvas;
    const { canvas, context, pixels } = readPicture(picture);
    adjust(pixels.data, table(this.settings, this.range), this.settings.channels);
    context.putImageData(pixels, 0, 0);
    this.adjusted.set(picture, { key, canvas });
    return canvas;
  }
}
