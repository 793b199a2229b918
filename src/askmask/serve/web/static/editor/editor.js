/**
 * The region being labelled: its raster, its history, the tool in hand.
 *
 * Sizes are diameters in pixels of the image, so a brush covers the same tissue at any zoom.
 *
 * Events: "paint" (detail: the box that changed), "step" (a step was kept, undone or redone),
 * "tool" (tool, class or size changed), "smart" (a stroke to be spread is drawn), "prompt" (a box is drawn, or a click
 * corrects what came of it). Positions are (row, col) in the region.
 */

import { BoxPrompt } from "./box-prompt.js";
import { difference } from "./history.js";
import { extended, movedTo, paintShape, SHAPES } from "./shapes.js";
import { SmartStrokes } from "./smart.js";
import { grow, removeSmall, shrink } from "./tidy.js";
import {
  floodFill,
  paintPolygon,
  paintSegment,
  paintSuperpixels,
  unite,
  UNLABELLED,
} from "./raster.js";

export const TOOLS = ["brush", "eraser", "polygon", "lasso", "line", "ellipse", "fill", "superpixel", "smart", "box", "cut", "move"];
const SIZES = [1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 26, 34, 44, 56, 72, 96, 128, 192, 256];
const LARGEST = 256;
const BRUSH_SHARE = 0.1; // of a region's shorter side
const SMALLEST_PATCH = 4;

/**
 * @typedef {object} Stroke  one that is being drawn
 * @property {import("./raster.js").Raster} before
 * @property {import("../types.js").Box | null} box
 * @property {import("../types.js").At} last
 * @property {Set<number>} ids
 */

export class Editor extends EventTarget {
  constructor() {
    super();
    this.tool = "brush";
    this.value = 1;
    this.size = 12;
    this.isSizeChosen = false; // until then the brush suits the region
    this.patchSize = 12;
    /** @type {Int32Array | null} of the region's shape, when they are computed */
    this.superpixels = null;
    /** @type {import("./raster.js").Raster} null while no region is open */
    this.raster = /** @type {any} */ (null);
    /** @type {import("./history.js").History} null while no region is open */
    this.history = /** @type {any} */ (null);
    /** @type {Uint8Array} what the region was filled with at first */
    this.first = new Uint8Array(0);
    /** @type {import("../types.js").At[]} */
    this.polygon = [];
    /** @type {Stroke | null} */
    this.stroke = null;
    /** @type {import("../types.js").At[]} of the shape that is being drawn */
    this.shape = [];
    /** @type {{tool: string, points: import("../types.js").At[], size: number} | null} */
    this.lastShape = null;
    this.smart = new SmartStrokes();
    this.prompt = new BoxPrompt();
    this.cutValue = 0; // what a cut leaves: background where there is one
    this.isFrozen = false;
    /** @type {Set<string>} tools that drew on this region */
    this.used = new Set();
    this.close();
  }

  open({ raster, history, first, tools = [] }) {
    Object.assign(this, { raster, history, first, superpixels: null, polygon: [], shape: [], stroke: null, isFrozen: false });
    this.used = new Set(tools);
    if (!this.isSizeChosen) this.size = nearestSize(BRUSH_SHARE * Math.min(raster.width, raster.height));
    this.settle();
    this.emit("tool");
  }

  close() {
    this.settle();
    Object.assign(this, { raster: null, history: null, polygon: [], shape: [], stroke: null, isFrozen: false });
  }

  /** @param {string} type @param {unknown} [detail] */
  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** Accept what is proposed: the labels in hand stay as they are. */
  settle() {
    this.smart.clear();
    this.prompt.clear();
  }

  setTool(tool) {
    this.settle();
    this.cancel();
    this.tool = tool;
    this.emit("tool");
  }

  setClass(value) {
    if (value !== this.value) this.prompt.clear(); // the next box is another object
    this.value = value;
    if (this.tool === "eraser") this.setTool("brush");
    this.emit("tool");
  }

