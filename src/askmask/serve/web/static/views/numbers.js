/** Shares and counts as people read them. */

/** "< 1 %" rather than a zero that is none. */
export function percent(share) {
  if (share > 0 && share < 0.01) return "< 1 %";
  return `${Math.round(share * 100)} %`;
}

/** "1 region", "3 regions". @param {number} count @param {string} name */
export const several = (count, name) => `${count} ${name}${count === 1 ? "" : "s"}`;
