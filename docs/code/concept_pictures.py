"""Drawings of the concepts: the flow, the codecs, the flip test, OKS."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle, ConnectionPatch, Rectangle
from picture_style import PHOTO, STYLES, Style, save, styled

import vitruvian as vt
from vitruvian.media import read_image
from vitruvian.poses import Boxes

SHOWN, OTHER_SIDE = "left_shoulder", "right_shoulder"


@cache
def example() -> dict[str, Any]:
    """The photo, its person, the crop, the heatmaps with and without a mirror."""
    model = vt.load(precision="fp32", threads=1)
    photo = read_image(PHOTO)
    # Her box, as seen; the flag behind her is none of it.
    box = np.array([[48, 4, 372, 509]], np.float32)
    poses = model(photo, boxes=box)
    crops, _ = next(model.pose.crops([photo], [Boxes.given(box)]))
    codec = model.pose.codec
    plain = maps(codec, model.pose.outputs(crops))
    mirrored = maps(codec, model.pose.outputs(np.ascontiguousarray(crops[:, :, ::-1])))
    flipping = vt.load(precision="fp32", threads=1, flip=True)
    merged = maps(codec, flipping.pose.outputs(crops))
    return {
        "photo": photo,
        "box": box[0],
        "poses": poses,
        "crop": crops[0],
        "plain": plain,
        "mirrored": mirrored,
        "merged": merged,
    }


def maps(codec: Any, outputs: Any) -> np.ndarray:
    """Heatmaps (K, h, w) of the only person."""
    return np.asarray(codec.as_targets(list(outputs))[0][0])


def top_down(style: Style) -> None:
    """Photo and box, crop, heatmap, keypoints."""
    data = example()
    index = vt.COCO17.keypoints.index(SHOWN)
    with styled(style):
        figure, axes = plt.subplots(1, 4, figsize=(12, 3.7), width_ratios=(1, 0.75, 0.75, 1))
        axes[0].imshow(data["photo"])
        x1, y1, x2, y2 = data["box"]
        axes[0].add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, lw=2.5, ec=style.series[1]))
        axes[1].imshow(data["crop"])
        overlay(axes[2], data["crop"], data["plain"][index])
        axes[3].imshow(data["poses"].draw(data["photo"], line_width=6))
        for ax, title in zip(
            axes, ("1  detect", "2  crop", "3  heatmap: " + SHOWN.replace("_", " "), "4  keypoints"), strict=True
        ):
            ax.set_title(title, fontsize=12, pad=8)
            ax.axis("off")
        for left, right in pairwise(axes):
            arrow(figure, left, right, style)
        save(figure, "topdown", style, "webp")
        plt.close(figure)


def overlay(axes: Any, crop: np.ndarray, heatmap: np.ndarray) -> None:
    """A heatmap over its crop."""
    height, width = crop.shape[:2]
    axes.imshow(crop, alpha=0.45)
    strength = heatmap / max(float(heatmap.max()), 1e-6)
    axes.imshow(strength, cmap="inferno", alpha=np.clip(strength * 1.6, 0, 0.92), extent=(0, width, height, 0))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)


def arrow(figure: Any, left: Any, right: Any, style: Style) -> None:
    """An arrow from one picture to the next."""
    patch = ConnectionPatch((1.01, 0.5), (-0.01, 0.5), "axes fraction", "axes fraction", axesA=left, axesB=right)
    patch.set(arrowstyle="-|>", mutation_scale=16, color=style.text, lw=1.5)
    figure.add_artist(patch)


def codecs(style: Style) -> None:
    """One keypoint in the three representations, by the package's own codecs."""
    size, point = (256, 192), np.array([[[112.6, 151.8]]], np.float32)
    visible = np.ones((1, 1), bool)
    heatmap = vt.codecs.Heatmap(input_size=size).encode(point, visible)[0][0, 0]
    rows = vt.codecs.SimDR(input_size=size, sigma=4.0).encode(point, visible)
    with styled(style):
        figure = plt.figure(figsize=(11.5, 4))
        grid = figure.add_gridspec(
            2, 5, width_ratios=(1, 0.35, 1, 0.35, 1), height_ratios=(1, 3), hspace=0.06, wspace=0.05
        )
        left = figure.add_subplot(grid[:, 0])
        left.imshow(heatmap, cmap="magma")
        left.set_title("heatmap: 64 x 48 cells")
        top, side = figure.add_subplot(grid[0, 2]), figure.add_subplot(grid[1, 2])
        bins = np.arange(rows[0].shape[-1])
        top.fill_between(bins, rows[0][0, 0], color=style.series[0], alpha=0.8, lw=0)
        top.set_title(f"SimDR*: {rows[0].shape[-1]} bins of x, {rows[1].shape[-1]} of y")
        side.plot(rows[1][0, 0], np.arange(rows[1].shape[-1]), color=style.series[1], lw=2)
        side.invert_yaxis()
        side.set_ylabel("bins of y")
        top.set_xlim(0, len(bins))
        right = figure.add_subplot(grid[:, 4])
        x, y = point[0, 0]
        right.set(xlim=(0, size[1]), ylim=(size[0], 0), aspect="equal")
        for reach, alpha in ((2, 0.18), (1, 0.35)):
            right.add_patch(Circle((x, y), 7 * reach, color=style.series[2], alpha=alpha, lw=0))
        right.plot(x, y, "+", color=style.text, ms=14, mew=2)
        right.annotate(f"x = {x:.1f}\ny = {y:.1f}\nsigma", (x, y), (x - 92, y - 40))
        right.set_title("regression: numbers")
        for ax in (left, top, side, right):
            ax.set_xticks([])
            ax.set_yticks([])
            for spine in ax.spines.values():
                spine.set_visible(True)
        save(figure, "codecs", style)
        plt.close(figure)


