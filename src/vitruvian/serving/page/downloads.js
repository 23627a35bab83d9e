// Results as files: JSON, CSV, NDJSON, pictures. The formats are those of docs/output.md.

/** One object of frames, as `vitruvian predict --json` writes it; those of several pictures are counted through. */
export function asJson(items) {
  const source = items.length === 1 ? items[0].name : "page";
  const { generator, skeleton } = items[0];
  const header = JSON.stringify({ version: 1, generator, source, skeleton });
  const frames = items.flatMap((item) => item.frames).map((frame) => ({ ...frame }));
  if (items.length > 1) frames.forEach((frame, index) => (frame.index = index));
  return `${header.slice(0, -1)}, "frames": [\n${frames.map((frame) => JSON.stringify(frame)).join(",\n")}\n]}\n`;
}

/** One line a frame, after one with the skeleton. */
export function asNdjson(item) {
  return [item.header, ...item.frames].map((line) => `${JSON.stringify(line)}\n`).join("");
}

/** One row a person, as `vitruvian predict --csv --angles` writes it. */
export function asCsv(items) {
  const { keypoints } = items[0].skeleton;
  const joints = Object.keys(items.flatMap((item) => item.frames.flatMap((frame) => frame.persons))[0]?.angles ?? {});
  const columns = ["source", "frame", "time", "person", "track_id", "score", "x1", "y1", "x2", "y2"];
  for (const name of keypoints) columns.push(`${name}_x`, `${name}_y`, `${name}_score`);
  columns.push(...joints.map((name) => `${name}_angle`));
  const rows = [columns];
  items.forEach((item, place) => {
    for (const frame of item.frames) {
      const index = items.length > 1 ? place : frame.index;
      frame.persons.forEach((person, number) => {
        const values = person.keypoints.flatMap(([x, y], point) => [x, y, person.keypoint_scores[point]]);
        const angles = joints.map((name) => person.angles?.[name]);
        rows.push([frame.source, index, frame.time, number, person.track_id, person.score, ...person.box, ...values, ...angles]);
      });
    }
  });
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function cell(value) {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Gives the user a file; `content` is a text or a blob. */
export function save(content, type, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  link.download = name;
  link.click();
  // The browser may begin to read only after the click is over.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A file's name with another ending. */
export const renamed = (name, ending) => `${name.replace(/\.[^.]*$/, "") || "poses"}${ending}`;
