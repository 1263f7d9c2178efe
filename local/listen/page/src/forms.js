// Screens without clips, as jsPsych plugins: a text, the questionnaire, the headphone check.
import { ParameterType } from "jspsych";

import { fill, make, radios, show } from "./dom.js";
import * as server from "./server.js";

const given = { words: { type: ParameterType.OBJECT }, state: { type: ParameterType.OBJECT } };
export const info = (name, more = {}) => ({ name, version: "1.0.0", parameters: { ...given, ...more }, data: {} });

/** A button that works once: a second press is no second answer. */
export function once(label, act) {
  const button = make("button", { type: "button", className: "main", onclick: async () => {
    if (button.disabled) return;
    button.disabled = true;
    await act();
  } }, label);
  return button;
}

export class Info {
  static info = info("info", {
    heading: { type: ParameterType.STRING }, text: { type: ParameterType.STRING, array: true },
  });
  constructor(jsPsych) {
    this.jsPsych = jsPsych;
  }
  trial(place, { words, heading, text }) {
    const paragraphs = text.map((own) => make("p", {}, own));
    show(place, heading, ...paragraphs, once(words.next, () => this.jsPsych.finishTrial({})));
  }
}

export class Form {
  static info = info("form");
  constructor(jsPsych) {
    this.jsPsych = jsPsych;
  }
  trial(place, { words, state }) {
    const fields = state.questions.map((name) => {
      const { label, hint } = words.questions[name];
      const id = `question-${name}`;
      const described = hint ? { "aria-describedby": `${id}-hint` } : {};
      const input = name === "age"
        ? make("select", { id, ...described }, make("option", { value: "" }, words.no_answer),
            ...state.ages.map((band) => make("option", { value: band }, band)))
        : make("input", { id, type: "text", maxLength: 300, autocomplete: "off", ...described });
      const parts = [make("label", { for: id }, label), input];
      if (hint) parts.push(make("p", { id: `${id}-hint`, className: "hint" }, hint));
      return [name, input, make("div", { className: "field" }, ...parts)];
    });
    const next = once(words.next, async () => {
      await server.save("q", Object.fromEntries(fields.map(([name, input]) => [name, input.value])), words);
      this.jsPsych.finishTrial({});
    });
    show(place, words.questionnaire.heading, make("p", {}, words.questionnaire.text), ...fields.map((own) => own[2]), next);
  }
}

// Woods, Siegel, Traer and McDermott, "Headphone screening to facilitate web-based auditory experiments" (2017): one of
// three tones is 6 dB quieter, and another one is in antiphase between the ears, so that in the air it cancels and seems
// the quietest.
const TONE = { hertz: 200, seconds: 1, gap: 0.4, ramp: 0.1, level: 0.3, quiet: 0.5 };

function tones(context, quiet, antiphase) {
  const rate = context.sampleRate;
  const each = Math.round((TONE.seconds + TONE.gap) * rate);
  const buffer = context.createBuffer(2, 3 * each, rate);
  for (const ear of [0, 1]) {
    const samples = buffer.getChannelData(ear);
    for (let tone = 0; tone < 3; tone++) {
      const gain = TONE.level * (tone === quiet ? TONE.quiet : 1) * (tone === antiphase && ear ? -1 : 1);
      for (let at = 0; at < TONE.seconds * rate; at++) {
        const seconds = at / rate;
        const ramp = Math.min(1, seconds / TONE.ramp, (TONE.seconds - seconds) / TONE.ramp);
        samples[tone * each + at] = gain * ramp * Math.sin(2 * Math.PI * TONE.hertz * seconds);
      }
    }
  }
  return buffer;
}

export class Headphones {
  static info = info("headphones");
  constructor(jsPsych) {
    this.jsPsych = jsPsych;
  }
  trial(place, { words, state }) {
    const of = state.headphones;
    const context = new AudioContext();
    let right = 0;
    const round = (number) => {
      const [quiet, antiphase] = this.jsPsych.randomization.shuffle([0, 1, 2]);
      let source = null;
      const play = make("button", { type: "button", className: "play", onclick: async () => {
        await context.resume();
        source?.stop();
        source = new AudioBufferSourceNode(context, { buffer: tones(context, quiet, antiphase) });
        source.connect(context.destination);
        source.start();
        choice.disabled = false;
      } }, words.headphones.play);
      const choice = radios(words.headphones.ask, words.headphones.tones.map((label, at) => [String(at), label]),
        () => (next.disabled = false));
      const next = once(words.next, async () => {
        source?.stop();
        right += Number(choice.value) === quiet;
        if (number < of) return round(number + 1);
        await server.save("h", { right, of }, words);
        await context.close();
        this.jsPsych.finishTrial({});
      });
      choice.disabled = next.disabled = true;
      show(place, words.headphones.heading, ...words.headphones.text.map((text) => make("p", {}, text)),
        make("p", {}, fill(words.headphones.round, { n: number, of })), play, choice.element, next);
    };
    round(1);
  }
}
