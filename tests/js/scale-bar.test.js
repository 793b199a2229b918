import assert from "node:assert/strict";
import { test } from "node:test";

import { barFor, lengthText } from "../../src/askmask/serve/web/static/viewer/scale-bar.js";

test("a bar has a round length and is as long on the screen as that is in the image", () => {
  // 0.5 micrometres a pixel, two screen pixels for each: 140 screen pixels are 35 micrometres
  assert.deepEqual(barFor(0.5, 2), { width: 80, text: "20 µm" });
  assert.deepEqual(barFor(1, 1), { width: 100, text: "100 µm" });
  assert.deepEqual(barFor(10, 0.1), { width: 100, text: "10 mm" });
});

test("a bar is never longer than what fits, nor shorter than two fifths of it", () => {
  for (let scale = 0.01; scale < 50; scale *= 1.07) {
    const { width } = barFor(0.2527, scale);
    assert.ok(width <= 140.001 && width >= 56 - 0.001, `${width} at ${scale}`);
  }
});

test("a length is told in the unit that people use for it", () => {
  assert.deepEqual([0.2, 1, 50, 2000].map(lengthText), ["200 nm", "1 µm", "50 µm", "2 mm"]);
});
