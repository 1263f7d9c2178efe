// The listening test: consent, then a jsPsych timeline of what is not saved yet.
import { initJsPsych } from "jspsych";

import { fill, make, show } from "./dom.js";
import { Form, Headphones, Info } from "./forms.js";
import { Listening } from "./listening.js";
import * as server from "./server.js";

const page = document.getElementById("page");

function speak(language, words) {
  document.documentElement.lang = language;
  document.title = words.title;
}

/** Language and consent; resolves when the server knows that the listener agreed. */
function consent(state) {
  return new Promise((done) => {
    const draw = (language) => {
      const words = state.texts[language];
      speak(language, words);
      const begin = make("button", {
        type: "button", className: "main", disabled: true,
        onclick: async () => {
          begin.disabled = true;
          await server.start(language, words);
          done();
        },
      }, words.begin);
      const agree = make("input", { type: "checkbox", onchange: () => (begin.disabled = !agree.checked) });
      const languages = state.languages.map((own) => make("button", {
        type: "button", lang: own, "aria-pressed": String(own === language), onclick: () => draw(own),
      }, state.texts[own].name));
      show(
        page,
        words.title,
        ...(languages.length > 1
          ? [make("div", { className: "row", role: "group", "aria-label": words.language }, ...languages)] : []),
        make("h2", {}, words.consent.heading),
        ...words.consent.text.map((text) => make("p", {}, text)),
        make("label", { className: "option wide" }, agree, make("span", {}, words.consent.agree)),
        begin,
      );
    };
    draw(state.languages[0]);
  });
}

/** What can be done on every screen: take everything back. */
function foot(words) {
  const place = document.getElementById("foot");
  const ask = make("button", { type: "button", className: "quiet", onclick: () => {
    const yes = make("button", { type: "button", onclick: async () => {
      await server.withdraw(words);
      location.reload();
    } }, words.withdraw.yes);
    const no = make("button", { type: "button", onclick: () => { foot(words); place.querySelector("button").focus(); } },
      words.withdraw.no);
    place.replaceChildren(make("p", { id: "sure" }, words.withdraw.sure), make("div", { className: "row" }, yes, no));
    no.focus();
  } }, words.withdraw.ask);
  place.replaceChildren(ask);
}

function progress(words, done, of) {
  const label = fill(words.progress, { done, of });
  document.getElementById("progress").replaceChildren(
    make("label", {}, make("span", {}, label), make("progress", { value: done, max: of })),
  );
}

/** The timeline: what the server has not saved. */
function timeline(state, words) {
  const saved = new Set(state.saved);
  const common = { words, state };
  const screens = [];
  if (state.questions.length && !saved.has("q")) screens.push({ type: Form, ...common });
  if (state.headphones && !saved.has("h")) screens.push({ type: Headphones, ...common });
  const left = state.plan.filter((trial) => !saved.has(trial.key));
  let heard = 0;
  for (const task of ["choice", "segment"]) {
    const own = left.filter((trial) => trial.task === task);
    if (!own.length) continue;
    screens.push({ type: Info, ...common, heading: words[task].heading, text: words[task].text });
    own.forEach((trial, place) => {
      const practised = place && own[place - 1].kind === "practice";
      if (practised && trial.kind !== "practice")
        screens.push({ type: Info, ...common, heading: words.serious.heading, text: words.serious.text });
      if (trial.kind !== "practice" && heard++ && (heard - 1) % state.rest === 0)
        screens.push({ type: Info, ...common, heading: words.rest.heading, text: words.rest.text });
      const next = left[left.indexOf(trial) + 1];
      const on_start = () => progress(words, state.plan.indexOf(trial), state.plan.length);
      screens.push({ type: Listening, ...common, item: trial, next: next?.clip ?? "", on_start });
    });
  }
  return screens;
}

async function main() {
  let state = await server.state();
  if (state.status === "new") {
    await consent(state);
    state = await server.state();
  }
  // Of who took everything back, or whose link it is not, the server knows no language.
  const own = navigator.languages.map((tag) => tag.split("-")[0]).find((tag) => state.languages.includes(tag));
  const language = state.language ?? own ?? state.languages[0];
  const words = state.texts[language];
  speak(language, words);
  const say = (what) => show(page, words[what].heading, ...words[what].text.map((text) => make("p", {}, text)));
  if (state.status !== "open") {
    if (state.status === "done") foot(words);
    say(state.status);
    return;
  }
  foot(words);
  const screens = timeline(state, words);
  const end = () => {
    document.getElementById("progress").replaceChildren();
    say("done");
  };
  page.replaceChildren();
  if (!screens.length) return end();
  await initJsPsych({ display_element: page, on_finish: end, override_safe_mode: true }).run(screens);
}

main();
