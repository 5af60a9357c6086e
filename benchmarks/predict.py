"""Time of `mocrop predict` against the sum of its parts, each measured bare in a loop over the same files.

The parts are the functions that do the work, one after the other, with nothing around them: transcoding in memory
(source h264), reading vectors, decoding and cropping the chosen frames, and the network, clip by clip. What predict
adds is finding and naming files, threads and queues, logs and answers; what it saves is waiting, on the clock.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import torch
from harness import arguments, choose_clips, report_timings

from mocrop.evaluation.answers.predict import answer
from mocrop.evaluation.answers.predictor import Predictor
from mocrop.evaluation.bench.interleaved_timing import Case, Timing, take_turns
from mocrop.evaluation.views import Look
from mocrop.pipeline.outcome import ClipLog
from mocrop.pipeline.stages.clip_crops import crop_file
from mocrop.pipeline.stages.in_memory import ReadingSettings, motion_of, read_file, readable_form
from mocrop.pipeline.stages.precrop_settings import PrecropSettings
from mocrop.pipeline.stages.transcode_settings import TranscodeSettings
from mocrop.pipeline.video.cropper import Cropper
from mocrop.pipeline.video.decoder import MAX_DAMAGED
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.model.backbones import build_backbone
from mocrop.training.model.checkpoint import Checkpoint
from mocrop.training.model.device import choose_device

AIM = 1.15
SUM = "its parts, bare"


def made_predictor(arch: str, source: Literal["original", "h264"], *, size: int, device: str) -> Predictor:
    """A network with random weights that reads files as the clips of a cache of policy `motion`."""
    crop = PrecropSettings(name="bench", size=size, source=source)
    names = [f"class {number}" for number in range(101)]
    backbone = build_backbone(arch, classes=len(names), size=size)
    where = choose_device(device)
    backbone.model.to(where).eval()
    checkpoint = Checkpoint(
        arch=arch,
        class_names=names,
        size=size,
        mean=backbone.mean,
        std=backbone.std,
        settings={},
        cache={"name": "bench"},
        epoch=0,
        metrics={},
        state_dict={},
    )
    transcode = TranscodeSettings() if source == "h264" else None
    return Predictor(
        source=Path("bench.pt"),
        checkpoint=checkpoint,
        backbone=backbone,
        device=where,
        reading=ReadingSettings(crop=crop, transcode=transcode, max_damaged=MAX_DAMAGED),
        activation="softmax",
        look=Look(frames=8),
    )


def parts(files: Sequence[Path], predictor: Predictor, open_forms: ExitStack) -> dict[str, Callable[[], object]]:
    """What predict does with the files, part by part; what one part makes for the next is made beforehand."""
    reading = predictor.reading
    log = ClipLog(0)
    forms = [open_forms.enter_context(readable_form(file, reading, clip="a", log=log)) for file in files]
    motions = [motion_of(form, reading, clip="a", log=log) for form in forms]
    read = [read_file(file, reading, clip="a", log=log).crops for file in files]

    def transcode() -> None:
        for file in files:
            with readable_form(file, reading, clip="a", log=log):
                pass

    def vectors() -> None:
        for form in forms:
            motion_of(form, reading, clip="a", log=log)

    def crops() -> None:
        cropper = Cropper(size=reading.crop.size, fit=reading.crop.fit)
        for form, motion in zip(forms, motions, strict=True):
            crop_file(form, reading.crop, cropper, clip="a", motion=motion, own=False, log=log)

    def network() -> None:
        for each in read:
            predictor.answer(each)

    first = {} if reading.transcode is None else {"transcoding": transcode}
    return {**first, "vectors": vectors, "crops": crops, "network": network}


def summed(timings: dict[str, Timing], names: Sequence[str]) -> Timing:
    """The sum of some cases, round by round."""
    kinds: dict[str, list[float]] = {
        kind: [sum(values) for values in zip(*(getattr(timings[name], kind) for name in names), strict=True)]
        for kind in ("cpu", "wall")
    }
    return Timing(**kinds)


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--arch", nargs="+", default=["mobilenet_v3_large", "resnet50"], help="networks")
    parser.add_argument("--size", type=int, default=192, help="side of the crops, pixels")
    parser.add_argument("--device", default="cpu", help="of the network")
    parser.add_argument("--threads", type=int, default=0, help="of the network; 0: as PyTorch has it")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as open_forms:
        files = choose_clips(options.data, options.clips, Path(scratch))
        nowhere = Workspace(Path(scratch) / "nowhere")
        sources: tuple[Literal["original", "h264"], ...] = ("original", "h264")
        for source in sources:
            for arch in options.arch:
                predictor = made_predictor(arch, source, size=options.size, device=options.device)
                runs: dict[str, Callable[[], Any]] = parts(files, predictor, open_forms)
                names = list(runs)
                runs["mocrop predict"] = lambda predictor=predictor: answer(predictor, files, workspace=nowhere)
                assert not runs["mocrop predict"]().failed
                cases = {name: Case(run=lambda _, run=run: run()) for name, run in runs.items()}
                timings = take_turns(cases, rounds=options.rounds)
                timings[SUM] = summed(timings, names)
                where = f"{predictor.device}, {torch.get_num_threads()} threads"
                title = f"predict, source {source}: {len(files)} clips, {arch} on {where}, aim {AIM}"
                report_timings(title, timings, unit="clips", count=len(files), peer=SUM, clocks=("cpu", "wall"))


if __name__ == "__main__":
    main()
