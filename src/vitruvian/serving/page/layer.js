// A part of a drawing that becomes transparent as a whole, so that what overlaps in it doesn't shine through.

const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d");

/**
 * Lets `draw(context)` draw in the coordinates of `target`, and puts what it drew there with this opacity.
 * bounds: [left, top, right, bottom], what is drawn lies in, in those coordinates.
 */
export function layer(target, bounds, opacity, draw) {
  const matrix = target.getTransform();
  const { width, height } = target.canvas;
  if (canvas.width < width || canvas.height < height) {
    Object.assign(canvas, { width: Math.max(canvas.width, width), height: Math.max(canvas.height, height) });
  }
  const left = Math.max(Math.floor(bounds[0] * matrix.a + matrix.e), 0);
  const top = Math.max(Math.floor(bounds[1] * matrix.d + matrix.f), 0);
  const across = Math.min(Math.ceil(bounds[2] * matrix.a + matrix.e), width) - left;
  const down = Math.min(Math.ceil(bounds[3] * matrix.d + matrix.f), height) - top;
  if (!(across > 0 && down > 0)) return;
  context.resetTransform();
  context.clearRect(left, top, across, down);
  context.setTransform(matrix);
  draw(context);
  target.save();
  target.resetTransform();
  target.globalAlpha = opacity;
  target.drawImage(canvas, left, top, across, down, left, top, across, down);
  target.restore();
}
