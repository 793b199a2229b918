/** How the image is shown: range, brightness, contrast, gamma, channels; and what the wheel does. */

import { byId, controlOf, h, show, sourceOf } from "../dom.js";

const SLIDERS = [
  { id: "brightness", name: "Brightness", min: -80, max: 80, toSetting: (at) => at / 100, toSlider: (value) => 100 * value },
  { id: "contrast", name: "Contrast", min: -90, max: 90, toSetting: (at) => at / 100, toSlider: (value) => 100 * value },
  { id: "gamma", name: "Gamma", min: -70, max: 70, toSetting: (at) => 10 ** (at / 100), toSlider: (value) => 100 * Math.log10(value) },
];
const CHANNELS = ["Red", "Green", "Blue"];
const RANGES = [
  ["dark", "stretch if dark"],
  ["always", "stretch always"],
  ["never", "as it is"],
];
const WHEELS = [
  ["auto", "wheel zooms, trackpad moves"],
  ["zoom", "always zooms"],
  ["move", "always moves"],
];

export class PicturePanel {
  /**
   * @param {import("../viewer/display.js").Display} display
   * @param {import("../editor/pointer.js").Pointer} pointer
   * @param {import("../preferences.js").Preferences} preferences
   */
  constructor(display, pointer, preferences) {
    this.display = display;
    this.pointer = pointer;
    this.preferences = preferences;
    pointer.wheelDoes = preferences.read("wheel", "auto");
    this.rangeText = h("p", { class: "muted small-text" });
    this.channels = h("div", { class: "row", role: "group", "aria-label": "Channels" }, CHANNELS.map((name, i) => this.channel(name, i)));
    this.build();
    display.addEventListener("change", () => this.update());
    this.update();
  }

  build() {
    const { display } = this;
    const choose = (id, label, options, onchange) =>
      h("label", { class: "stack" }, h("span", {}, label), h("select", { id, onchange }, options.map(([value, text]) => h("option", { value }, text))));
    show(
      byId("picture-settings"),
      choose("stretch", "Range", RANGES, (event) => display.set({ stretch: sourceOf(event).value })),
      this.rangeText,
      SLIDERS.map((slider) => this.slider(slider)),
      this.channels,
      h("button", { type: "button", id: "display-reset", class: "small", onclick: () => display.reset() }, "Show it as it was"),
      choose("wheel", "Wheel and trackpad", WHEELS, (event) => {
        this.pointer.wheelDoes = sourceOf(event).value;
        this.preferences.write("wheel", this.pointer.wheelDoes);
      }),
    );
    controlOf("wheel").value = this.pointer.wheelDoes;
  }

  slider({ id, name, min, max, toSetting }) {
    const oninput = (event) => this.display.set({ [id]: toSetting(Number(sourceOf(event).value)) });
    return h(
      "label",
      { class: "slider" },
      h("span", {}, name),
      h("span", { id: `${id}-text`, class: "value" }),
      h("input", { id, type: "range", min, max, step: 1, oninput }),
    );
  }

  channel(name, i) {
    const onchange = (event) => {
      const channels = [...this.display.settings.channels];
      channels[i] = sourceOf(event).checked;
      this.display.set({ channels });
    };
    return h("label", { class: "check" }, h("input", { type: "checkbox", id: `channel-${i}`, onchange }), h("span", {}, name));
  }

  update() {
    const { settings, found, range, isPlain } = this.display;
    controlOf("stretch").value = settings.stretch;
    const isStretched = range.low > 0 || range.high < 255;
    this.rangeText.textContent = isStretched ? `Values ${range.low} to ${range.high} of 255 are shown as black to white.` : "";
    for (const { id, toSlider } of SLIDERS) {
      controlOf(id).value = String(Math.round(toSlider(settings[id])));
      controlOf(`${id}-text`).textContent = id === "gamma" ? settings.gamma.toFixed(2) : `${Math.round(100 * settings[id])} %`;
    }
    CHANNELS.forEach((_, i) => {
      controlOf(`channel-${i}`).checked = settings.channels[i];
    });
    this.channels.hidden = found !== null && found.isGrey;
    controlOf("display-reset").disabled = isPlain && settings.stretch === "dark";
  }
}
