/** The forecast of how many more regions are worth it, in words; null where none can be made. */

/** @param {{more: number, low: number, high: number, step: number, worth: number, most: number} | null} forecast */
export function forecastText(forecast) {
  if (!forecast) return null;
  const { more, low, high, step, worth, most } = forecast;
  const number = (value) => (value >= most ? `${most} or more` : String(value));
  const bar = `${step} more regions would bring less than ${100 * worth} points of mean Dice`;
  if (high === 0) return `Going on like this, ${bar}.`;
  const range = low === high ? "" : ` (${number(low)} to ${number(high)})`;
  if (more === 0) return `It may be enough: about 0 more regions${range} are likely worth it; then ${bar}.`;
  return `About ${number(more)} more regions${range} are likely worth it; then ${bar}.`;
}
