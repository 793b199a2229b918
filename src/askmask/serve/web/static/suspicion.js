/** What makes an answer worth a second look, in words. */

import { duration } from "./dom.js";
import { percent } from "./views/numbers.js";

const HASTY = 0.25; // as the server reckons: this share of what is usual for the person
const TELLING = 0.05; // smaller differences are a matter of taste

/** @param {{differs: number | null, disagrees: number | null, seconds: number | null, usual_seconds: number | null}} answer */
export function suspicions({ differs, disagrees, seconds, usual_seconds: usual }) {
  const found = [];
  if (differs !== null && differs >= TELLING) found.push(`differs from the model in ${percent(differs)}`);
  if (disagrees !== null && disagrees >= TELLING) found.push(`differs from somebody else's in ${percent(disagrees)}`);
  if (seconds !== null && usual !== null && seconds < HASTY * usual) found.push(`hasty: ${duration(seconds)}, usually ${duration(usual)}`);
  return found;
}
