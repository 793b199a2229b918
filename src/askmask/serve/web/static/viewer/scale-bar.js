/** A bar of a round length, where it is known how large a pixel is. */

const LONGEST = 140; // screen pixels
const ROUND = [1, 2, 5];

/**
 * The longest bar of a round length that fits: `{width, text}`, the width in screen pixels.
 *
 * @param {number} mpp micrometres per pixel of the image
 * @param {number} scale screen pixels per pixel of the image
 */
export function barFor(mpp, scale) {
  const most = (LONGEST / scale) * mpp; // micrometres
  const power = 10 ** Math.floor(Math.log10(most));
  const length = /** @type {number} */ (ROUND.findLast((step) => step * power <= most * (1 + 1e-9))) * power;
  return { width: (length / mpp) * scale, text: lengthText(length) };
}

/** "200 nm", "50 µm", "2 mm". */
export function lengthText(micrometres) {
  if (micrometres >= 1000) return `${trim(micrometres / 1000)} mm`;
  return micrometres >= 1 ? `${trim(micrometres)} µm` : `${trim(micrometres * 1000)} nm`;
}

const trim = (number) => String(Number(number.toPrecision(3)));

/** Keeps an element as long as the bar; hidden where nobody knows how large a pixel is. */
export class ScaleBar {
  /** @param {HTMLElement} element @param {number | null} mpp */
  constructor(element, mpp) {
    this.element = element;
    this.mpp = mpp;
    this.scale = 0;
  }

  /** @param {number | null} scale null while nothing is shown */
  update(scale) {
    this.element.hidden = this.mpp === null || !scale;
    if (this.mpp === null || !scale || scale === this.scale) return;
    this.scale = scale;
    const { width, text } = barFor(this.mpp, scale);
    this.element.style.width = `${width}px`;
    this.element.textContent = text;
  }
}
