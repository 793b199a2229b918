/** What a person has chosen on this page, kept in this browser for each project. */

export class Preferences {
  /**
   * @param {string} project id of the project
   * @param {Pick<Storage, "getItem" | "setItem">} [storage]
   */
  constructor(project, storage = globalThis.localStorage) {
    this.project = project;
    this.storage = storage;
  }

  /** Setting kept under a name, laid over `fallback`; what is not readable counts as not set. */
  read(name, fallback) {
    try {
      const kept = JSON.parse(this.storage.getItem(this.keyOf(name)) ?? "null");
      return kept === null ? fallback : merged(fallback, kept);
    } catch {
      return fallback;
    }
  }

  /** Keep a setting; a browser that keeps nothing (private window, full disk) only forgets it. */
  write(name, value) {
    try {
      this.storage.setItem(this.keyOf(name), JSON.stringify(value));
    } catch {
      // a choice of how things look is not worth a message
    }
  }

  keyOf(name) {
    return `askmask-${name}|${this.project}`;
  }
}

function merged(fallback, kept) {
  const isPlain = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
  return isPlain(fallback) && isPlain(kept) ? { ...fallback, ...kept } : kept;
}
