// A part of a clip, marked on its waveform by pointer, or by two sliders from the keyboard.
import WaveSurfer from "wavesurfer.js";
import Regions from "wavesurfer.js/plugins/regions";

import { fill, make } from "./dom.js";

const STEP = 0.01; // seconds a press of an arrow key
const SHORTEST = 0.05; // seconds
const THRESHOLD = 3; // pixels that a pointer moves before it draws

export class Marking {
  constructor(place, blob, words, changed) {
    this.words = words;
    this.changed = changed;
    this.region = null;
    this.length = 0;
    this.regions = Regions.create();
    this.wave = WaveSurfer.create({
      container: place, height: 110, interact: false, hideScrollbar: true, normalize: true, waveColor: "#5a6b7d",
      progressColor: "#5a6b7d", cursorColor: "#b00020", plugins: [this.regions],
      cspNonce: document.getElementById("page").dataset.nonce,
    });
    this.wave.loadBlob(blob);
    this.wave.on("ready", (length) => this.ready(length));
    this.regions.on("region-update", () => this.update());
    this.regions.on("region-updated", () => this.update());
    this.sliders = ["start", "end"].map((name) => this.slider(name));
    this.replay = make("button", { type: "button", onclick: () => this.region?.play(true) }, words.replay);
    this.said = make("p", { className: "hint", "aria-live": "polite" }, words.none);
    this.controls = make("fieldset", { disabled: true }, make("legend", {}, words.mark),
      ...this.sliders.map((own) => own.element), this.said, this.replay);
    this.replay.disabled = true;
    this.draw(this.wave.getWrapper());
  }

  slider(name) {
    const input = make("input", { type: "range", min: 0, max: 1, step: STEP, value: name === "start" ? 0 : 1,
      oninput: () => this.slide(name, Number(input.value)) });
    const output = make("output", {});
    return { name, input, output, element: make("label", { className: "slider" }, this.words[name], input, output) };
  }

  ready(length) {
    this.length = length;
    for (const { name, input } of this.sliders) {
      input.max = length;
      input.value = name === "start" ? 0 : length;
    }
    this.tell(0, length);
  }

  /** From when the clip has been heard. */
  open() {
    this.controls.disabled = false;
  }

  play() {
    this.wave.setTime(0);
    return this.wave.play();
  }

  on(event, act) {
    this.wave.on(event === "ended" ? "finish" : event, act);
  }

  close() {
    this.wave.destroy();
  }

  segment() {
    return this.region ? { start: this.region.start, end: this.region.end } : null;
  }

  /** Mark from start to end, in seconds. */
  mark(start, end) {
    if (this.region) this.region.setOptions({ start, end });
    else
      this.region = this.regions.addRegion({
        start, end, drag: true, resize: true, minLength: SHORTEST, color: "rgba(255, 170, 0, 0.4)",
      });
    this.update();
  }

  slide(name, value) {
    const [start, end] = this.sliders.map(({ input }) => Number(input.value));
    if (name === "start") this.mark(Math.max(0, Math.min(value, end - SHORTEST)), end);
    else this.mark(start, Math.min(this.length, Math.max(value, start + SHORTEST)));
  }

  update() {
    if (!this.region) return;
    const { start, end } = this.region;
    this.sliders[0].input.value = start;
    this.sliders[1].input.value = end;
    this.tell(start, end);
    this.said.textContent = fill(this.words.marked, { start: start.toFixed(2), end: end.toFixed(2) });
    this.replay.disabled = false;
    this.changed();
  }

  tell(...values) {
    this.sliders.forEach(({ input, output }, at) => {
      const text = fill(this.words.seconds, { n: values[at].toFixed(2) });
      output.textContent = text;
      input.setAttribute("aria-valuetext", text);
    });
  }

  /**
   * Draw a new part by dragging over the waveform. The regions plugin's own way to do so (enableDragSelection) begins
   * with a part of 5 pixels and adds the way of the pointer to it, so that parts end 5 pixels late. Here both ends are
   * where the pointer was.
   */
  draw(wrapper) {
    let from = null;
    const time = (event) => {
      const box = wrapper.getBoundingClientRect();
      return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * this.length;
    };
    wrapper.style.touchAction = "pan-y";
    wrapper.addEventListener("pointerdown", (event) => {
      const inside = this.region && event.composedPath().includes(this.region.element);
      if (this.controls.disabled || inside || event.button || !event.isPrimary) return;
      from = { x: event.clientX, time: time(event) };
      wrapper.setPointerCapture(event.pointerId);
    });
    wrapper.addEventListener("pointermove", (event) => {
      if (!from || Math.abs(event.clientX - from.x) < THRESHOLD) return;
      const to = time(event);
      this.mark(Math.min(from.time, to), Math.max(from.time, to));
    });
    for (const end of ["pointerup", "pointercancel"]) wrapper.addEventListener(end, () => (from = null));
  }
}
