"""An athlete who does squats, drawn by formulas: a video whose joint angles are known.

    python docs/code/drawn_athlete.py squats.mp4

The athlete is seen from the side. The thighs and the shins turn by the same angle from the vertical, so that the knee's
angle is 180 degrees minus twice that.
"""

from __future__ import annotations

import sys
from pathlib import Path

import av
import cv2
import numpy as np

FPS = 20
SIZE = (480, 640)  # height, width
REPETITIONS = 4
SECONDS_EACH = 2.0
DEEPEST = 85.0  # the knee's angle at the bottom, degrees
SKIN, HAIR, SHIRT, SHORTS, SHOE = (224, 172, 138), (70, 45, 30), (178, 60, 62), (40, 52, 92), (235, 235, 240)


def knee_angle(time: float) -> float:
    """The true angle of both knees in degrees, 180 for a straight leg; `time` in seconds."""
    depth = (1 - np.cos(2 * np.pi * time / SECONDS_EACH)) / 2
    return float(174 - (174 - DEEPEST) * depth)


def joints(time: float) -> dict[str, np.ndarray]:
    """The positions of the joints in pixels, (2,) each, of the side that is seen."""
    lean = np.radians((180 - knee_angle(time)) / 2)
    body = 1.1 * lean
    shin, thigh, trunk, upper, lower = 92.0, 96.0, 118.0, 62.0, 56.0
    ankle = np.array([330.0, 428.0])
    knee = ankle + shin * np.array([np.sin(lean), -np.cos(lean)])
    hip = knee + thigh * np.array([-np.sin(lean), -np.cos(lean)])
    shoulder = hip + trunk * np.array([np.sin(body), -np.cos(body)])
    raised = np.radians(25 + 65 * (180 - knee_angle(time)) / 95)
    elbow = shoulder + upper * np.array([np.sin(raised), np.cos(raised)])
    wrist = elbow + lower * np.array([np.sin(raised + 0.15), np.cos(raised + 0.15)])
    head = shoulder + 52 * np.array([np.sin(body * 0.4) + 0.12, -np.cos(body * 0.4)])
    return {
        "ankle": ankle,
        "knee": knee,
        "hip": hip,
        "shoulder": shoulder,
        "elbow": elbow,
        "wrist": wrist,
        "head": head,
    }


def draw(time: float) -> np.ndarray:
    """The picture of a time, RGB uint8 (H, W, 3)."""
    height, width = SIZE
    rows = np.linspace(0, 1, height)[:, None]
    wall = np.array([206, 212, 214]) * (1 - 0.18 * rows)
    picture = np.repeat(wall[:, None], width, axis=1).reshape(height, width, 3).astype(np.uint8)
    picture[425:] = (np.array([150, 122, 96]) * (0.8 + 0.35 * rows[425:])).clip(0, 255).astype(np.uint8)[:, None]
    cv2.rectangle(picture, (40, 60), (170, 250), (178, 200, 214), -1)
    cv2.rectangle(picture, (40, 60), (170, 250), (240, 240, 236), 6)
    at = joints(time)
    cv2.ellipse(picture, (345, 442), (92, 11), 0, 0, 360, (104, 84, 66), -1, cv2.LINE_AA)
    far = np.array([-12.0, -4.0])
    limb(picture, at["hip"] + far, at["knee"] + far, 21, 15, shade(SHORTS, 0.7))
    limb(picture, at["knee"] + far, at["ankle"] + far, 14, 9, shade(SKIN, 0.7))
    shoe(picture, at["ankle"] + far, shade(SHOE, 0.75))
    limb(picture, at["shoulder"] + far, at["elbow"] + far, 13, 10, shade(SKIN, 0.7))
    limb(picture, at["elbow"] + far, at["wrist"] + far, 10, 7, shade(SKIN, 0.7))
    limb(picture, at["shoulder"], at["head"], 15, 13, shade(SKIN, 0.85))
    limb(picture, at["knee"], at["ankle"], 16, 10, SKIN)
    middle = at["hip"] + 0.62 * (at["knee"] - at["hip"])
    limb(picture, middle, at["knee"], 20, 16, SKIN)
    limb(picture, at["hip"], middle, 27, 22, SHORTS)
    limb(picture, at["shoulder"], at["hip"], 28, 25, SHIRT)
    shoe(picture, at["ankle"], SHOE)
    head(picture, at["head"])
    limb(picture, at["shoulder"], at["shoulder"] + 0.45 * (at["elbow"] - at["shoulder"]), 17, 14, shade(SHIRT, 1.15))
    limb(picture, at["shoulder"] + 0.45 * (at["elbow"] - at["shoulder"]), at["elbow"], 12, 10, SKIN)
    limb(picture, at["elbow"], at["wrist"], 11, 8, SKIN)
    cv2.circle(picture, point(at["wrist"] + 9 * unit(at["wrist"] - at["elbow"])), 11, SKIN, -1, cv2.LINE_AA)
    return cv2.GaussianBlur(picture, (3, 3), 0.8)