  /** Diameter of the brush, or the spacing of superpixels while they are in hand. */
  setSize(size) {
    const rounded = Math.min(LARGEST, Math.max(1, Math.round(size)));
    if (this.tool === "superpixel") {
      this.patchSize = Math.max(SMALLEST_PATCH, rounded);
      this.superpixels = null;
    } else {
      this.size = rounded;
      this.isSizeChosen = true;
    }
    this.emit("tool");
  }

  /** Next larger or smaller size. */
  stepSize(direction) {
    const now = this.tool === "superpixel" ? this.patchSize : this.size;
    const larger = SIZES.find((size) => size > now) ?? LARGEST;
    const smaller = SIZES.findLast((size) => size < now) ?? 1;
    this.setSize(direction > 0 ? larger : smaller);
  }

  /** What the tool in hand writes. */
  get ink() {
    return this.tool === "eraser" ? UNLABELLED : this.value;
  }

  /** Whether there is a region that may be changed: not while its answer is being kept. */
  get isOpen() {
    return this.raster !== null && !this.isFrozen;
  }

  get isDrawing() {
    return this.stroke !== null || this.shape.length > 0 || this.smart.line !== null || this.prompt.isDrawing;
  }

  /** Whether the tool in hand draws from one press to one release. */
  get hasShape() {
    return SHAPES.includes(this.tool);
  }

  get isEdited() {
    return this.history !== null && this.history.done > 0;
  }

  /** Begin a stroke of a brush, the eraser, or superpixels; `radius` may follow a pen's pressure. */
  beginStroke(at, radius = this.size / 2) {
    if (!this.isOpen) return;
    if (this.hasShape) {
      this.shape = [at];
      return;
    }
    if (this.tool === "smart") {
      this.smart.begin(this.raster, at, this.value);
      return;
    }
    if (this.tool === "box") {
      this.prompt.press(at);
      return;
    }
    this.stroke = { before: this.raster.clone(), box: null, last: at, ids: new Set() };
    this.extendStroke(at, radius);
  }

  extendStroke(to, radius = this.size / 2) {
    const { stroke } = this;
    if (this.shape.length > 0) this.shape = extended(this.tool, this.shape, to);
    this.smart.extend(to);
    this.prompt.extend(to);
    if (!stroke) return;
    const box =
      this.tool === "superpixel"
        ? this.paintPatch(stroke, to)
        : paintSegment(this.raster, stroke.last, to, radius, this.ink);
    stroke.last = to;
    stroke.box = unite(stroke.box, box);
    if (box) this.emit("paint", box);
  }

  paintPatch(stroke, at) {
    const [row, col] = [Math.floor(at.row), Math.floor(at.col)];
    if (!this.superpixels || !this.raster.contains(row, col)) return null;
    const id = this.superpixels[row * this.raster.width + col];
    if (stroke.ids.has(id)) return null;
    stroke.ids.add(id);
    return paintSuperpixels(this.raster, this.superpixels, new Set([id]), this.ink);
  }

  endStroke() {
    const { stroke } = this;
    this.stroke = null;
    if (this.shape.length > 0) this.endShape();
    if (this.smart.end()) this.emit("smart");
    if (this.prompt.isDrawing) this.endPrompt();
    if (stroke) this.keep(stroke.before, stroke.box, this.tool);
  }

  endPrompt() {
    const kind = this.prompt.lift(this.raster, this.value);
    this.emit(kind === null ? "unprompted" : "prompt");
  }

  /** Say that the proposal is wrong at a place, without a pointer. */
  clickPrompt(at) {
    if (this.isOpen && this.prompt.click(this.raster, at)) this.emit("prompt");
  }

  endShape() {
    const shape = { tool: this.tool, points: this.shape, size: this.size };
    this.shape = [];
    if (shape.points.length > 1) this.paintShape(shape);
  }

  paintShape(shape) {
    this.lastShape = shape;
    this.change(shape.tool, (raster) => paintShape(raster, shape, shape.tool === "cut" ? this.cutValue : this.value));
  }

  /** Paint the last shape about another place, in the class in hand; false if there was none. */
  again(at) {
    if (!this.lastShape) return false;
    this.paintShape(movedTo(this.lastShape, at));
    return true;
  }

