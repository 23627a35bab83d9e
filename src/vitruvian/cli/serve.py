"""The command `vitruvian serve`: a model as a service, with a web page."""

from __future__ import annotations

import signal
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ..runtimes import EngineOptions, usable_cores
from .interruption import EXIT_CODE as INTERRUPTED
from .interruption import end_in_any_case
from .options import (
    Compile,
    DetectorModel,
    Device,
    Flip,
    ImgSize,
    Iou,
    MaxPersons,
    PoseModel,
    PoseSize,
    Precision,
    Preset,
    Quiet,
    Refine,
    Runtime,
    Score,
    SkeletonName,
    Threads,
    parse_size,
)

SERVER, LIMITS = "Server", "Limits"


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 is all of them.", rich_help_panel=SERVER)
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.", rich_help_panel=SERVER)] = 8000,
    workers: Annotated[
        int, typer.Option(min=1, metavar="N", help="Processes, each with the model.", rich_help_panel=SERVER)
    ] = 1,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Bearer tokens, one a line; a request must bring one.", rich_help_panel=SERVER
        ),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN", help="Another site whose pages may use the server; repeatable.", rich_help_panel=SERVER
        ),
    ] = None,
    allow_urls: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST",
            help="Fetch pictures of this host (.example.com: and those below it) by URL; repeatable.",
            rich_help_panel=SERVER,
        ),
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, max=4096, metavar="N", help="Pictures in a batch.", rich_help_panel=SERVER)
    ] = 8,
    batch_delay: Annotated[
        float,
        typer.Option(
            min=0, max=1000, metavar="MS", help="How long a batch waits for more, in ms.", rich_help_panel=SERVER
        ),
    ] = 5.0,
    queue: Annotated[
        int,
        typer.Option(
            min=1, max=4096, metavar="N", help="Requests handled at a time; others get 503.", rich_help_panel=SERVER
        ),
    ] = 64,
    drain_seconds: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="For running requests to finish after SIGTERM.", rich_help_panel=SERVER),
    ] = 60.0,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER",
            help="What one request may take, such as pixels=20000000; repeatable (docs/serve.md has the names).",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    quiet: Quiet = False,
    pose: PoseModel = None,
    detector: DetectorModel = None,
    preset: Preset = "fast",
    img_size: ImgSize = None,
    pose_size: PoseSize = None,
    skeleton: SkeletonName = None,
    score: Score = 0.3,
    iou: Iou = None,
    max_persons: MaxPersons = None,
    refine: Refine = None,
    flip: Flip = False,
    runtime: Runtime = "auto",
    device: Device = "auto",
    threads: Threads = None,
    precision: Precision = "auto",
    compile: Compile = False,
) -> None:
    """Serve a model over HTTP, with a web page: pictures, videos, cameras; metrics and probes."""
    from ..loading import load
    from ..serving import Access, Batching, ServerOptions, read_tokens
    from ..serving import serve as start
    from ..serving.options import parse_limits

    options = ServerOptions(
        host=host,
        port=port,
        workers=workers,
        limits=parse_limits(limit or []),
        batching=Batching(batch, batch_delay / 1000, queue),
        access=Access(
            tokens=() if token_file is None else read_tokens(token_file),
            origins=tuple(cors or ()),
            url_hosts=tuple(allow_urls or ()),
        ),
        drain_seconds=drain_seconds,
    )
    if threads is None and workers > 1:
        threads = max(1, usable_cores() // workers)
    engine: dict[str, Any] = asdict(EngineOptions(runtime, device, threads, precision, compile))
    model = partial(
        load,
        pose,
        detector,
        preset=preset,
        img_size=parse_size("--img-size", img_size),
        pose_size=parse_size("--pose-size", pose_size),
        skeleton=skeleton,
        score=score,
        iou=iou,
        max_persons=max_persons,
        refine=refine,
        flip=flip,
        **engine,
    )
    code = INTERRUPTED if start(options, model) == signal.SIGINT else 0
    # A video that was given up may keep a thread busy.
    end_in_any_case(code)
    raise typer.Exit(code)
