/**
 * Colours of the classes: eight that people with any colour vision can tell apart (Okabe and Ito,
 * "Color Universal Design", 2008), then darker and lighter ones of the same hues, up to 32. Each can
 * be changed; the choice is kept in this browser.
 */

const MIXES = [
  ["#000000", 0],
  ["#000000", 0.45],
  ["#ffffff", 0.5],
  ["#000000", 0.7],
];

const parts = (text) => [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16));

/** Colour between two, `share` of the way to the second. */
export function mix(text, other, share) {
  const [from, to] = [parts(text), parts(other)];
  const hex = from.map((part, i) => Math.round(part + (to[i] - part) * share).toString(16).padStart(2, "0"));
  return `#${hex.join("")}`;
}

/**
 * Colour of each class: what the project gives, told apart where it repeats itself.
 *
 * @param {import("./types.js").ClassOf[]} classes
 * @returns {string[]}
 */
export function distinct(classes) {
  const seen = new Map();
  return classes.map(({ color }) => {
    const times = seen.get(color) ?? 0;
    seen.set(color, times + 1);
    const [towards, share] = MIXES[times % MIXES.length];
    return mix(color, String(towards), Number(share));
  });
}

/** Event "change": a class has another colour. The classes of the project carry the colours. */
export class Colours extends EventTarget {
  /**
   * @param {import("./types.js").ClassOf[]} classes their colours are set
   * @param {import("./preferences.js").Preferences} preferences
   */
  constructor(classes, preferences) {
    super();
    this.classes = classes;
    this.preferences = preferences;
    this.first = distinct(classes);
    this.chosen = preferences.read("colours", {});
    this.apply();
  }

  apply() {
    for (const [i, cls] of this.classes.entries()) cls.color = this.chosen[cls.name] ?? this.first[i];
    this.dispatchEvent(new Event("change"));
  }

  /** Give a class a colour, `#rrggbb`; null gives the first one back. */
  set(name, colour) {
    this.chosen = { ...this.chosen };
    if (colour === null) delete this.chosen[name];
    else this.chosen[name] = colour;
    this.preferences.write("colours", this.chosen);
    this.apply();
  }
}
