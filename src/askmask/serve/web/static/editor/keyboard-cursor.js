/**
 * A cursor that is moved by arrow keys: every tool works without a pointer.
 *
 * Enter acts: it puts the brush down or lifts it, sets a corner, fills. Shift+Enter closes a
 * polygon.
 */

export class KeyboardCursor {
  /** @param {import("../viewer/ruler.js").Ruler} ruler while it is on, Enter lays its ends */
  constructor(viewer, editor, ruler, say) {
    this.viewer = viewer;
    this.editor = editor;
    this.ruler = ruler;
    this.say = say;
    this.at = null; // null: off
  }

  get isOn() {
    return this.at !== null;
  }

  toggle() {
    if (this.isOn) {
      this.off();
      this.say("Keyboard cursor off: arrow keys move the picture.");
      return;
    }
    const { raster } = this.editor;
    this.at = { row: Math.floor(raster.height / 2) + 0.5, col: Math.floor(raster.width / 2) + 0.5 };
    this.tell("Keyboard cursor on. Arrow keys move it, Shift moves ten pixels, Enter acts.");
    this.viewer.redrawCursor();
  }

  off() {
    if (this.editor.isDrawing) this.editor.endStroke();
    this.at = null;
    this.viewer.redrawCursor();
  }

  move(rows, cols) {
    const { raster, editor, viewer } = { ...this, raster: this.editor.raster };
    const clamp = (value, limit) => Math.min(limit - 0.5, Math.max(0.5, value));
    this.at = {
      row: clamp(this.at.row + rows, raster.height),
      col: clamp(this.at.col + cols, raster.width),
    };
    if (editor.isDrawing) editor.extendStroke(this.at);
    this.ruler.move(this.at);
    viewer.reveal(this.at.row + viewer.scene.region.top, this.at.col + viewer.scene.region.left);
    viewer.redrawCursor();
    this.tell();
  }

  act({ closing = false } = {}) {
    const { editor, ruler } = this;
    if (ruler.isOn) this.say(ruler.press(this.at) ? ruler.text : "Start of the ruler.");
    else if (editor.tool === "fill") editor.fill(this.at);
    else if (editor.tool === "polygon") this.corner(closing);
    else if (editor.tool === "box" && editor.prompt.isBegun) this.answerProposal(closing);
    else if (editor.tool !== "move") this.dip();
    this.viewer.redrawCursor();
  }

  /** Enter clicks where the proposal is wrong, Shift+Enter keeps it. */
  answerProposal(closing) {
    const { editor } = this;
    if (closing) {
      editor.setTool("box");
      this.say("Kept.");
    } else {
      editor.clickPrompt(this.at);
    }
  }

  corner(closing) {
    const { editor } = this;
    if (!closing) {
      editor.addCorner(this.at);
      this.say(`Corner ${editor.polygon.length}.`);
    } else if (!editor.closePolygon()) {
      this.say("A polygon needs at least three corners.");
    } else {
      this.say("Polygon closed.");
    }
  }

  dip() {
    const { editor } = this;
    const isBox = editor.tool === "box";
    if (editor.isDrawing) {
      editor.endStroke();
      this.say(isBox ? "Second corner." : "Brush up.");
    } else {
      editor.prompt.reach = 0.75;
      editor.beginStroke(this.at);
      this.say(isBox ? "First corner of a box." : "Brush down.");
    }
  }

  tell(introduction = "") {
    const [row, col] = [Math.floor(this.at.row), Math.floor(this.at.col)];
    this.say(`${introduction} Row ${row}, column ${col}.`.trim());
  }
}
