/** Tiles of images, loaded when they are needed and kept while there is room. */

import { tileUrl } from "../api.js";
import { penOf } from "../dom.js";

const MOST = 120; // 512 x 512 x 4 bytes each, at most

export class Tiles extends EventTarget {
  constructor() {
    super();
    this.kept = new Map(); // url -> {picture, promise, ready}; oldest use first
  }

  /** Picture of a tile if it is here, else null; begins to load it. */
  get(image, tile) {
    const entry = this.entry(tileUrl(image, tile));
    return entry.ready ? entry.picture : null;
  }

  /** The same without loading. */
  peek(image, tile) {
    const entry = this.kept.get(tileUrl(image, tile));
    return entry?.ready ? entry.picture : null;
  }

  /** Resolves with the picture of a tile; rejects if it cannot be loaded. */
  load(image, tile) {
    return this.entry(tileUrl(image, tile)).promise;
  }

  entry(url) {
    let entry = this.kept.get(url);
    if (entry) this.kept.delete(url);
    else entry = this.begin(url);
    this.kept.set(url, entry);
    for (const old of this.kept.keys()) {
      if (this.kept.size <= MOST) break;
      this.kept.delete(old);
    }
    return entry;
  }

  begin(url) {
    const picture = new Image();
    picture.fetchPriority = url.includes("/images/") ? "high" : "auto"; // before the slide around it
    const entry = { picture, ready: false };
    entry.promise = new Promise((resolve, reject) => {
      picture.onload = () => {
        entry.ready = true;
        this.dispatchEvent(new Event("load"));
        resolve(picture);
      };
      picture.onerror = () => {
        this.kept.delete(url); // asked again at the next drawing after a while
        setTimeout(() => this.dispatchEvent(new Event("load")), 2000);
        reject(new Error(`Part of the image could not be loaded (${url}).`));
      };
    });
    entry.promise.catch(() => {});
    picture.src = url;
    return entry;
  }
}

/** Pixels of a box of an image at full resolution, as ImageData. */
export async function readPixels(tiles, image, box, tileSize) {
  const width = box.right - box.left;
  const height = box.bottom - box.top;
  const canvas = new OffscreenCanvas(width, height);
  const context = penOf(canvas, { willReadFrequently: true });
  const waiting = [];
  for (let row = Math.floor(box.top / tileSize); row * tileSize < box.bottom; row++) {
    for (let col = Math.floor(box.left / tileSize); col * tileSize < box.right; col++) {
      const placed = tiles.load(image, { level: 0, row, col }).then((picture) => {
        context.drawImage(picture, col * tileSize - box.left, row * tileSize - box.top);
      });
      waiting.push(placed);
    }
  }
  await Promise.all(waiting);
  return context.getImageData(0, 0, width, height);
}
