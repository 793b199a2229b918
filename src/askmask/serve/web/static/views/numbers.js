/** Shares as people read them. */

/** "< 1 %" rather than a zero that is none. */
export function percent(share) {
  if (share > 0 && share < 0.01) return "< 1 %";
  return `${Math.round(share * 100)} %`;
}
