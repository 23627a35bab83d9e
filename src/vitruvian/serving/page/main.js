// The page: files come in, the server's answers are shown, results go out.

import * as api from "./api.js";
import { Camera } from "./camera.js";
import { byId, count, make, setText } from "./dom.js";
import { Exports } from "./exports.js";
import { facePoints } from "./faces.js";
import { takeFiles } from "./intake.js";
import { Item, Queue } from "./items.js";
import { options, showDefault, theme } from "./options.js";
import { Persons, summary } from "./persons.js";
import { Stage } from "./stage.js";
import { Strip, stateText } from "./strip.js";
import { askToken } from "./token.js";
import { Viewer } from "./viewer.js";

const MOST_ANNOUNCED = 1000; // milliseconds between announcements

const items = [];
let current = null;
let camera = null;
// The chosen person: a track number where there is one, else a place in the frame.
let chosen = null;

const style = options({ looks: redraw, asks: askAgain });
const exported = new Exports(style, () => items);
const persons = new Persons({ hovered: hover, chosen: choose });
const stage = new Stage(byId("canvas"), style, { hovered: hover, chosen: choose });
const viewer = new Viewer(shown);
const strip = new Strip({ chosen: select, removed: remove });
const queue = new Queue(query, changed);

theme();
api.onTokenNeeded(askToken);
takeFiles(add);
for (const button of document.querySelectorAll("[data-action=camera]")) button.addEventListener("click", startCamera);
document.querySelector("[data-action=example]").addEventListener("click", addExample);
byId("cancel").addEventListener("click", () => current && queue.cancel(current));
byId("again").addEventListener("click", () => current && runAgain(current));
byId("problem-again").addEventListener("click", () => (current ? runAgain(current) : startCamera()));
byId("problem-remove").addEventListener("click", () => (current ? remove(current) : select(items.at(-1) ?? null)));
byId("camera-stop").addEventListener("click", () => camera?.stop());
byId("camera-keep").addEventListener("click", keepFrame);
showModels();

/** The query of a request of a kind: picture, video or camera. */
function query(kind) {
  const asked = { score: style.score, angles: true };
  return kind === "picture" ? asked : { ...asked, track: true, smooth: true };
}

function add(files) {
  const added = files.map((file) => new Item(file));
  for (const item of added) {
    items.push(item);
    strip.add(item);
  }
  if (added.length) select(added[0]);
  for (const item of added) queue.add(item);
}

async function addExample() {
  const response = await fetch("example.jpg");
  if (response.ok) add([new File([await response.blob()], "example.jpg", { type: "image/jpeg" })]);
}

function remove(item) {
  queue.cancel(item);
  const place = items.indexOf(item);
  items.splice(place, 1);
  strip.remove(item);
  if (item === current) select(items[Math.min(place, items.length - 1)] ?? null);
}

function runAgain(item) {
  chosen = null;
  queue.again(item);
  viewer.open(item);
}

/** Sends the pictures again, as a changed request wants it. */
function askAgain() {
  for (const item of items) if (item.kind === "picture") queue.again(item);
}

/** Shows an item, or the start where there is none. */
function select(item) {
  if (camera) camera.stop();
  current = item;
  chosen = null;
  hover(null);
  showWorkspace(Boolean(item));
  strip.setCurrent(item);
  if (item) viewer.open(item);
  else viewer.close();
  caption();
}

function showWorkspace(visible) {
  byId("welcome").hidden = visible;
  byId("workspace").hidden = !visible;
  byId("bar-add").hidden = byId("bar-camera").hidden = !visible;
}

/** An item has made a step. */
function changed(item) {
  strip.update(item);
  if (item.settled && item.state !== "failed") announce(item);
  if (item.state === "done" && item !== current) thumbnailOf(item);
  if (item !== current) return exported.update(current);
  viewer.changed();
  caption();
}

/** The viewer shows a frame of the current item; without one, its source alone. */
function shown(source, frame) {
  const size = frame ?? source;
  if (size) byId("stage").style.setProperty("--aspect", `${size.width} / ${size.height}`);
  showFrame(source, frame, current?.skeleton);
  if (current && (frame || source)) thumbnail(current, source);
}

const pictured = new WeakMap();

function thumbnail(item, source) {
  // Once before and once after the answer.
  const key = `${Boolean(source)} ${item.frames.length > 0 && item.kind === "picture"}`;
  if (pictured.get(item) === key) return;
  pictured.set(item, key);
  strip.picture(item, source, style);
}

function showFrame(source, frame, skeleton) {
  const known = frame && skeleton ? frame : null;
  stage.show(source, frame, skeleton);
  persons.show(known, skeleton, style.keypointScore);
  byId("option-blur").disabled = Boolean(skeleton) && !facePoints(skeleton).length;
  const place = chosenPlace();
  persons.setChosen(place);
  if (!hovering) stage.setFocus(place);
  exported.showing(stage.source, known, skeleton);
  byId("canvas").setAttribute("aria-label", known
    ? `${count(known.persons.length, "person", "persons")} with keypoints drawn on ${current?.name ?? "the camera"}`
    : "No result yet");
}

