/** Charts as SVG: a curve over rounds, and a reliability diagram. A table beside them has the numbers. */

import { count, decimal, svg } from "../dom.js";

const WIDTH = 400; // about what a panel has, so that its letters are as large as the page's
const HEIGHT = 250;
const BOX = { left: 52, right: 388, top: 12, bottom: 206 };

/** Round steps for an axis from `low` to `high`. */
export function ticks(low, high, wanted = 5) {
  const span = high - low || 1;
  const rough = span / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? 10 * power;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

/** @param {number[]} xRange @param {number[]} yRange */
function scales([x0, x1], [y0, y1]) {
  return {
    x: (value) => BOX.left + ((value - x0) / (x1 - x0 || 1)) * (BOX.right - BOX.left),
    y: (value) => BOX.bottom - ((value - y0) / (y1 - y0 || 1)) * (BOX.bottom - BOX.top),
  };
}

function frame(scale, xs, ys, names, write) {
  return [
    ...ys.map((value) => svg("path", { class: "grid", d: `M${BOX.left} ${scale.y(value)}H${BOX.right}` })),
    ...ys.map((value) => svg("text", { x: BOX.left - 8, y: scale.y(value) + 4, "text-anchor": "end" }, write.y(value))),
    ...xs.map((value) => svg("text", { x: scale.x(value), y: BOX.bottom + 18, "text-anchor": "middle" }, write.x(value))),
    svg("path", { class: "axis", d: `M${BOX.left} ${BOX.top}V${BOX.bottom}H${BOX.right}` }),
    svg("text", { x: (BOX.left + BOX.right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, names.x),
    svg("text", { x: 11, y: (BOX.top + BOX.bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 11 ${(BOX.top + BOX.bottom) / 2})` }, names.y),
  ];
}

function chart(label, ...children) {
  return svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label }, ...children);
}

/** Curve through `points` ({x, y, name}), x from 0; the range of y is what the values span. */
export function curve(points, names) {
  const values = points.map((point) => point.y);
  const margin = Math.max(0.02, (Math.max(...values) - Math.min(...values)) * 0.15);
  const yRange = [Math.min(...values) - margin, Math.max(...values) + margin];
  const xRange = [0, Math.max(1, ...points.map((point) => point.x)) * 1.03];
  const scale = scales(xRange, yRange);
  const line = points.map(({ x, y }, i) => `${i ? "L" : "M"}${scale.x(x)} ${scale.y(y)}`).join("");
  const dots = points.map(({ x, y, name }) =>
    svg("circle", { class: "dot", cx: scale.x(x), cy: scale.y(y), r: 4.5 }, svg("title", {}, `${name}: ${decimal(y)}`)),
  );
  const last = points.at(-1);
  const label = `${names.y} by ${names.x}: ${points.length} rounds, from ${decimal(points[0].y)} to ${decimal(last.y)}.`;
  const write = { x: count, y: (value) => decimal(value, 2) };
  return chart(label, ...frame(scale, ticks(...xRange), ticks(...yRange), names, write), svg("path", { class: "line", d: line }), ...dots);
}

/** Accuracy against confidence, before and (if there is one) after recalibration. */
export function reliability(before, after) {
  const scale = scales([0, 1], [0, 1]);
  const steps = [0, 0.2, 0.4, 0.6, 0.8, 1];
  const write = { x: (value) => decimal(value, 1), y: (value) => decimal(value, 1) };
  const line = (calibration, kind) => {
    const bins = calibration.bins.filter((bin) => bin.count > 0 && bin.accuracy !== null && bin.confidence !== null);
    const path = bins.map((bin, i) => `${i ? "L" : "M"}${scale.x(bin.confidence)} ${scale.y(bin.accuracy)}`).join("");
    const most = Math.max(...bins.map((bin) => bin.count));
    return [
      svg("path", { class: `line ${kind}`, d: path }),
      ...bins.map((bin) =>
        svg("circle", { class: `dot ${kind}`, cx: scale.x(bin.confidence), cy: scale.y(bin.accuracy), r: 2 + 4 * Math.sqrt(bin.count / most) }, svg("title", {}, `${count(bin.count)} pixels: confidence ${decimal(bin.confidence, 2)}, accuracy ${decimal(bin.accuracy, 2)}`)),
      ),
    ];
  };
  const label = `Accuracy against confidence. Expected calibration error ${decimal(before.ece)}${after ? ` before and ${decimal(after.ece)} after recalibration` : ""}.`;
  return chart(
    label,
    ...frame(scale, steps, steps, { x: "confidence", y: "accuracy" }, write),
    svg("path", { class: "grid", d: `M${scale.x(0)} ${scale.y(0)}L${scale.x(1)} ${scale.y(1)}` }),
    ...line(before, after ? "second" : ""),
    ...(after ? line(after, "") : []),
  );
}
