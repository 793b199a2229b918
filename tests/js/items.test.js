import assert from "node:assert/strict";
import { test } from "node:test";
import { inOrder, merged } from "../../src/askmask/serve/web/static/items.js";

test("regions are in the order of asking: by round, then by rank", () => {
  const places = [
    { round: 2, rank: 0 },
    { round: 1, rank: 10 },
    { round: 1, rank: 9 },
  ];
  assert.deepEqual(places.sort(inOrder).map(({ round, rank }) => `${round}/${rank}`), ["1/9", "1/10", "2/0"]);
});

test("counts of a round that changed take the place of the old ones; a new round comes last", () => {
  const known = [
    { round: 1, open: 4 },
    { round: 2, open: 4 },
  ];
  const changed = [
    { round: 3, open: 8 },
    { round: 1, open: 3 },
  ];
  assert.deepEqual(merged(known, changed).map(({ round, open }) => [round, open]), [
    [1, 3],
    [2, 4],
    [3, 8],
  ]);
});
