/** A box around an object and clicks, sent to the server, which proposes the object's mask. */

import { itemPath, post } from "../api.js";
import { byId, keyOf } from "../dom.js";
import { decodeRuns } from "../editor/rle.js";
import { say, toast } from "../notices.js";

const AGAIN_MS = 1000; // while the picture is being prepared

export class BoxAssistant {
  /** @param {import("../work.js").Work} work @param {import("../editor/editor.js").Editor} editor */
  constructor(work, editor) {
    this.work = work;
    this.editor = editor;
    this.turn = 0; // of several prompts on their way the newest counts
    /** @type {string | null} region whose picture is prepared, or is being asked about */
    this.asked = null;
    editor.addEventListener("prompt", () => this.run());
    editor.addEventListener("tool", () => this.toolChanged());
    editor.addEventListener("step", () => editor.prompt.isBegun || this.tell("none"));
    work.addEventListener("close", () => this.leave());
  }

  /** With the tool in hand, say at once if the picture is not prepared yet. */
  toolChanged() {
    const { editor, work } = this;
    if (!editor.prompt.isBegun) this.tell("none");
    if (editor.tool !== "box" || !editor.raster || !work.item) {
      this.leave();
      return;
    }
    if (this.asked === keyOf(work.item)) return;
    this.asked = keyOf(work.item);
    this.run();
  }

  /** Nothing that is on its way is wanted any more. */
  leave() {
    this.turn++;
    this.asked = null;
    this.notice("");
  }

  async run() {
    const { editor, work } = this;
    const turn = ++this.turn;
    const { item } = work;
    const { box, clicks } = editor.prompt;
    const isWanted = () => turn === this.turn && work.item && keyOf(work.item) === keyOf(item);
    if (box) this.tell("waiting");
    try {
      const { runs, message } = await post(`${itemPath(item)}/proposal`, { box, clicks });
      if (!isWanted()) return;
      this.notice(message);
      if (!runs) setTimeout(() => isWanted() && this.run(), AGAIN_MS);
      else if (box && box === editor.prompt.box) this.propose(decodeRuns(runs, editor.raster.data.length));
    } catch (error) {
      if (!isWanted()) return;
      this.notice("");
      toast(`No proposal came (${error.message}) Draw the box again, or take the brush.`);
    }
  }

  propose(mask) {
    const { editor } = this;
    const { length } = editor.prompt.clicks;
    editor.proposeMask(mask);
    this.tell(String(length));
    const isEmpty = !mask.includes(1);
    say(isEmpty ? "Nothing was found in the box." : "Proposed. Click where it is wrong; Enter keeps it, Escape drops it.");
    if (isEmpty) toast("Nothing was found in this region. Draw the box closer around one object, or click in it.");
  }

  /** For whoever watches the page: no box, one that waits, or the clicks of the proposal shown. */
  tell(state) {
    byId("canvas").dataset.proposal = state;
  }

  notice(text) {
    const element = byId("assistant-notice");
    if (element.textContent !== text) element.textContent = text;
    element.hidden = text === "";
  }
}
