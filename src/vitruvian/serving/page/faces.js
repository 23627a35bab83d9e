// Faces made unrecognisable, where the keypoints say that they are: the rule of vitruvian.drawing.faces.

import { finite } from "./geometry.js";

const FACE = ["nose", "eye", "eyes", "ear", "ears", "face", "mouth", "chin", "forehead"];
const HEAD = ["head", "neck"];
const SQUARES = 6;
const LEAST = 0.13;
const REACH = 1.8;

const small = new OffscreenCanvas(SQUARES, SQUARES);

/** The numbers of the keypoints of the face; of skeletons without, those of the head and the neck. */
export function facePoints(skeleton) {
  const words = skeleton.keypoints.map((name) => name.toLowerCase().match(/[a-z]+/g) ?? []);
  const having = (parts) => [...words.keys()].filter((index) => words[index].some((word) => parts.includes(word)));
  const face = having(FACE);
  return face.length ? face : having(HEAD);
}

/** Blurs a circle around the face of every person on a context that draws in pixels of the picture. */
export function blurFaces(context, source, frame, skeleton, keypointScore) {
  const points = facePoints(skeleton);
  if (!points.length) return;
  for (const person of frame.persons) blur(context, source, frame, circle(person, points, keypointScore));
}

/** Centre and radius in pixels of the picture. */
export function circle(person, points, keypointScore) {
  const [x1, y1, x2, y2] = person.box;
  const least = LEAST * Math.sqrt(Math.max(x2 - x1, 0) * Math.max(y2 - y1, 0));
  const known = points.filter((index) => finite(person.keypoints[index]));
  const sure = known.filter((index) => person.keypoint_scores[index] >= keypointScore);
  const around = (sure.length ? sure : known).map((index) => person.keypoints[index]);
  if (!around.length) return { x: (x1 + x2) / 2, y: y1 + least, radius: least };
  const x = around.reduce((sum, point) => sum + point[0], 0) / around.length;
  const y = around.reduce((sum, point) => sum + point[1], 0) / around.length;
  const reach = Math.max(...around.map((point) => Math.hypot(point[0] - x, point[1] - y)));
  return { x, y, radius: Math.max(REACH * reach, least, 2) };
}

function blur(context, source, frame, { x, y, radius }) {
  const [left, top] = [Math.max(x - radius, 0), Math.max(y - radius, 0)];
  const width = Math.min(x + radius, frame.width) - left;
  const height = Math.min(y + radius, frame.height) - top;
  if (!(width >= 1 && height >= 1)) return;
  // The source may have other pixels than the frame, as the server's picture may be reduced.
  const [across, down] = [source.width / frame.width, source.height / frame.height];
  const few = small.getContext("2d");
  few.imageSmoothingQuality = "high";
  few.drawImage(source.image, left * across, top * down, width * across, height * down, 0, 0, SQUARES, SQUARES);
  context.save();
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.clip();
  context.imageSmoothingEnabled = true;
  context.drawImage(small, 0, 0, SQUARES, SQUARES, left, top, width, height);
  context.restore();
}
