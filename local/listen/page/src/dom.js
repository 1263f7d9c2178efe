// Elements are made of text, never of markup: what anybody wrote stays text.

/** Make an element; a property that begins with "on" is a listener, one with a dash or "role" an attribute. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Put a screen in the place of what is shown; its heading gets the focus, so that screen readers begin there. */
export function show(place, heading, ...children) {
  const title = make("h1", { tabIndex: -1 }, heading);
  place.replaceChildren(title, ...children);
  window.scrollTo(0, 0);
  title.focus({ preventScroll: true });
  return title;
}

/** Put values into a text: {n} by values.n. */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

let groups = 0;

/** A group of radio buttons: {element, value, disabled}; calls back on every change. */
export function radios(legend, options, changed = () => {}) {
  const name = `group${++groups}`;
  const inputs = options.map(([value, label]) => {
    const input = make("input", { type: "radio", name, value, onchange: () => changed(value) });
    return [input, make("label", { className: "option" }, input, make("span", {}, label))];
  });
  const element = make(
    "fieldset",
    {},
    make("legend", {}, legend),
    make("div", { className: "options" }, ...inputs.map(([, label]) => label)),
  );
  return {
    element,
    get value() {
      return inputs.find(([input]) => input.checked)?.[0].value ?? null;
    },
    set disabled(value) {
      element.disabled = value;
    },
  };
}
