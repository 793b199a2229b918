import assert from "node:assert/strict";
import { test } from "node:test";

import { suspicions } from "../../src/askmask/serve/web/static/suspicion.js";

const plain = { differs: null, disagrees: null, seconds: null, usual_seconds: null };

test("an answer is suspicious for what differs and for haste, each said in words", () => {
  assert.deepEqual(suspicions({ ...plain, differs: 0.38 }), ["differs from the model in 38 %"]);
  assert.deepEqual(suspicions({ ...plain, disagrees: 0.12 }), ["differs from somebody else's in 12 %"]);
  assert.deepEqual(suspicions({ ...plain, seconds: 1.2, usual_seconds: 9 }), ["hasty: 1.2 s, usually 9.0 s"]);
});

test("small differences and the usual time are no reason", () => {
  assert.deepEqual(suspicions({ differs: 0.02, disagrees: 0.01, seconds: 8, usual_seconds: 9 }), []);
  assert.deepEqual(suspicions(plain), []);
});
