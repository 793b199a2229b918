/**
 * A ruler between two places of the region: in pixels, and in micrometres where a pixel's size is known.
 *
 * Two clicks or one drag lay it. It changes nothing, and stays until another is laid or it is put away.
 */

import { lengthText } from "./scale-bar.js";

const LEAST = 0.25; // pixels of the image: less is a click, not a drag

/** "124.3 pixels, 62.1 µm" */
export function distanceText(a, b, mpp) {
  const pixels = Math.hypot(a.row - b.row, a.col - b.col);
  const told = `${pixels.toFixed(1)} pixels`;
  return mpp === null || pixels === 0 ? told : `${told}, ${lengthText(pixels * mpp)}`;
}

export class Ruler {
  /** @param {number | null} mpp micrometres per pixel of the image; null: nobody knows */
  constructor(mpp) {
    this.mpp = mpp;
    this.isOn = false;
    /** @type {import("../types.js").At | null} */
    this.start = null;
    /** @type {import("../types.js").At | null} */
    this.end = null;
    this.isOpen = false; // its end goes with the pointer
  }

  toggle() {
    this.isOn = !this.isOn;
    this.clear();
  }

  clear() {
    Object.assign(this, { start: null, end: null, isOpen: false });
  }

  /** A press: the first lays the start, the second the end. Returns whether it is laid. */
  press(at) {
    if (this.isOpen) this.end = at;
    else Object.assign(this, { start: at, end: at });
    this.isOpen = !this.isOpen;
    return !this.isOpen;
  }

  /** The pointer moves, pressed or not. */
  move(at) {
    if (this.isOpen) this.end = at;
  }

  /** The pointer is lifted: a drag ends here, a click waits for the second. Returns whether it is laid. */
  lift() {
    const { start, end } = this;
    if (!this.isOpen || !start || !end || Math.hypot(start.row - end.row, start.col - end.col) < LEAST) return false;
    this.isOpen = false;
    return true;
  }

  get text() {
    return this.start && this.end ? distanceText(this.start, this.end, this.mpp) : "";
  }
}

/** Draw the line, its two ends and its length on the upper canvas. */
export function drawRuler(context, viewer, { start, end, text }) {
  if (!start || !end) return;
  const [a, b] = [viewer.place(start.row, start.col), viewer.place(end.row, end.col)];
  const length = Math.hypot(b.x - a.x, b.y - a.y);
  const across = length > 0 ? { x: (-(b.y - a.y) / length) * 6, y: ((b.x - a.x) / length) * 6 } : { x: 0, y: 6 };
  context.beginPath();
  context.moveTo(a.x, a.y);
  context.lineTo(b.x, b.y);
  for (const { x, y } of [a, b]) {
    context.moveTo(x - across.x, y - across.y);
    context.lineTo(x + across.x, y + across.y);
  }
  for (const [style, width] of [["#000", 4], ["#fff", 1.5]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke();
  }
  label(context, (a.x + b.x) / 2, (a.y + b.y) / 2 - 10, text);
}

function label(context, x, y, text) {
  context.font = "13px system-ui, sans-serif";
  context.textAlign = "center";
  context.lineJoin = "round";
  context.lineWidth = 4;
  context.strokeStyle = "#000";
  context.fillStyle = "#fff";
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}