def limb(picture: np.ndarray, start: np.ndarray, end: np.ndarray, wide: float, narrow: float, colour: tuple) -> None:
    """A rounded limb, lit from the left: several layers, each a little lighter and narrower."""
    for layer, light in enumerate((0.72, 0.86, 1.0, 1.1)):
        shift = np.array([-1.6, -1.0]) * layer
        across = unit(end - start)[::-1] * (1, -1)
        a, b = wide - 2.6 * layer, max(narrow - 2.0 * layer, 1)
        outline = np.array([start + a * across, start - a * across, end - b * across, end + b * across]) + shift
        cv2.fillConvexPoly(picture, np.round(outline * 16).astype(np.int32), shade(colour, light), cv2.LINE_AA, 4)
        for centre, radius in ((start, a), (end, b)):
            cv2.circle(picture, point(centre + shift), round(radius), shade(colour, light), -1, cv2.LINE_AA)


def head(picture: np.ndarray, centre: np.ndarray) -> None:
    """A head that looks to the right."""
    x, y = centre
    cv2.ellipse(picture, point((x - 4, y - 5)), (28, 33), 0, 0, 360, HAIR, -1, cv2.LINE_AA)
    cv2.ellipse(picture, point((x + 6, y + 3)), (21, 27), 0, 0, 360, shade(SKIN, 0.93), -1, cv2.LINE_AA)
    cv2.ellipse(picture, point((x + 8, y + 2)), (17, 23), 0, 0, 360, SKIN, -1, cv2.LINE_AA)
    nose = np.array([(x + 23, y - 2), (x + 33, y + 8), (x + 23, y + 10)])
    cv2.fillConvexPoly(picture, np.round(nose).astype(np.int32), SKIN, cv2.LINE_AA)
    cv2.ellipse(picture, point((x + 16, y - 3)), (4, 3), 0, 0, 360, (250, 250, 250), -1, cv2.LINE_AA)
    cv2.circle(picture, point((x + 18, y - 3)), 2, (40, 30, 30), -1, cv2.LINE_AA)
    cv2.line(picture, point((x + 12, y - 10)), point((x + 22, y - 9)), HAIR, 2, cv2.LINE_AA)
    cv2.line(picture, point((x + 17, y + 17)), point((x + 25, y + 16)), (160, 80, 80), 2, cv2.LINE_AA)
    cv2.ellipse(picture, point((x - 6, y + 3)), (5, 8), 0, 0, 360, shade(SKIN, 0.85), -1, cv2.LINE_AA)


def shoe(picture: np.ndarray, ankle: np.ndarray, colour: tuple) -> None:
    """A shoe whose tip points to the right."""
    x, y = ankle
    outline = np.array([(x - 15, y - 4), (x + 10, y - 6), (x + 40, y + 6), (x + 46, y + 14), (x - 17, y + 14)])
    cv2.fillPoly(picture, [np.round(outline).astype(np.int32)], colour, cv2.LINE_AA)


def shade(colour: tuple, light: float) -> tuple:
    """A lighter or darker colour."""
    return tuple(int(min(255, value * light)) for value in colour)


def unit(vector: np.ndarray) -> np.ndarray:
    """A vector of length 1."""
    return vector / max(float(np.hypot(*vector)), 1e-6)


def point(place: np.ndarray | tuple) -> tuple[int, int]:
    """Whole pixels, as OpenCV takes them."""
    return round(float(place[0])), round(float(place[1]))


def write(path: Path) -> None:
    """Write the whole video as H.264."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=FPS, options={"crf": "20"})
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        for index in range(round(REPETITIONS * SECONDS_EACH * FPS) + 1):
            frame = av.VideoFrame.from_ndarray(draw(index / FPS), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
