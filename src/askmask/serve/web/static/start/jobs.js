/** Long work on the server: begun, watched, ended, and what it made. */

import { call, get, post, urlOf } from "../api.js";
import { h, show } from "../dom.js";

const LOOK_MS = 400;

/** What a job could not do; `problems` are sentences. */
export class JobFailed extends Error {
  constructor(problems) {
    super(problems.join(" "));
    this.problems = problems;
  }
}

/**
 * Begin a job and show how far it is in `place`; resolves with the finished job.
 *
 * @param {HTMLElement} place
 * @param {string} path
 * @param {object} body
 */
export async function runJob(place, path, body) {
  let job = await post(path, body);
  const end = h("button", { type: "button", class: "small", onclick: () => call("DELETE", `/jobs/${job.job}`, undefined, { timeoutSeconds: 30 }) }, "Stop");
  const words = h("span", {});
  const bar = h("progress", { "aria-label": "Progress" });
  show(place, h("div", { class: "job", role: "status" }, words, bar, end));
  while (job.state === "waiting" || job.state === "running") {
    words.textContent = wordsOf(job);
    if (job.total > 0) {
      bar.setAttribute("max", String(job.total));
      bar.setAttribute("value", String(job.done));
    } else bar.removeAttribute("value");
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    try {
      job = await get(`/jobs/${job.job}`);
    } catch (error) {
      if (!error.isTemporary) throw error; // else the server is looked for, and the job goes on
    }
  }
  show(place);
  if (job.state === "ended") throw new JobFailed(["Stopped; nothing was left behind."]);
  if (job.state === "failed") throw new JobFailed(job.problems);
  return job;
}

function wordsOf(job) {
  if (job.state === "waiting") return "Waiting for other work to end …";
  const part = job.total > 0 ? ` (${job.done} of ${job.total})` : "";
  return `${capital(job.doing || "beginning")}${part} …`;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Link that downloads what a job made. */
export const downloadOf = (job, words) => h("a", { class: "button primary", href: urlOf(`/jobs/${job.job}/file`), download: "" }, words);

/** Problems as a list that is read out. */
export function problemsOf(error) {
  const problems = error.problems ?? [error.message];
  return h("div", { class: "problems", role: "alert" }, problems.length === 1 ? h("p", {}, problems[0]) : h("ul", {}, problems.map((text) => h("li", {}, text))));
}
