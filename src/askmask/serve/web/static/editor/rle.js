/** Run lengths of a raster of bytes: pairs (value, length). Small, and exact. */

export function encodeRuns(data) {
  const runs = [];
  for (let i = 0; i < data.length; ) {
    let end = i + 1;
    while (end < data.length && data[end] === data[i]) end++;
    runs.push(data[i], end - i);
    i = end;
  }
  return Uint32Array.from(runs);
}

/** Inverse of `encodeRuns`; `size` is the number of bytes expected. */
export function decodeRuns(runs, size) {
  const data = new Uint8Array(size);
  let at = 0;
  for (let i = 0; i < runs.length; i += 2) {
    data.fill(runs[i], at, at + runs[i + 1]);
    at += runs[i + 1];
  }
  if (at !== size) throw new RangeError(`expected runs of ${size} pixels in all, got ${at}.`);
  return data;
}
