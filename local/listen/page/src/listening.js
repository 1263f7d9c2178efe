// A clip to be answered, as a jsPsych plugin: which emotion, and in the segment task where it shows most.
import { ParameterType } from "jspsych";

import { fill, make, radios, show } from "./dom.js";
import { info, once } from "./forms.js";
import { Marking } from "./marking.js";
import * as server from "./server.js";

/** The clip alone: plays, and says when it has been heard. */
class Sound {
  constructor(blob) {
    this.url = URL.createObjectURL(blob);
    this.audio = new Audio(this.url);
  }
  play() {
    this.audio.currentTime = 0;
    return this.audio.play();
  }
  on(event, act) {
    this.audio.addEventListener(event, act);
  }
  close() {
    this.audio.pause();
    URL.revokeObjectURL(this.url);
  }
}

export class Listening {
  static info = info("listening", { item: { type: ParameterType.OBJECT }, next: { type: ParameterType.STRING } });
  constructor(jsPsych) {
    this.jsPsych = jsPsych;
  }

  trial(place, given) {
    // Not returned: for jsPsych a trial would be over with the promise.
    this.begin(place, given);
  }

  async begin(place, { words, state, item, next }) {
    const own = words[item.task];
    const marks = item.task === "segment";
    const blob = await server.clip(item.clip, words);
    if (next) server.clip(next, words); // while this one is heard
    const wave = make("div", { className: "wave", role: "img", "aria-label": words.segment.wave });
    const sound = marks ? new Marking(wave, blob, words.segment, () => ready()) : new Sound(blob);
    let plays = 0, whole = 0, began = 0, chosen = 0, heard = false, playing = false;
    const said = make("p", { className: "hint", "aria-live": "polite" });
    const play = make("button", { type: "button", className: "play", onclick: async () => {
      if (playing) return;
      await sound.play();
      whole += 1;
      if (state.plays && whole >= state.plays) play.disabled = true;
    } }, words.play);
    const choice = radios(own.ask, state.choices[item.task].map((emotion) => [emotion, words.emotions[emotion]]), () => {
      chosen = performance.now();
      ready();
    });
    choice.disabled = true;
    const submit = once(words.next, async () => {
      const data = { answer: choice.value, plays, rt_ms: chosen - began };
      if (marks) Object.assign(data, sound.segment());
      await server.save(item.key, data, words);
      sound.close();
      this.jsPsych.finishTrial({});
    });
    submit.disabled = true;
    const ready = () => (submit.disabled = !(heard && choice.value && (!marks || sound.segment())));
    sound.on("play", () => {
      plays += 1;
      began ||= performance.now();
      playing = true;
      play.textContent = words.playing;
    });
    sound.on("pause", () => {
      playing = false;
      play.textContent = words.again;
    });
    sound.on("ended", () => {
      playing = false;
      heard = true;
      choice.disabled = false;
      if (marks) sound.open();
      play.textContent = words.again;
      said.textContent = state.plays ? fill(words.heard_of, { n: whole, of: state.plays }) : words.heard;
      ready();
    });
    const note = item.kind === "attention" ? fill(words.attention, { emotion: words.emotions[item.say] })
      : item.kind === "practice" ? words.practice : "";
    const notes = note ? [make("p", { className: "note" }, note)] : [];
    show(place, own.title, ...notes, ...(marks ? [wave] : []), play, said, choice.element,
      ...(marks ? [sound.controls] : []), submit);
  }
}
