/**
 * Several tabs of one browser: which regions are open in another one.
 *
 * A tab holds a named lock for the region it shows; the browser frees it when the tab closes or
 * crashes. Where there are no locks (no https, another host), the server's leases remain.
 */

let release = null;

/** Hold the region for this tab; false if another tab has it. Lets go of the one before. */
export async function holdRegion(name) {
  letGo();
  if (!navigator.locks) return true;
  return new Promise((resolve) => {
    navigator.locks.request(`askmask-region-${name}`, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      if (!lock) return undefined;
      return new Promise((free) => {
        release = free;
      });
    });
  });
}

export function letGo() {
  release?.();
  release = null;
}
