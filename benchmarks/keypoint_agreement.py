"""Do Vitruvian's keypoints agree with the procedure that HRNet's authors published, done by the book?

By the book means: one person at a time, the crop's affine map from three points, argmax joint by joint, quarter-pixel
shift, back through the inverse map. Both run the same network on the same boxes.

    python benchmarks/keypoint_agreement.py --pose POSE.onnx --annotations person_keypoints.json --images FOLDER
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

import vitruvian as vt

PIXEL_STD = 200.0
MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


def three_point_map(centre: np.ndarray, scale: np.ndarray, size: tuple[int, int], inverse: bool = False) -> np.ndarray:
    """The affine map that takes the centre, a point above it, and a third one at a right angle to the crop's."""
    width, height = size
    source = np.zeros((3, 2), np.float32)
    target = np.zeros((3, 2), np.float32)
    source[0], target[0] = centre, (width * 0.5, height * 0.5)
    source[1] = centre + np.array([0, scale[0] * PIXEL_STD * -0.5])
    target[1] = target[0] + np.array([0, width * -0.5])
    for points in (source, target):
        edge = points[0] - points[1]
        points[2] = points[1] + np.array([-edge[1], edge[0]], np.float32)
    return cv2.getAffineTransform(target, source) if inverse else cv2.getAffineTransform(source, target)


def by_the_book(session: onnxruntime.InferenceSession, image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Keypoints (K, 2) in pixels of the RGB picture, of the person in the box xyxy."""
    _, _, height, width = session.get_inputs()[0].shape
    box_width, box_height = box[2:] - box[:2]
    centre = np.array([box[0] + box_width * 0.5, box[1] + box_height * 0.5], np.float32)
    if box_width > width / height * box_height:
        box_height = box_width * height / width
    elif box_width < width / height * box_height:
        box_width = box_height * width / height
    scale = np.array([box_width / PIXEL_STD, box_height / PIXEL_STD], np.float32) * 1.25
    crop = cv2.warpAffine(
        image, three_point_map(centre, scale, (width, height)), (width, height), flags=cv2.INTER_LINEAR
    )
    tensor = ((crop.astype(np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1)[None]
    heatmaps = session.run(None, {session.get_inputs()[0].name: tensor})[0][0]
    rows, columns = heatmaps.shape[1:]
    back = three_point_map(centre, scale, (columns, rows), inverse=True)
    keypoints = []
    for heatmap in heatmaps:
        y, x = divmod(int(heatmap.argmax()), columns)
        point = np.array([x, y], np.float64) * (heatmap.max() > 0)
        if 1 < x < columns - 1 and 1 < y < rows - 1:
            point[0] += 0.25 * np.sign(heatmap[y, x + 1] - heatmap[y, x - 1])
            point[1] += 0.25 * np.sign(heatmap[y + 1, x] - heatmap[y - 1, x])
        keypoints.append(back @ [*point, 1])
    return np.array(keypoints)


def distances(pose: Path, annotations: Path, images: Path, **options: str) -> np.ndarray:
    """Pixels between both results, (persons, K), for every annotated person with keypoints."""
    truth = json.loads(annotations.read_text())
    model = vt.load(pose=pose, **options)
    session = onnxruntime.InferenceSession(str(pose), providers=["CPUExecutionProvider"])
    gaps = []
    for picture in truth["images"]:
        persons = [a for a in truth["annotations"] if a["image_id"] == picture["id"] and a["num_keypoints"] > 0]
        if not persons:
            continue
        image = vt.media.read_image(images / picture["file_name"])
        boxes = np.array([person["bbox"] for person in persons], np.float32)
        boxes[:, 2:] += boxes[:, :2]
        expected = np.stack([by_the_book(session, image, box) for box in boxes])
        gaps.append(np.linalg.norm(model(image, boxes=boxes).keypoints - expected, axis=2))
    return np.concatenate(gaps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pose", type=Path, required=True)
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    arguments = parser.parse_args()
    for runtime, precision in (("onnxruntime", "fp32"), ("openvino", "fp32"), ("openvino", "auto")):
        files = (arguments.pose, arguments.annotations, arguments.images)
        gaps = distances(*files, runtime=runtime, precision=precision)
        print(
            f"{runtime:12} {precision}: {gaps.size} keypoints of {len(gaps)} persons, "
            f"{(gaps <= 0.01).mean():.2%} within 0.01 px, mean {gaps.mean():.4f} px, largest {gaps.max():.4f} px"
        )


if __name__ == "__main__":
    main()
