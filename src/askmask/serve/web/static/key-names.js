/**
 * Names of keys that are the same on every keyboard: "u", "[", "ctrl+z", "shift+enter", "alt+1".
 *
 * A Latin letter goes by what it writes, so AZERTY and Dvorak have their own places. Where a key
 * writes no Latin letter (Cyrillic, Greek, an accented one), it goes by its place on the keyboard,
 * which is what is printed beside it. Pure functions.
 */

const PLACES = { BracketLeft: "[", BracketRight: "]", Comma: ",", Period: ".", Slash: "/", Minus: "-", Equal: "=" };
const WRITTEN_WITH_ALT = new Set(["[", "]", "/"]); // AltGr, or Option on a Mac, on many keyboards

/** Letter, digit or sign at a place, as on the keyboard of the United States. */
function atPlace(code) {
  return /^(?:Key([A-Z])|Digit([0-9]))$/.exec(code)?.slice(1).find(Boolean)?.toLowerCase() ?? PLACES[code] ?? null;
}

/** What a key stands for, without modifiers. */
function plain({ key, code = "", shiftKey, altKey }) {
  const text = key.toLowerCase();
  const isDigitKey = /^Digit[0-9]$/.test(code);
  if (isDigitKey && altKey && !WRITTEN_WITH_ALT.has(text)) return atPlace(code); // Option+1 writes a sign
  if (text.length !== 1 && key !== "Dead") return text;
  const isPlainAscii = /^[ -~]$/.test(text);
  if (isDigitKey && !shiftKey && !altKey && !/[0-9]/.test(text)) return atPlace(code); // AZERTY
  return isPlainAscii && key !== "Dead" ? text : (atPlace(code) ?? text);
}

/**
 * Name of a key event.
 *
 * @param {Pick<KeyboardEvent, "key" | "code" | "shiftKey" | "ctrlKey" | "altKey" | "metaKey"> & {getModifierState?: (name: string) => boolean}} event
 */
export function nameOf(event) {
  const isAltGraph = event.getModifierState?.("AltGraph") === true || (event.ctrlKey && event.altKey);
  const key = plain({ ...readable(event), altKey: event.altKey || isAltGraph });
  const isText = key.length === 1;
  const isWritten = isText && (isAltGraph || (event.altKey && WRITTEN_WITH_ALT.has(key)));
  const hasControl = (event.ctrlKey || event.metaKey) && !isWritten;
  const ctrl = hasControl ? "ctrl+" : "";
  const alt = event.altKey && !isWritten ? "alt+" : "";
  const shift = event.shiftKey && (!isText || hasControl) ? "shift+" : "";
  return `${ctrl}${alt}${shift}${key}`;
}

/** An event's own members are not copied by `...`. */
function readable({ key, code, shiftKey }) {
  return { key, code, shiftKey };
}

const SHOWN = { " ": "Space", backspace: "Backspace", escape: "Esc", enter: "Enter", home: "Home", "-": "−" };

/** Name as it is printed on a key. */
export function printed(name) {
  return SHOWN[name] ?? (name.length === 1 ? name.toUpperCase() : name[0].toUpperCase() + name.slice(1));
}
