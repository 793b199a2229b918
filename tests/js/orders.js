/**
 * Every order in which things can happen: a scripted person acts, and what was asked for arrives
 * whenever it likes. `everyOrder` runs a scenario once for each order.
 */

/** Replies that wait until the explorer lets one arrive. */
export class Replies {
  constructor() {
    /** @type {{name: string, arrive: () => void}[]} */
    this.waiting = [];
  }

  /**
   * A promise that settles when it is this reply's turn; `answer()` gives its value then.
   *
   * @param {string} name
   * @param {() => any} answer
   * @returns {Promise<any>}
   */
  later(name, answer) {
    return new Promise((resolve, reject) => {
      const arrive = () => {
        try {
          resolve(answer());
        } catch (error) {
          reject(error);
        }
      };
      this.waiting.push({ name, arrive });
    });
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

/**
 * Run `scenario()` for every order of its actions and replies; returns how many orders there are.
 *
 * A scenario is `{replies, actions, check(trace)}`: actions happen in their order, replies in any,
 * and `check` is called when nothing is left.
 *
 * @typedef {object} Scenario
 * @property {Replies} replies
 * @property {[string, () => unknown][]} actions
 * @property {(trace: string) => void} check
 *
 * @param {() => Scenario} scenario
 */
export async function everyOrder(scenario) {
  let count = 0;
  /** @type {number[][]} */
  const unexplored = [[]];
  for (let path = unexplored.pop(); path; path = unexplored.pop()) {
    const start = path;
    const { taken, branches } = await runOnce(scenario(), path);
    branches.slice(start.length).forEach((width, i) => {
      for (let choice = 1; choice < width; choice++) unexplored.push([...taken.slice(0, start.length + i), choice]);
    });
    count++;
  }
  return count;
}

/** @param {Scenario} scenario @param {number[]} path choices to begin with */
async function runOnce({ replies, actions, check }, path) {
  /** @type {number[]} */
  const taken = [];
  /** @type {number[]} */
  const branches = [];
  /** @type {string[]} */
  const trace = [];
  const left = [...actions];
  await settled();
  while (left.length + replies.waiting.length > 0) {
    const width = replies.waiting.length + (left.length > 0 ? 1 : 0);
    const choice = path[taken.length] ?? 0;
    taken.push(choice);
    branches.push(width);
    const action = choice < replies.waiting.length ? null : left.shift();
    if (action) {
      trace.push(action[0]);
      action[1]();
    } else {
      const [reply] = replies.waiting.splice(choice, 1);
      trace.push(`${reply.name} arrives`);
      reply.arrive();
    }
    await settled();
  }
  check(trace.join(", "));
  return { taken, branches };
}