  grow() {
    this.change("grow", (raster) => grow(raster, this.value));
  }

  shrink() {
    this.change("shrink", (raster) => shrink(raster, this.value));
  }

  /** Remove specks and holes of fewer pixels than `smallest`. */
  tidy(smallest) {
    this.change("tidy", (raster) => removeSmall(raster, smallest));
  }

  /** Labels that came of the strokes, in place of those in hand. */
  propose(labels) {
    this.replace("smart", labels);
  }

  /** A mask that came of the box and clicks, in the class of the box. */
  proposeMask(mask) {
    if (this.prompt.isBegun) this.replace("box", this.prompt.applied(mask));
  }

  /** Forget strokes or box, and bring back how the region was before them; false without any. */
  dropProposal() {
    const [proposed, tool] = this.prompt.isBegun ? [this.prompt, "box"] : [this.smart, "smart"];
    const { before, isBegun } = proposed;
    proposed.clear();
    if (before && isBegun) this.replace(tool, before);
    if (tool === "box") this.emit("tool");
    return isBegun;
  }

  replace(tool, labels) {
    this.change(tool, (raster) => {
      raster.data.set(labels);
      return { top: 0, left: 0, bottom: raster.height, right: raster.width };
    });
  }

  /** Take back what is half done: a stroke, or a polygon's corners; else what strokes proposed. */
  cancel() {
    if (this.smart.line || this.prompt.isDrawing) {
      this.smart.line = null;
      this.prompt.drag = [];
      this.emit("tool");
      return true;
    }
    const had = this.isDrawing || this.polygon.length > 0;
    if (this.stroke) {
      this.raster.data.set(this.stroke.before.data);
      if (this.stroke.box) this.emit("paint", this.stroke.box);
    }
    this.stroke = null;
    this.shape = [];
    this.polygon = [];
    if (had) this.emit("tool");
    return had;
  }

  addCorner(at) {
    if (!this.isOpen) return;
    this.polygon.push(at);
    this.emit("tool");
  }

  removeCorner() {
    this.polygon.pop();
    this.emit("tool");
  }

  closePolygon() {
    const corners = this.polygon;
    this.polygon = [];
    this.emit("tool");
    if (corners.length < 3) return false;
    this.lastShape = { tool: "lasso", points: corners, size: this.size };
    this.change("polygon", (raster) => paintPolygon(raster, corners, this.value));
    return true;
  }

  fill(at) {
    const [row, col] = [Math.floor(at.row), Math.floor(at.col)];
    this.change("fill", (raster) => floodFill(raster, row, col, this.value));
  }

  /** Give every pixel without a label the class in hand. */
  fillUnlabelled() {
    const { value } = this;
    this.change("fill", ({ data, width, height }) => {
      for (let i = 0; i < data.length; i++) if (data[i] === UNLABELLED) data[i] = value;
      return { top: 0, left: 0, bottom: height, right: width };
    });
  }

  /** Back to what the region was filled with at first; can be undone. */
  reset() {
    this.settle();
    this.replace("reset", this.first);
  }

  change(tool, work) {
    if (!this.isOpen) return;
    if (tool !== "box") this.prompt.clear(); // the next proposal must not undo it
    const before = this.raster.clone();
    this.keep(before, work(this.raster), tool);
  }

  keep(before, box, tool) {
    const kept = this.history.push(difference(before, this.raster, box));
    if (!kept) return;
    this.used.add(tool);
    this.emit("paint", box);
    this.emit("step", { kept: true });
  }

  undo() {
    if (this.polygon.length > 0) {
      this.removeCorner();
      return true;
    }
    this.settle();
    return this.isOpen && this.travel(this.history.undo(this.raster));
  }

  redo() {
    this.settle();
    return this.isOpen && this.travel(this.history.redo(this.raster));
  }

  travel(box) {
    if (!box) return false;
    this.emit("paint", box);
    this.emit("step", { kept: false });
    return true;
  }
}

/** The size that comes nearest to so many pixels. */
function nearestSize(wanted) {
  return SIZES.reduce((best, size) => (Math.abs(size - wanted) < Math.abs(best - wanted) ? size : best));
}
