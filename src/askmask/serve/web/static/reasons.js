/** Why a region was asked, in words; the field's term and its number stand behind them. */

import { score, words } from "./dom.js";
import { percent, several } from "./views/numbers.js";

const UNSURE = "the model is unsure here";
const REASONS = [
  [/^random$/, "picked at random"],
  [/mutual_information|bald/, "the model contradicts itself here"],
  [/predictive_entropy|expected_entropy|margin|variation|least_confiden/, UNSURE],
  [/impurity/, "classes meet here, and the model is unsure"],
  [/typical/, "typical of what has no label yet"],
  [/divers|core_?set|k_?means/, "unlike what is labelled so far"],
];

/** @param {Pick<import("./types.js").Item, "acquisition" | "model"> & {piece?: {close: number | null} | null}} item */
export function reason({ acquisition, model, piece = null }) {
  const close = piece?.close ?? null;
  const said = kind({ acquisition, model });
  return said === UNSURE && close !== null ? `${said}: ${percent(close)} of its pixels are close calls` : said;
}

function kind({ acquisition, model }) {
  const found = REASONS.find(([pattern]) => /** @type {RegExp} */ (pattern).test(acquisition));
  if (model === null && !found) return "one of the first, before there is a model";
  return found ? String(found[1]) : `asked by ${words(acquisition)}`;
}

/** The term and its number; a number of no model, or of chance, says nothing, so none is told. */
export function term({ acquisition, model, score: value }) {
  return acquisition === "random" || model === null ? words(acquisition) : `${words(acquisition)} ${score(value)}`;
}

/** How many more answers a training waits for. */
export function trainingText({ answers_since_training: given, train_after: needed }) {
  const left = needed - given;
  if (left <= 0) return `${several(given, "new answer")} to learn from: the next training is due`;
  return `${several(left, "more answer")} until the next training`;
}
