// Colours of persons and of the body's sides: those of vitruvian.drawing.

export const PERSONS = [
  [86, 180, 233], [230, 159, 0], [0, 190, 125], [240, 228, 66], [204, 121, 167], [213, 94, 0],
  [120, 130, 255], [170, 220, 120], [255, 128, 160], [64, 224, 224], [190, 150, 110], [200, 90, 255],
];
export const SIDES = { left: [0, 194, 255], right: [255, 122, 48], centre: [255, 231, 120] };
export const NOBODY = [200, 200, 200];
export const OUTLINE = [24, 24, 32];

export const css = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;

/** The colour of a person, by track number where the frame is tracked, else by place. */
export function personColour(frame, place) {
  const number = frame.persons[place].track_id;
  if (number) return PERSONS[(number - 1) % PERSONS.length];
  return frame.persons.some((person) => person.track_id) ? NOBODY : PERSONS[place % PERSONS.length];
}

/** The side of the body that a keypoint belongs to, by its name. */
export function side(name) {
  const words = name.toLowerCase().split(/[_-]/);
  return words.includes("left") ? "left" : words.includes("right") ? "right" : "centre";
}

/** The side of a limb; one that joins two sides lies in the centre. */
export function limbSide(first, second) {
  const [one, other] = [side(first), side(second)];
  if (one === other || other === "centre") return one;
  return one === "centre" ? other : "centre";
}

/** Black or white, whichever is read better on a colour. */
export const ink = (colour) => (colour[0] + colour[1] + colour[2] > 300 ? "#000" : "#fff");
