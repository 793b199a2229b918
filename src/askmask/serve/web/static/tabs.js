/**
 * Several tabs of one browser: which regions are open in another one.
 *
 * A tab holds a named lock for the region it shows; the browser frees it when the tab closes or
 * crashes. Where there are no locks (no https, another host), the server's leases remain.
 */

const FREE = { isHeld: true, letGo() {} };

export class Tabs {
  /** `locks` is the browser's LockManager; undefined where there is none. */
  constructor(locks = globalThis.navigator?.locks) {
    this.locks = locks;
    this.held = new Map(); // name -> {count, lock}; one tab may ask for a region twice
    this.freed = new Map(); // name -> settles when the browser has taken the lock back
  }

  /**
   * Hold a region for this tab: `{isHeld, letGo()}`; `isHeld` is false if another tab has it.
   *
   * What this tab holds already is held once more, and free when each has let go.
   */
  async hold(name) {
    if (!this.locks) return FREE;
    if (!this.held.has(name)) await this.freed.get(name);
    const entry = this.held.get(name) ?? { count: 0, lock: this.request(name) };
    this.held.set(name, entry);
    entry.count++;
    const free = await entry.lock;
    if (free === null && this.held.get(name) === entry) this.held.delete(name); // next time it may be free
    let isOver = false;
    const letGo = () => {
      if (isOver) return;
      isOver = true;
      entry.count--;
      if (entry.count > 0) return;
      if (this.held.get(name) === entry) this.held.delete(name);
      free?.();
    };
    return { isHeld: free !== null, letGo };
  }

  /** Resolves with the function that frees the lock, or with null if another tab has it. */
  request(name) {
    return new Promise((resolve) => {
      const wait = (lock) => (lock ? new Promise((free) => resolve(free)) : resolve(null));
      const done = this.locks.request(`askmask-region-${name}`, { ifAvailable: true }, wait);
      this.freed.set(name, done.then(() => this.freed.delete(name)));
    });
  }
}
