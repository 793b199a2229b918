/** Growing, shrinking, and removing what is too small: pure functions on rasters. */

import { UNLABELLED } from "./raster.js";

const whole = ({ width, height }) => ({ top: 0, left: 0, bottom: height, right: width });

/** Indices of the up to four neighbours of a pixel. */
function neighbours({ width, height }, i) {
  const col = i % width;
  const near = [];
  if (i >= width) near.push(i - width);
  if (col > 0) near.push(i - 1);
  if (col + 1 < width) near.push(i + 1);
  if (i < width * (height - 1)) near.push(i + width);
  return near;
}

/** Give the class every pixel that touches it (above, below, left, right). */
export function grow(raster, value) {
  const before = raster.data.slice();
  before.forEach((old, i) => {
    if (old !== value && neighbours(raster, i).some((near) => before[near] === value)) raster.data[i] = value;
  });
  return whole(raster);
}

/** Take from the class every pixel that touches another value; it gets that value, a label first. */
export function shrink(raster, value) {
  const before = raster.data.slice();
  before.forEach((old, i) => {
    if (old !== value) return;
    const others = neighbours(raster, i).map((near) => before[near]).filter((near) => near !== value);
    if (others.length > 0) raster.data[i] = others.find((other) => other !== UNLABELLED) ?? UNLABELLED;
  });
  return whole(raster);
}

/**
 * Give every connected patch of fewer than `smallest` pixels the value that surrounds most of it.
 *
 * Specks and holes are the same: a hole is a patch of another class. Patches without a label stay,
 * since not knowing is an answer, too; so does a patch that fills the raster.
 */
export function removeSmall(raster, smallest) {
  const before = raster.data.slice();
  const seen = new Uint8Array(before.length);
  for (let start = 0; start < before.length; start++) {
    if (seen[start]) continue;
    const { members, around } = patch(raster, before, start, seen);
    if (before[start] === UNLABELLED || members.length >= smallest || around.size === 0) continue;
    const [most] = [...around].reduce((best, next) => (next[1] > best[1] ? next : best));
    for (const i of members) raster.data[i] = most;
  }
  return whole(raster);
}

/** The 4-connected patch of one value, and how often each other value touches it. */
function patch(raster, values, start, seen) {
  const members = [start];
  /** @type {Map<number, number>} */
  const around = new Map();
  seen[start] = 1;
  for (let n = 0; n < members.length; n++) {
    for (const near of neighbours(raster, members[n])) {
      if (values[near] !== values[start]) around.set(values[near], (around.get(values[near]) ?? 0) + 1);
      else if (!seen[near]) {
        seen[near] = 1;
        members.push(near);
      }
    }
  }
  return { members, around };
}
