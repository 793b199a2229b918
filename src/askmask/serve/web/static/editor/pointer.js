/**
 * Mouse, pen and touch on the canvas, turned into strokes, corners, panning and zooming.
 *
 * The tool works with the main button, a pen, or one finger; the other buttons pan, two fingers
 * pan and zoom, the wheel zooms, and with Alt it makes the brush larger or smaller.
 */

const LEAST_CORNER_DISTANCE = 3; // screen pixels between the corners of a polygon drawn by dragging
const CLOSING_DISTANCE = 9;
const CLICK_DISTANCE = { mouse: 4, pen: 8, touch: 12 }; // a hand that clicks moves so far
const ERASER_BUTTON = 32;
const SIZE_STEP = 40; // pixels of way for the next size of the brush: less than a notch in any browser

export class Pointer {
  /** @param {import("../viewer/ruler.js").Ruler} ruler while it is on, it is laid and nothing is drawn */
  constructor(viewer, editor, ruler, say) {
    this.viewer = viewer;
    this.editor = editor;
    this.ruler = ruler;
    this.say = say;
    this.down = new Map(); // pointer id -> last event position
    this.panning = false;
    this.at = null;
    this.usePressure = true;
    this.wheelDoes = "auto"; // or "zoom", "move"
    this.turned = 0; // with Alt, since the last step of the size
    this.sawPen = false; // then the hand that rests on the screen does not draw
    const canvas = viewer.overlay;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.lift(event));
    canvas.addEventListener("pointercancel", (event) => this.abandon(event));
    canvas.addEventListener("pointerleave", () => this.leave());
    canvas.addEventListener("dblclick", () => this.finishPolygon());
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  press(event) {
    if (!this.viewer.scene) return;
    const { overlay } = this.viewer;
    overlay.focus({ preventScroll: true });
    overlay.setPointerCapture(event.pointerId);
    this.down.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.down.size > 1) {
      this.editor.cancel();
      this.panning = true;
      return;
    }
    const isMain = event.button === 0 || event.button === 5;
    if (event.pointerType === "pen") this.sawPen = true;
    const isHand = this.sawPen && event.pointerType === "touch";
    this.panning = !isMain || isHand || (this.editor.tool === "move" && !this.ruler.isOn);
    if (this.panning) return;
    if (this.ruler.isOn) this.tell(this.ruler.press(this.viewer.locate(event)));
    else this.use(event);
  }

  /** Say a distance once it is laid. */
  tell(isLaid) {
    if (isLaid) this.say(this.ruler.text);
  }

  use(event) {
    const { editor, viewer } = this;
    const at = viewer.locate(event);
    if (event.buttons & ERASER_BUTTON) editor.setTool("eraser");
    if (editor.tool === "fill") editor.fill(at);
    else if (editor.tool === "polygon") this.corner(event, at);
    else {
      editor.prompt.reach = Math.max((CLICK_DISTANCE[event.pointerType] ?? 4) / viewer.viewport.scale, 0.75);
      editor.beginStroke(at, this.radius(event));
    }
  }

  corner(event, at) {
    const { polygon } = this.editor;
    const isClosing = polygon.length > 2 && this.distance(polygon[0], at) < CLOSING_DISTANCE;
    if (isClosing) this.editor.closePolygon();
    else this.editor.addCorner(at);
  }

  distance(a, b) {
    return Math.hypot(a.row - b.row, a.col - b.col) * this.viewer.viewport.scale;
  }

  /** A pen that presses lightly paints thinly; everything else paints as set. */
  radius(event) {
    const radius = this.editor.size / 2;
    if (event.pointerType !== "pen" || !this.usePressure || event.pressure === 0) return radius;
    return radius * (0.4 + 0.6 * Math.min(1, event.pressure * 1.5));
  }

  move(event) {
    if (!this.viewer.scene) return;
    this.at = this.viewer.locate(event);
    const last = this.down.get(event.pointerId);
    if (last && this.panning) this.drag(event, last);
    else if (this.ruler.isOn) this.ruler.move(this.at);
    else if (last) this.draw(event);
    this.viewer.redrawCursor();
  }

  draw(event) {
    const { editor, viewer } = this;
    const events = event.getCoalescedEvents?.() ?? []; // a busy browser tells several at once
    for (const part of events.length > 0 ? events : [event]) {
      const at = viewer.locate(part);
      if (editor.tool === "polygon") this.dragCorner(at);
      else if (editor.isDrawing) editor.extendStroke(at, this.radius(part));
    }
  }

  dragCorner(at) {
    const last = this.editor.polygon.at(-1);
    if (last && this.distance(last, at) >= LEAST_CORNER_DISTANCE) this.editor.addCorner(at);
  }

  /** Pan with one pointer; with two, pan and zoom about their middle. */
  drag(event, last) {
    const now = { x: event.clientX, y: event.clientY };
    const others = [...this.down].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    const share = 1 / (others.length + 1);
    this.viewer.pan((now.x - last.x) * share, (now.y - last.y) * share);
    if (others.length > 0) {
      const [other] = others;
      const before = Math.hypot(last.x - other.x, last.y - other.y);
      const after = Math.hypot(now.x - other.x, now.y - other.y);
      const middle = this.viewer.within({ clientX: (now.x + other.x) / 2, clientY: (now.y + other.y) / 2 });
      if (before > 0) this.viewer.zoom(after / before, middle.x, middle.y);
    }
    this.down.set(event.pointerId, now);
  }

  lift(event) {
    this.down.delete(event.pointerId);
    if (this.down.size === 0) this.panning = false;
    if (this.editor.isDrawing) this.editor.endStroke();
    if (this.ruler.isOn) this.tell(this.ruler.lift());
    this.viewer.redraw();
  }

  abandon(event) {
    this.down.delete(event.pointerId);
    if (this.down.size === 0) this.panning = false;
    if (this.editor.isDrawing) this.editor.cancel();
  }

  leave() {
    this.at = null;
    this.viewer.redrawCursor();
  }

  /** A double click sets its place twice before it closes the polygon. */
  finishPolygon() {
    const { editor } = this;
    if (editor.tool !== "polygon") return;
    const [a, b] = editor.polygon.slice(-2);
    if (b && this.distance(a, b) < LEAST_CORNER_DISTANCE) editor.removeCorner();
    editor.closePolygon();
  }

  wheel(event) {
    event.preventDefault();
    if (!this.viewer.scene) return;
    const { x, y } = this.viewer.within(event);
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    if (event.altKey) this.turnSize(-event.deltaY * lines);
    else if (event.ctrlKey) this.viewer.zoom(Math.exp(-event.deltaY * lines * 0.01), x, y); // two fingers pinch
    else if (this.wheelDoes === "move" || (this.wheelDoes === "auto" && isTrackpad(event))) this.viewer.pan(-event.deltaX, -event.deltaY);
    else this.viewer.glide(Math.exp(-event.deltaY * lines * 0.002), x, y);
  }

  /** Turn by a way: one size for each notch, however small the events are that it comes in. */
  turnSize(way) {
    this.turned = Math.sign(way) === Math.sign(this.turned) ? this.turned + way : way;
    if (Math.abs(this.turned) < SIZE_STEP) return;
    this.editor.stepSize(Math.sign(this.turned));
    this.turned = 0;
  }
}

/**
 * Whether a wheel event comes from two fingers on a trackpad: those move in small steps, often
 * sideways; a wheel turns by whole notches.
 *
 * @param {WheelEvent} event
 */
export function isTrackpad(event) {
  if (event.deltaMode !== 0) return false;
  if (event.deltaX !== 0) return true;
  const notches = /** @type {any} */ (event).wheelDeltaY; // 120 for a notch; not in every browser
  if (typeof notches !== "number") return Math.abs(event.deltaY) < 40;
  return notches % 120 !== 0 || Math.abs(event.deltaY) < 40;
}
