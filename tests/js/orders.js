/**
 * Every order in which things can happen: a scripted person acts, and what was asked for arrives
 * whenever it likes. `everyOrder` runs a scenario once for each order.
 */

/** Replies that wait until the explorer lets one arrive. */
export class Replies {
  constructor() {
    this.waiting = [];
  }

  /** A promise that settles when it is this reply's turn; `answer()` gives its value then. */
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
 */
export async function everyOrder(scenario) {
  let count = 0;
  const unexplored = [[]];
  while (unexplored.length > 0) {
    const path = unexplored.pop();
    const { taken, branches } = await runOnce(scenario(), path);
    branches.slice(path.length).forEach((width, i) => {
      for (let choice = 1; choice < width; choice++) unexplored.push([...taken.slice(0, path.length + i), choice]);
    });
    count++;
  }
  return count;
}

async function runOnce({ replies, actions, check }, path) {
  const [taken, branches, trace] = [[], [], []];
  const left = [...actions];
  await settled();
  while (left.length + replies.waiting.length > 0) {
    const width = replies.waiting.length + (left.length > 0 ? 1 : 0);
    const choice = path[taken.length] ?? 0;
    taken.push(choice);
    branches.push(width);
    if (choice < replies.waiting.length) {
      const [reply] = replies.waiting.splice(choice, 1);
      trace.push(`${reply.name} arrives`);
      reply.arrive();
    } else {
      const [name, act] = left.shift();
      trace.push(name);
      act();
    }
    await settled();
  }
  check(trace.join(", "));
  return { taken, branches };
}
