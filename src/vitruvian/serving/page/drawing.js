// Skeletons, boxes and labels on a canvas, as vitruvian.drawing draws them.

import { blurFaces } from "./faces.js";
import { finite, unitOf } from "./geometry.js";
import { Labels } from "./labels.js";
import { layer } from "./layer.js";
import { OUTLINE, SIDES, css, limbSide, personColour, side } from "./palette.js";

const OPACITIES = [0.4, 0.65, 0.9];
const LIMB = 1.2;
const LEAST_NAMED = 6;
const FADED = 0.22;

/**
 * Draws a frame on a context that is set to pixels of the picture.
 *
 * source: {image, width, height}, what the frame was found in, or null where the browser can't show it.
 * style: {boxes, scores, names, angles, blur, sides, keypointScore}.
 * look: {least, rim, text, focus}: the least line width, the width of outlines and the height of text in pixels of the
 * picture, and the place of the person that is shown before all others, or null.
 */
export function drawFrame(context, source, frame, skeleton, style, look) {
  if (source) context.drawImage(source.image, 0, 0, frame.width, frame.height);
  if (source && style.blur) blurFaces(context, source, frame, skeleton, style.keypointScore);
  context.save();
  // A whole number is the middle of a pixel, for a canvas its corner.
  context.translate(0.5, 0.5);
  const places = [...frame.persons.keys()];
  const order = [...places].reverse();
  if (look.focus !== null && look.focus < order.length) order.push(order.splice(order.indexOf(look.focus), 1)[0]);
  const unit = (place) => Math.max(unitOf(frame.persons[place].box), look.least);
  for (const place of order) {
    const colour = style.sides ? null : personColour(frame, place);
    const faded = look.focus !== null && look.focus !== place ? FADED : 1;
    drawSkeleton(context, frame.persons[place], skeleton, style, colour, unit(place), look.rim, faded);
    if (style.boxes || look.focus === place) {
      drawBox(context, frame.persons[place].box, colour ?? SIDES.centre, unit(place), look.rim, faded);
    }
  }
  context.globalAlpha = 1;
  drawLabels(context, frame, skeleton, style, look, unit, order);
  context.restore();
}

function drawSkeleton(context, person, skeleton, style, colour, unit, rim, faded) {
  const threshold = style.keypointScore;
  const level = person.keypoint_scores.map((score, index) => {
    if (!(score >= threshold) || !finite(person.keypoints[index])) return -1;
    const sure = (score - threshold) / Math.max(1 - threshold, 1e-6);
    return Math.min(Math.floor(sure * OPACITIES.length), OPACITIES.length - 1);
  });
  const seen = person.keypoints.filter((_, index) => level[index] >= 0);
  const margin = 2 * unit + 2 * rim;
  const bounds = [
    Math.min(...seen.map(([x]) => x)) - margin, Math.min(...seen.map(([, y]) => y)) - margin,
    Math.max(...seen.map(([x]) => x)) + margin, Math.max(...seen.map(([, y]) => y)) + margin,
  ];
  const limbLevel = skeleton.limbs.map(([first, second]) => Math.min(level[first], level[second]));
  OPACITIES.forEach((alpha, own) => {
    if (!level.includes(own)) return;
    layer(context, bounds, alpha * faded, (over) => {
      over.lineCap = "round";
      skeleton.limbs.forEach(([first, second], limb) => {
        if (limbLevel[limb] !== own) return;
        const path = new Path2D();
        path.moveTo(...person.keypoints[first]);
        path.lineTo(...person.keypoints[second]);
        const paint = colour ?? SIDES[limbSide(skeleton.keypoints[first], skeleton.keypoints[second])];
        stroke(over, path, OUTLINE, unit * LIMB + 2 * rim);
        stroke(over, path, paint, unit * LIMB);
      });
      level.forEach((of, index) => {
        if (of !== own) return;
        disc(over, person.keypoints[index], unit * 1.1 + rim, OUTLINE);
        disc(over, person.keypoints[index], unit * 1.1, [255, 255, 255]);
        disc(over, person.keypoints[index], unit * 0.77, SIDES[side(skeleton.keypoints[index])]);
      });
    });
  });
}

function stroke(context, path, colour, width) {
  context.strokeStyle = css(colour);
  context.lineWidth = width;
  context.stroke(path);
}

function disc(context, [x, y], radius, colour) {
  context.fillStyle = css(colour);
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

function drawBox(context, [x1, y1, x2, y2], colour, unit, rim, faded) {
  context.globalAlpha = faded;
  context.lineJoin = "round";
  context.strokeStyle = css(colour);
  context.lineWidth = Math.max(unit * 0.6, rim);
  context.strokeRect(x1, y1, x2 - x1, y2 - y1);
}

function drawLabels(context, frame, skeleton, style, look, unit, order) {
  const labels = new Labels(context, frame.width, frame.height, look.text);
  const shown = (place) => look.focus === null || look.focus === place;
  for (const place of order.filter(shown)) {
    const person = frame.persons[place];
    const words = person.track_id ? [`#${person.track_id}`] : [];
    if (style.scores) words.push(person.score.toFixed(2));
    const colour = style.sides ? SIDES.centre : personColour(frame, place);
    if (words.length) labels.write(words.join(" "), person.box[0], person.box[1], colour);
  }
  for (const [place, person] of frame.persons.entries()) {
    if (!shown(place)) continue;
    const [x1, y1, x2, y2] = person.box;
    const large = Math.sqrt(Math.max(x2 - x1, 0) * Math.max(y2 - y1, 0)) >= LEAST_NAMED * labels.lineHeight;
    person.keypoints.forEach((point, index) => {
      const seen = person.keypoint_scores[index] >= style.keypointScore && finite(point);
      if (!seen) return;
      const name = skeleton.keypoints[index];
      const angle = style.angles ? person.angles?.[name] : null;
      const words = style.names && large ? [name.replaceAll("_", " ")] : [];
      if (Number.isFinite(angle)) words.push(`${Math.round(angle)}°`);
      if (words.length) labels.writeWhereFree(words.join(" "), ...point, unit(place) * 1.8, OUTLINE);
    });
  }
}
