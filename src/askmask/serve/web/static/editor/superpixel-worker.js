/** Computes superpixels off the main thread: message in {id, rgba, width, height, spacing}. */

import { superpixels } from "./superpixels.js";

self.onmessage = ({ data }) => {
  const ids = superpixels(data.rgba, data.width, data.height, data.spacing);
  self.postMessage({ id: data.id, ids }, { transfer: [ids.buffer] });
};
