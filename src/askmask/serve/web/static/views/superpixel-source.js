/** Superpixels of the region in hand, computed in a worker so that drawing never waits. */

import { readPixels } from "../viewer/tiles.js";

const MOST_PIXELS = 4e6;

export class SuperpixelSource {
  constructor(tiles) {
    this.tiles = tiles;
    this.worker = null;
    this.latest = 0;
  }

  /**
   * Resolves with the Int32Array of ids, or null if another was asked for meanwhile.
   *
   * Throws an Error if the region is too large or its pixels cannot be loaded.
   */
  async compute(image, region, spacing) {
    const id = ++this.latest;
    const size = (region.right - region.left) * (region.bottom - region.top);
    if (size > MOST_PIXELS) throw new Error("The region is too large for patches: take the brush.");
    const pixels = await readPixels(this.tiles, image.number, region, image.tile);
    if (id !== this.latest) return null;
    const ids = await this.ask({ id, rgba: pixels.data, width: pixels.width, height: pixels.height, spacing });
    return id === this.latest ? ids : null;
  }

  ask(message) {
    this.worker ??= new Worker(new URL("../editor/superpixel-worker.js", import.meta.url), { type: "module" });
    return new Promise((resolve, reject) => {
      const hear = ({ data }) => {
        if (data.id !== message.id) return;
        this.worker.removeEventListener("message", hear);
        resolve(data.ids);
      };
      this.worker.addEventListener("message", hear);
      this.worker.onerror = () => reject(new Error("Patches could not be computed in this browser."));
      this.worker.postMessage(message, [message.rgba.buffer]);
    });
  }
}
