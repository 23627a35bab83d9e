// What the user has set: how skeletons look, what the server is asked for, dark or light. Kept by the browser.

import { byId, setText } from "./dom.js";

const KEPT = "vitruvian-options";
const THEME = "vitruvian-theme";
const THEMES = ["auto", "light", "dark"];

const SWITCHES = { boxes: true, scores: true, names: false, angles: false, blur: false, sides: false };
const SLIDERS = { keypointScore: 0.3, score: null };

/** The options, which change in place. `looks(name)` hears of changes of the look, `asks()` of changes of requests. */
export function options({ looks, asks }) {
  const kept = parsed(read(KEPT));
  const values = { ...SWITCHES, ...SLIDERS };
  for (const name of Object.keys(SWITCHES)) if (typeof kept[name] === "boolean") values[name] = kept[name];
  for (const name of Object.keys(SLIDERS)) if (typeof kept[name] === "number") values[name] = Math.min(Math.max(kept[name], 0), 1);
  const keep = () => write(KEPT, JSON.stringify(values));
  for (const name of Object.keys(SWITCHES)) {
    const box = byId(`option-${name}`);
    box.checked = values[name];
    box.addEventListener("change", () => {
      values[name] = box.checked;
      keep();
      looks(name);
    });
  }
  for (const name of Object.keys(SLIDERS)) {
    const slider = byId(`option-${name}`);
    const show = () => setText(byId(`value-${name}`), values[name]?.toFixed(2) ?? "");
    if (values[name] !== null) slider.value = values[name];
    show();
    slider.addEventListener("input", () => {
      values[name] = Number(slider.value);
      show();
      if (name === "keypointScore") looks(name);
    });
    slider.addEventListener("change", () => {
      keep();
      if (name === "score") asks();
    });
  }
  return values;
}

/** Shows the score that the server takes where none was set. */
export function showDefault(values, score) {
  if (values.score !== null || !(score >= 0)) return;
  byId("option-score").value = score;
  setText(byId("value-score"), score.toFixed(2));
}

/** The switch between the system's theme, light and dark. */
export function theme() {
  const button = byId("theme");
  let current = THEMES.find((name) => name === read(THEME)) ?? "auto";
  const show = () => {
    document.documentElement.dataset.theme = current;
    button.dataset.theme = current;
    button.setAttribute("aria-label", `Theme: ${current === "auto" ? "as the system" : current}`);
    button.title = button.getAttribute("aria-label");
  };
  show();
  button.addEventListener("click", () => {
    current = THEMES[(THEMES.indexOf(current) + 1) % THEMES.length];
    write(THEME, current);
    show();
  });
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

function read(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function write(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // A full or forbidden storage only forgets the setting.
  }
}