def flip(style: Style) -> None:
    """The flip test on one keypoint."""
    data = example()
    names = vt.COCO17.keypoints
    here, there = names.index(SHOWN), names.index(OTHER_SIDE)
    panels = [
        ("crop: left shoulder", data["crop"], data["plain"][here]),
        ("mirrored: right shoulder", data["crop"][:, ::-1], data["mirrored"][there]),
        ("mirrored back", data["crop"], data["mirrored"][there][:, ::-1]),
        ("average of both", data["crop"], data["merged"][here]),
    ]
    with styled(style):
        figure, axes = plt.subplots(1, 4, figsize=(11, 3.8))
        for ax, (title, crop, heatmap) in zip(axes, panels, strict=True):
            overlay(ax, np.ascontiguousarray(crop), heatmap)
            ax.set_title(title, fontsize=12)
            ax.axis("off")
        save(figure, "flip", style, "webp")
        plt.close(figure)


def oks(style: Style) -> None:
    """Distances at which a keypoint's similarity is 0.85 and 0.5."""
    data = example()
    poses = data["poses"]
    x1, y1, x2, y2 = data["box"]
    area = float((x2 - x1) * (y2 - y1)) * 0.53
    with styled(style):
        figure, ax = plt.subplots(figsize=(6.2, 5.6))
        ax.imshow(data["photo"], alpha=0.85)
        for point, score, sigma in zip(poses.keypoints[0], poses.scores[0], vt.COCO17.sigmas, strict=True):
            if score < 0.3:
                continue
            for similarity, colour in ((0.5, style.series[1]), (0.85, style.series[0])):
                radius = 2 * sigma * np.sqrt(-2 * area * np.log(similarity))
                ax.add_patch(Circle(point, radius, fill=False, ec=colour, lw=1.8))
            ax.plot(*point, ".", color="white", ms=5)
        ax.set(xlim=(0, data["photo"].shape[1]), ylim=(data["photo"].shape[0], 0))
        ax.axis("off")
        save(figure, "oks", style, "webp")
        plt.close(figure)


def make() -> None:
    """All of them, in both looks."""
    for style in STYLES:
        for draw in (top_down, codecs, flip, oks):
            draw(style)
