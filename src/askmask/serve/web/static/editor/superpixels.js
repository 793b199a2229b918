/**
 * Superpixels: small patches that follow the edges of an image (SLIC).
 *
 * Achanta et al. 2012, "SLIC superpixels compared to state-of-the-art superpixel methods": k-means
 * in colour and place, each centre looking only at its surroundings. Colours are compared in a
 * square-root space, which is near enough to perception and needs no conversion tables.
 */

const ITERATIONS = 6;

/**
 * Superpixel of each pixel.
 *
 * `rgba` holds 4 bytes per pixel (as ImageData does); `spacing` is the distance of the centres in
 * pixels, `compactness` how much place counts against colour. Returns an Int32Array of ids from 0,
 * each id one 4-connected patch.
 */
export function superpixels(rgba, width, height, spacing, compactness = 12) {
  const colours = perceptual(rgba);
  const centres = grid(colours, width, height, spacing);
  const nearest = new Int32Array(width * height);
  const weight = (compactness / spacing) ** 2;
  for (let i = 0; i < ITERATIONS; i++) {
    assign({ colours, width, height }, centres, { spacing, weight }, nearest);
    moveCentres(colours, width, centres, nearest);
  }
  return connected(nearest, width, height, (spacing * spacing) / 4);
}

function perceptual(rgba) {
  const colours = new Float32Array((rgba.length / 4) * 3);
  for (let i = 0, j = 0; i < rgba.length; i += 4, j += 3) {
    for (let k = 0; k < 3; k++) colours[j + k] = Math.sqrt(rgba[i + k] / 255) * 100;
  }
  return colours;
}

/** Centres on a regular grid, five numbers each: colour, row, col. */
function grid(colours, width, height, spacing) {
  const centres = [];
  const rows = Math.max(1, Math.round(height / spacing));
  const cols = Math.max(1, Math.round(width / spacing));
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) {
      const row = Math.floor(((i + 0.5) * height) / rows);
      const col = Math.floor(((j + 0.5) * width) / cols);
      const at = (row * width + col) * 3;
      centres.push(colours[at], colours[at + 1], colours[at + 2], row, col);
    }
  }
  return Float32Array.from(centres);
}

function assign(picture, centres, { spacing, weight }, nearest) {
  const { width, height } = picture;
  const distance = new Float32Array(nearest.length).fill(Infinity);
  const reach = Math.ceil(spacing * 1.5);
  for (let k = 0; k < centres.length / 5; k++) {
    const [centreRow, centreCol] = centres.subarray(k * 5 + 3, k * 5 + 5);
    const box = {
      top: Math.max(0, Math.floor(centreRow) - reach),
      bottom: Math.min(height, Math.floor(centreRow) + reach + 1),
      left: Math.max(0, Math.floor(centreCol) - reach),
      right: Math.min(width, Math.floor(centreCol) + reach + 1),
    };
    claim(picture, centres, k, { box, weight, distance, nearest });
  }
}

/** Give a centre the pixels of a box that are nearer to it than to those before. */
function claim({ colours, width }, centres, k, { box, weight, distance, nearest }) {
  const [c0, c1, c2, centreRow, centreCol] = centres.subarray(k * 5, k * 5 + 5);
  for (let row = box.top; row < box.bottom; row++) {
    for (let col = box.left; col < box.right; col++) {
      const i = row * width + col;
      const d0 = colours[i * 3] - c0;
      const d1 = colours[i * 3 + 1] - c1;
      const d2 = colours[i * 3 + 2] - c2;
      const place = (row - centreRow) ** 2 + (col - centreCol) ** 2;
      const far = d0 * d0 + d1 * d1 + d2 * d2 + place * weight;
      if (far >= distance[i]) continue;
      distance[i] = far;
      nearest[i] = k;
    }
  }
}

function moveCentres(colours, width, centres, nearest) {
  const sums = new Float64Array(centres.length);
  const counts = new Uint32Array(centres.length / 5);
  for (let i = 0; i < nearest.length; i++) {
    const at = nearest[i] * 5;
    const row = Math.floor(i / width);
    for (let k = 0; k < 3; k++) sums[at + k] += colours[i * 3 + k];
    sums[at + 3] += row;
    sums[at + 4] += i - row * width;
    counts[nearest[i]]++;
  }
  for (let k = 0; k < counts.length; k++) {
    if (counts[k] === 0) continue;
    for (let j = 0; j < 5; j++) centres[k * 5 + j] = sums[k * 5 + j] / counts[k];
  }
}

/** Split clusters into connected patches; patches below `smallest` pixels join a neighbour. */
function connected(nearest, width, height, smallest) {
  const patches = new Int32Array(nearest.length).fill(-1);
  let count = 0;
  for (let start = 0; start < nearest.length; start++) {
    if (patches[start] >= 0) continue;
    const members = flood(nearest, patches, width, height, start, count);
    const row = Math.floor(start / width);
    const before = start > row * width ? patches[start - 1] : row > 0 ? patches[start - width] : -1;
    if (members.length < smallest && before >= 0) {
      for (const i of members) patches[i] = before;
    } else {
      count++;
    }
  }
  return patches;
}

function flood(nearest, patches, width, height, start, id) {
  const members = [start];
  patches[start] = id;
  for (let n = 0; n < members.length; n++) {
    const i = members[n];
    const col = i % width;
    const near = [col > 0 ? i - 1 : -1, col + 1 < width ? i + 1 : -1, i - width, i + width];
    for (const j of near) {
      const inside = j >= 0 && j < width * height;
      if (inside && patches[j] < 0 && nearest[j] === nearest[start]) {
        patches[j] = id;
        members.push(j);
      }
    }
  }
  return members;
}
