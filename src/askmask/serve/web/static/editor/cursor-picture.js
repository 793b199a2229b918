/** What the tool in hand shows on the upper canvas: brush ring, polygon so far, cross, superpixel. */

import { drawRuler } from "../viewer/ruler.js";
import { boxOfDrag } from "./box-prompt.js";
import { SMART_RADIUS } from "./smart.js";

export function drawTool(context, { viewer, editor, pointer, keyboard, ruler, colour }) {
  const at = keyboard.isOn ? keyboard.at : pointer.at;
  if (ruler.isOn && editor.raster) drawRuler(context, viewer, ruler);
  if (ruler.isOn && !keyboard.isOn) return; // nothing is drawn now, so no brush is shown
  if (editor.shape.length > 1) drawShape(context, viewer, editor, colour);
  if (editor.tool === "smart") drawLines(context, viewer, editor.smart);
  if (editor.tool === "box") drawPrompt(context, viewer, editor.prompt, colour);
  if (editor.tool === "polygon") drawPolygon(context, viewer, editor.polygon, at, colour);
  if (!at || !editor.raster) return;
  const { x, y } = viewer.place(at.row, at.col);
  if (editor.tool === "superpixel") drawPatch(context, viewer, editor, at);
  else if (editor.tool === "smart") ring(context, x, y, SMART_RADIUS * viewer.viewport.scale, colour);
  else if (["brush", "eraser", "line"].includes(editor.tool)) {
    ring(context, x, y, (editor.size / 2) * viewer.viewport.scale, colour);
  }
  if (keyboard.isOn) cross(context, x, y);
}

/** Strokes that are spread, in the colours of their classes. */
function drawLines(context, viewer, { lines, line }) {
  const colours = viewer.scene?.classes ?? [];
  for (const { value, points } of line ? [...lines, line] : lines) {
    const places = points.map(({ row, col }) => viewer.place(row, col));
    context.beginPath();
    context.moveTo(places[0].x, places[0].y + 0.01); // a click is a dot
    places.forEach(({ x, y }) => context.lineTo(x, y));
    context.lineCap = context.lineJoin = "round";
    const width = Math.max(3, 2 * SMART_RADIUS * viewer.viewport.scale);
    for (const [style, more] of [["#000", 3], ["#fff", 1.5], [colours[value]?.color ?? "#fff", 0]]) {
      context.strokeStyle = style;
      context.lineWidth = width + more;
      context.stroke();
    }
  }
}

/** The box, what is dragged of it, and each click: a plus where something is missing, else a minus. */
function drawPrompt(context, viewer, { box, clicks, drag }, colour) {
  if (drag.length > 0) drawBox(context, viewer, boxOfDrag(drag), colour);
  else if (box) drawBox(context, viewer, box, colour);
  for (const { row, col, inside } of clicks) {
    const { x, y } = viewer.place(row, col);
    ring(context, x, y, 7, "#fff");
    for (const [style, width] of [["#000", 4], ["#fff", 2]]) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(x - 4, y);
      context.lineTo(x + 4, y);
      if (inside) {
        context.moveTo(x, y - 4);
        context.lineTo(x, y + 4);
      }
      context.stroke();
    }
  }
}

function drawBox(context, viewer, box, colour) {
  const [a, b] = [viewer.place(box.top, box.left), viewer.place(box.bottom, box.right)];
  for (const [style, width, dashes] of [["#000", 3, []], ["#fff", 1.5, []], [colour, 1.5, [6, 4]]]) {
    context.setLineDash(dashes);
    context.strokeStyle = style;
    context.lineWidth = width;
    context.strokeRect(a.x, a.y, b.x - a.x, b.y - a.y);
  }
  context.setLineDash([]);
}

function ring(context, x, y, radius, colour) {
  for (const [style, width] of [
    ["rgb(0 0 0 / 0.75)", 3],
    [colour, 1.5],
  ]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.beginPath();
    context.arc(x, y, Math.max(2, radius), 0, 2 * Math.PI);
    context.stroke();
  }
}

function cross(context, x, y) {
  for (const [style, width] of [
    ["#000", 4],
    ["#fff", 1.5],
  ]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.beginPath();
    for (const [dx, dy] of [[0, 1], [1, 0], [0, -1], [-1, 0]]) {
      context.moveTo(x + dx * 4, y + dy * 4);
      context.lineTo(x + dx * 14, y + dy * 14);
    }
    context.stroke();
  }
}

function drawPolygon(context, viewer, corners, at, colour) {
  if (corners.length === 0) return;
  const places = [...corners, ...(at ? [at] : [])].map(({ row, col }) => viewer.place(row, col));
  context.beginPath();
  places.forEach(({ x, y }) => context.lineTo(x, y));
  context.closePath();
  context.fillStyle = "rgb(255 255 255 / 0.15)";
  context.fill("evenodd");
  context.strokeStyle = "#000";
  context.lineWidth = 3;
  context.stroke();
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.stroke();
  const first = places[0];
  ring(context, first.x, first.y, 5, "#fff");
}

/** The shape that is being drawn: its outline, or its line as wide as it will be. */
function drawShape(context, viewer, { tool, shape, size }, colour) {
  const places = shape.map(({ row, col }) => viewer.place(row, col));
  const [a, b] = [places[0], places[places.length - 1]];
  context.beginPath();
  if (tool === "ellipse") {
    context.ellipse((a.x + b.x) / 2, (a.y + b.y) / 2, Math.abs(a.x - b.x) / 2, Math.abs(a.y - b.y) / 2, 0, 0, 2 * Math.PI);
  } else {
    places.forEach(({ x, y }) => context.lineTo(x, y));
  }
  if (tool === "lasso") context.closePath();
  const widths = { line: size * viewer.viewport.scale, cut: 2 * viewer.viewport.scale };
  for (const [style, width] of [["#000", 3], [tool === "cut" ? "#fff" : colour, 1.5]]) {
    context.strokeStyle = style;
    context.lineWidth = widths[tool] ?? width;
    context.lineCap = "round";
    context.globalAlpha = tool === "line" ? 0.6 : 1;
    context.stroke();
  }
  context.globalAlpha = 1;
}

/** Fill the superpixel under the cursor, pixel by pixel. */
function drawPatch(context, viewer, editor, at) {
  const { superpixels, raster } = editor;
  const [row, col] = [Math.floor(at.row), Math.floor(at.col)];
  if (!superpixels || !raster.contains(row, col)) return;
  const id = superpixels[row * raster.width + col];
  const { scale } = viewer.viewport;
  context.fillStyle = "rgb(255 255 255 / 0.45)";
  for (let i = 0; i < superpixels.length; i++) {
    if (superpixels[i] !== id) continue;
    const { x, y } = viewer.place(Math.floor(i / raster.width), i % raster.width);
    context.fillRect(x, y, Math.ceil(scale), Math.ceil(scale));
  }
}