/** Draws the small picture of an item that isn't shown. */
async function thumbnailOf(item) {
  const source = await viewer.picture(item);
  strip.picture(item, source, style);
  source?.image.close();
}

function redraw(name) {
  stage.draw();
  if (name === "blur") items.forEach((item) => item.kind === "picture" && thumbnailOf(item));
  persons.show(stage.skeleton ? stage.frame : null, stage.skeleton, style.keypointScore);
}

const keyOf = (person, place) => (person.track_id ? `#${person.track_id}` : place);

/** The place of the chosen person in the frame that is shown, or null. */
function chosenPlace() {
  const place = stage.frame?.persons.findIndex((person, index) => keyOf(person, index) === chosen) ?? -1;
  return place < 0 ? null : place;
}

let hovering = false;

function hover(place, keypoint = -1, x = 0, y = 0) {
  const { frame, skeleton } = stage;
  const person = place === null ? null : frame?.persons[place];
  hovering = Boolean(person);
  persons.setHovered(person ? place : null);
  stage.setFocus(person ? place : chosenPlace());
  const tooltip = byId("tooltip");
  tooltip.hidden = !person || !(x || y);
  if (tooltip.hidden) return;
  const { title, lines } = summary(frame, skeleton, place, keypoint, style.keypointScore);
  setText(tooltip.firstElementChild, title);
  tooltip.lastElementChild.replaceChildren(...lines.map((line) => make("span", {}, line)));
  const { clientWidth, clientHeight } = byId("canvas");
  tooltip.style.left = `${Math.min(x + 14, Math.max(clientWidth - tooltip.offsetWidth - 6, 0))}px`;
  tooltip.style.top = `${Math.min(y + 14, Math.max(clientHeight - tooltip.offsetHeight - 6, 0))}px`;
}

function choose(place) {
  chosen = place === null ? null : keyOf(stage.frame.persons[place], place);
  persons.setChosen(place);
  stage.setFocus(place);
}

function caption() {
  const live = Boolean(camera);
  const running = Boolean(current && !current.settled);
  setText(byId("caption-name"), current?.name ?? "Camera");
  if (!live) setText(byId("caption-state"), current ? captionText(current) : "");
  byId("cancel").hidden = !running;
  byId("again").hidden = !(current?.state === "cancelled" || (current?.state === "done" && current.kind === "video"));
  byId("camera-keep").hidden = byId("camera-stop").hidden = !live;
  const progress = byId("progress");
  progress.hidden = !running;
  if (current?.progress === null || !running) progress.removeAttribute("value");
  else progress.value = current.progress;
  showProblem(current?.state === "failed" ? current.error : "");
  exported.update(current);
}

function captionText(item) {
  const size = item.frames[0] && item.settled ? `${item.frames[0].width} × ${item.frames[0].height}` : "";
  const unshown = viewer.unplayable && item.frames.length ? "the browser can't show this format" : "";
  return [stateText(item), size, unshown].filter(Boolean).join(" · ");
}

function showProblem(text) {
  setText(byId("problem-text"), text);
  byId("problem").hidden = !text;
}

let announced = 0;

/** Tells screen readers of a result; of many in a row, of some. */
function announce(item) {
  const now = performance.now();
  if (now - announced < MOST_ANNOUNCED && item !== current) return;
  announced = now;
  setText(byId("live"), `${item.name}: ${stateText(item)}`);
}

async function startCamera() {
  select(null);
  showWorkspace(true);
  showProblem("");
  viewer.close();
  const own = new Camera({ result: cameraResult, ended: (problem) => camera === own && cameraEnded(problem) });
  camera = own;
  setText(byId("caption-state"), "starting");
  caption();
  try {
    await own.start(query("camera"));
  } catch (error) {
    own.stop(error);
  }
}

function cameraResult(source, frame, skeleton) {
  byId("stage").style.setProperty("--aspect", `${frame.width} / ${frame.height}`);
  showFrame(source, frame, skeleton);
  const found = count(frame.persons.length, "person", "persons");
  setText(byId("caption-state"), `${found} · ${camera.rate} frames a second · ${Math.round(camera.delay)} ms behind`);
}

function cameraEnded(problem) {
  camera = null;
  caption();
  setText(byId("caption-state"), "stopped");
  if (problem) showProblem(problem.message);
  else if (!stage.frame) select(items.at(-1) ?? null);
}

async function keepFrame() {
  const { image } = stage.source ?? {};
  if (!image) return;
  const blob = await image.convertToBlob({ type: "image/png" });
  add([new File([blob], `camera-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.png`, { type: "image/png" })]);
}

async function showModels() {
  const { models, defaults, limits } = await api.models().catch(() => ({ models: [] }));
  queue.limits = limits ?? {};
  setText(byId("models"), models.map(({ name }) => name).join(" + "));
  byId("models").hidden = !models.length;
  showDefault(style, defaults?.score);
}
