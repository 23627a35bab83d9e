// The drawn video as a file: the video is played once, drawn frame by frame, and recorded by the browser.

import { Clock, frameAt, openVideo } from "./playback.js";
import { drawnCanvas } from "./stage.js";

const TYPES = ["video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm", "video/mp4"];
const RATE = 30;
const BITS_PER_PIXEL = 0.12;
const LAST = 200; // milliseconds

/** Records a video item. `progress(part)` hears 0 to 1; aborting the signal gives null. Returns {blob, ending}. */
export async function record(item, style, { signal, progress }) {
  const type = globalThis.MediaRecorder ? TYPES.find((name) => MediaRecorder.isTypeSupported(name)) : null;
  if (!type) throw new Error("This browser can't record videos.");
  const player = (await openVideo(item.file)) ?? new Clock(item.frames);
  try {
    const blob = await play(player, item, style, type, signal, progress);
    return blob && { blob, ending: type.includes("webm") ? ".poses.webm" : ".poses.mp4" };
  } finally {
    player.close();
  }
}

function play(player, item, style, type, signal, progress) {
  const size = item.frames[0];
  const canvas = document.createElement("canvas");
  const empty = { ...size, persons: [] };
  const draw = (time) => drawnCanvas(player.source, frameAt(item.frames, time) ?? empty, item.skeleton, style, canvas);
  draw(0);
  const rate = item.header?.frame_rate || RATE;
  const videoBitsPerSecond = Math.max(size.width * size.height * Math.min(rate, 60) * BITS_PER_PIXEL, 1e6);
  const recorder = new MediaRecorder(canvas.captureStream(), { mimeType: type, videoBitsPerSecond });
  const parts = [];
  return new Promise((resolve, reject) => {
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onerror = ({ error }) => reject(error);
    recorder.onstop = () => resolve(signal.aborted ? null : new Blob(parts, { type: type.split(";")[0] }));
    const stop = () => recorder.state !== "inactive" && recorder.stop();
    signal.addEventListener("abort", stop, { once: true });
    player.ontime = (time) => {
      draw(time);
      progress(player.duration ? Math.min(time / player.duration, 1) : 0);
    };
    // The recorder takes the last frame only a little later.
    player.onstate = () => player.ended && setTimeout(stop, LAST);
    recorder.start(1000);
    player.play();
  });
}
