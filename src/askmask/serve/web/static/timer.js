/**
 * Time spent on a region. A pause longer than `idleSeconds` counts as that long at most: looking
 * closely without moving is work, lunch is not.
 */

export const IDLE_SECONDS = 20;

export class ActiveTimer {
  /** `now` gives milliseconds; `seconds` is what was measured before (a reload goes on). */
  constructor(seconds = 0, { now = () => performance.now(), idleSeconds = IDLE_SECONDS } = {}) {
    this.counted = seconds;
    this.now = now;
    this.idleSeconds = idleSeconds;
    this.last = now();
    this.stopped = false;
  }

  /** Something happened: a key, the pointer, a wheel. */
  touch() {
    this.counted = this.seconds;
    this.last = this.now();
    this.stopped = false;
  }

  /** The page was hidden: nothing counts until the next touch. */
  stop() {
    this.counted = this.seconds;
    this.stopped = true;
  }

  get idle() {
    return this.stopped || this.now() - this.last >= this.idleSeconds * 1000;
  }

  get seconds() {
    if (this.stopped) return this.counted;
    return this.counted + Math.min((this.now() - this.last) / 1000, this.idleSeconds);
  }
}
