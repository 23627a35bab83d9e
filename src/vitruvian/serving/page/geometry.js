// Distances and places in pixels of the picture.

/** Whether a keypoint has a place that can be drawn. */
export const finite = (point) => point?.every((value) => Number.isFinite(value) && Math.abs(value) < 1e6) ?? false;

/** The line width that suits a person of this size, as vitruvian.drawing has it. */
export function unitOf([x1, y1, x2, y2]) {
  const size = Math.sqrt(Math.max(x2 - x1, 0) * Math.max(y2 - y1, 0));
  return Math.min(Math.max(size / 60, 1), 40);
}

/** Distance of a point to the line between two others. */
export function distanceToLine([x, y], [x1, y1], [x2, y2]) {
  const [across, down] = [x2 - x1, y2 - y1];
  const length = across * across + down * down;
  const along = length ? Math.min(Math.max(((x - x1) * across + (y - y1) * down) / length, 0), 1) : 0;
  return Math.hypot(x - x1 - along * across, y - y1 - along * down);
}

/**
 * The person at a place, and the keypoint there: the nearest limb or keypoint within `reach`, else the smallest box.
 * Returns {place, keypoint} with keypoint -1 where none is near, or null.
 */
export function personAt(frame, skeleton, keypointScore, at, reach) {
  let best = null;
  frame.persons.forEach((person, place) => {
    const seen = (index) => person.keypoint_scores[index] >= keypointScore && finite(person.keypoints[index]);
    const offer = (distance, keypoint) => {
      if (distance > reach) return;
      // A keypoint lies on its limbs, and is meant where it is near.
      const rank = keypoint < 0 ? distance : distance - reach / 2;
      if (!best || rank < best.rank) best = { rank, place, keypoint };
    };
    person.keypoints.forEach((point, index) => {
      if (seen(index)) offer(Math.hypot(point[0] - at[0], point[1] - at[1]), index);
    });
    for (const [first, second] of skeleton.limbs) {
      if (seen(first) && seen(second)) {
        offer(distanceToLine(at, person.keypoints[first], person.keypoints[second]), -1);
      }
    }
  });
  if (best) return { place: best.place, keypoint: best.keypoint };
  const holding = [...frame.persons.keys()].filter((place) => {
    const [x1, y1, x2, y2] = frame.persons[place].box;
    return x1 <= at[0] && at[0] <= x2 && y1 <= at[1] && at[1] <= y2;
  });
  const area = (place) => {
    const [x1, y1, x2, y2] = frame.persons[place].box;
    return (x2 - x1) * (y2 - y1);
  };
  holding.sort((one, other) => area(one) - area(other));
  return holding.length ? { place: holding[0], keypoint: -1 } : null;
}

/** How a picture of this size lies in a room of that one: scale, and left and top of the picture. */
export function fitted(width, height, room, roomHeight) {
  const scale = Math.min(room / width, roomHeight / height);
  return { scale, left: (room - width * scale) / 2, top: (roomHeight - height * scale) / 2 };
}
