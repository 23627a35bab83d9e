// The table of persons of the frame that is shown, and the numbers of one of them.

import { byId, count, make, setText, spoken } from "./dom.js";
import { css, personColour } from "./palette.js";

export const seen = (person, threshold) => person.keypoint_scores.filter((score) => score >= threshold).length;
export const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : 0);

export class Persons {
  /** `hovered(place)` and `chosen(place)` hear of the row under the pointer or focus, and of the row that is chosen. */
  constructor({ hovered, chosen }) {
    this.body = byId("persons-body");
    this.rows = [];
    // The place in the frame of each row's person: tracked persons are listed by their numbers, so that they stay.
    this.order = [];
    this.chosen = null;
    this.notify = { hovered, chosen };
    this.body.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Shows the persons of a frame, or none of null; rows stay the same elements, so that focus stays. */
  show(frame, skeleton, threshold) {
    Object.assign(this, { frame, skeleton, threshold });
    const persons = frame?.persons ?? [];
    while (this.rows.length > persons.length) this.rows.pop().remove();
    while (this.rows.length < persons.length) this.#addRow();
    this.order = [...persons.keys()].sort((one, other) => rank(persons[one]) - rank(persons[other]) || one - other);
    this.rows.forEach((row, index) => this.#fill(row, this.order[index]));
    byId("persons-table").hidden = !persons.length;
    byId("persons-none").hidden = Boolean(persons.length);
    setText(byId("persons-none"), frame ? "Nobody was found here." : "Nobody yet.");
    setText(byId("persons-count"), frame ? String(persons.length) : "");
    this.#mark();
    this.#details();
  }

  setChosen(place) {
    this.chosen = place;
    this.#mark();
    this.#details();
  }

  setHovered(place) {
    this.rows.forEach((row, index) => row.classList.toggle("hovered", place !== null && this.order[index] === place));
  }

  #addRow() {
    const index = this.rows.length;
    const row = make("tr", { role: "row", "aria-selected": "false" });
    const swatch = make("span", { className: "swatch", "aria-hidden": "true" });
    row.append(
      make("th", { scope: "row" }, swatch, make("span")),
      ...Array.from({ length: 4 }, () => make("td", { className: "number" })),
    );
    for (const name of ["pointerenter", "focus"]) row.addEventListener(name, () => this.notify.hovered(this.order[index]));
    for (const name of ["pointerleave", "blur"]) row.addEventListener(name, () => this.notify.hovered(null));
    row.addEventListener("click", () => this.#toggle(index));
    this.rows.push(row);
    this.body.append(row);
  }

  #toggle(index) {
    this.notify.chosen(this.chosen === this.order[index] ? null : this.order[index]);
  }

  #fill(row, place) {
    const person = this.frame.persons[place];
    const [head, ...cells] = row.children;
    head.firstChild.style.backgroundColor = css(personColour(this.frame, place));
    setText(head.lastChild, person.track_id ? `#${person.track_id}` : String(place + 1));
    const [x1, y1, x2, y2] = person.box;
    const texts = [
      person.score.toFixed(2),
      `${seen(person, this.threshold)}/${person.keypoints.length}`,
      mean(person.keypoint_scores).toFixed(2),
      `${Math.round(x2 - x1)} × ${Math.round(y2 - y1)}`,
    ];
    texts.forEach((text, index) => setText(cells[index], text));
  }

  #mark() {
    const chosen = this.chosen === null ? -1 : this.order.indexOf(this.chosen);
    this.rows.forEach((row, index) => {
      row.setAttribute("aria-selected", String(index === chosen));
      row.tabIndex = index === Math.max(chosen, 0) ? 0 : -1;
    });
  }

  #key(event) {
    const index = this.rows.indexOf(event.target);
    if (index < 0) return;
    const last = this.rows.length - 1;
    const target = { ArrowDown: Math.min(index + 1, last), ArrowUp: Math.max(index - 1, 0), Home: 0, End: last }[event.key];
    if (target !== undefined) this.rows[target].focus();
    else if (event.key === "Enter" || event.key === " ") this.#toggle(index);
    else if (event.key === "Escape") this.notify.chosen(null);
    else return;
    event.preventDefault();
  }

  #details() {
    const person = this.frame?.persons[this.chosen];
    byId("details").hidden = !person;
    if (!person) return;
    setText(byId("details-title"), `${personName(person, this.chosen)}, keypoints`);
    const rows = person.keypoints.map(([x, y], index) => {
      const score = person.keypoint_scores[index];
      const meter = make("meter", { min: 0, max: 1, value: score, "aria-label": "score" });
      const name = this.skeleton.keypoints[index];
      const angle = person.angles?.[name];
      return make("tr", { className: score >= this.threshold ? "" : "unsure" },
        make("th", { scope: "row" }, spoken(name)),
        make("td", { className: "number" }, x.toFixed(1)),
        make("td", { className: "number" }, y.toFixed(1)),
        make("td", { className: "number" }, meter, score.toFixed(2)),
        make("td", { className: "number" }, Number.isFinite(angle) ? `${Math.round(angle)}°` : "–"));
    });
    byId("details-body").replaceChildren(...rows);
  }
}

const rank = (person) => person.track_id ?? Infinity;

export const personName = (person, place) => (person.track_id ? `Person #${person.track_id}` : `Person ${place + 1}`);

/** A person's numbers in a few lines; of a keypoint too where one is named by its number. */
export function summary(frame, skeleton, place, keypoint, threshold) {
  const person = frame.persons[place];
  const lines = [[`score ${person.score.toFixed(2)}`, `${seen(person, threshold)} of ${count(person.keypoints.length, "keypoint")}`].join(" · ")];
  if (keypoint >= 0) {
    const [x, y] = person.keypoints[keypoint];
    const name = skeleton.keypoints[keypoint];
    const angle = person.angles?.[name];
    lines.push(`${spoken(name)} ${person.keypoint_scores[keypoint].toFixed(2)} at ${x.toFixed(1)}, ${y.toFixed(1)}`);
    if (Number.isFinite(angle)) lines.push(`angle ${Math.round(angle)}°`);
  }
  return { title: personName(person, place), lines };
}
