"""A workspace that every stage has run on, and the ways in which disks, rights and hands can break it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mocrop.evaluation.demo.sprites import SpriteSettings, make_sprites

CACHE, RUN, CLIP = "motion-32", "tiny", "Donut/v_Donut_g01_c01"
SMALL = ["--arch", "timm/test_resnet", "--weights", "none", "--epochs", "1", "--batch-size", "4", "--device", "cpu"]
TRAIN = [*SMALL, "--validation-share", "0", "--no-tensorboard"]
CROP = ["--size", "32", "--frames", "2", "--workers", "0"]
ABLATE = ["--policies", "full,center", "--sizes", "32", "--slots", "2", "--frames", "2", *SMALL, "--workers", "0"]


@dataclass(frozen=True)
class Place:
    """A data set, a workspace and what belongs to them, in one folder."""

    root: Path

    @property
    def dataset(self) -> Path:
        return self.root / "data"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def cache(self) -> Path:
        return self.work / f"caches/{CACHE}.zarr"

    @property
    def run(self) -> Path:
        return self.work / f"runs/{RUN}"

    @property
    def clip(self) -> Path:
        return self.dataset / f"{CLIP}.avi"

    @property
    def pushed(self) -> str:
        """The address of a copy of the cache."""
        return f"file://{self.root}/remote/{CACHE}.zarr"

    def command(self, name: str) -> list[str]:
        """A command that has something to do in this place, with the option that is in its name."""
        name, *option = name.split()
        here, out = ["-w", str(self.work)], str(self.root / "elsewhere")
        commands: dict[str, list[str]] = {
            "init": ["init", str(self.dataset), *here],
            "transcode": ["transcode", "--crf", "30", "--workers", "0", *here],
            "extract-mv": ["extract-mv", "--max-damaged", "0.2", "--workers", "0", *here],
            "precrop": ["precrop", *CROP, "--overwrite", *here],
            "run": ["run", "--max-damaged", "0.1", *CROP, "--overwrite", *here],
            "export": ["export", f"{out}/crops", "--to", "mp4", "--cache", CACHE, "--workers", "0", *here],
            "retry": ["retry", "--workers", "0", *here],
            "status": ["status", *here],
            "doctor": ["doctor", *here],
            "verify": ["verify", *here],
            "train": ["train", *TRAIN, "--name", "again", *here],
            "eval": ["eval", "--run", RUN, "--segments", "1", "--device", "cpu", *here],
            "predict": ["predict", str(self.clip), "--run", RUN, "--segments", "1", "--device", "cpu", *here],
            "export-model": ["export-model", "--run", RUN, "--to", "torchscript", *here],
            "flops": ["flops", "--arch", "timm/test_resnet", "--size", "32"],
            "show": ["show", CLIP, "-o", f"{out}.png", "--policy", "motion", "--frames", "1", *here],
            "gallery": ["gallery", "--clips", "1", "-o", f"{out}.png", *here],
            "coverage": ["coverage", "--boxes", str(self.root / "boxes.json"), "--policy", "center", *here],
            "advise": ["advise", *here],
            "ablate": ["ablate", *ABLATE, *here],
            "import-npy": ["import-npy", str(self.root / "maps"), *here],
            "export-npy": ["export-npy", out, *here],
            "bench": ["bench", "--no-videos", *here],
            "push": ["push", CACHE, f"file://{out}/pushed/{CACHE}.zarr", *here],
            "pull": ["pull", self.pushed, "--name", "pulled", *here],
            "demo": ["demo", str(self.work / "demo"), "--workers", "0"],
        }
        return [*commands[name], *option]


READING = (  # they leave the place as it is, but for reports
    *("status", "doctor", "verify", "show", "gallery", "eval", "predict", "flops", "advise", "coverage", "bench"),
    "export-npy",
)
COMMANDS = (
    *READING,
    *("import-npy", "train", "export-model", "init", "transcode", "extract-mv", "precrop", "run", "retry", "export"),
    *("ablate", "demo", "push", "pull"),
)
ASKING = (  # other forms of those that only read
    *("status --json", "status --failed", "verify --json", "verify --deep", "eval --json", "flops --json"),
    *(
        "predict --json",
        "advise --json",
        "coverage --json",
        "bench --json",
        "show --video",
        "transcode --dry-run",
        "extract-mv --dry-run",
    ),
    "precrop --dry-run",
    "export --dry-run",
)
FORMS = (
    *ASKING,
    "verify --repair",
    "init --json",
    "retry --json",
    "train --json",
    "ablate --json",
    "import-npy --json",
    "export --json",
)


def make_place(root: Path, mocrop: Callable[..., int]) -> Place:
    """Four clips and one that is broken, with all that the commands can make of them."""
    place = Place(root)
    shape = SpriteSettings(classes=2, groups=2, clips_per_group=1, frames=14, width=64, height=48)
    truth = make_sprites(place.dataset, shape)
    (place.clip.parent / f"v_{place.clip.parent.name}_g03_c01.avi").write_bytes(b"RIFF")
    tubes = {
        name: [{"start": 0, "stop": len(boxes), "boxes": [list(map(float, b)) for b in boxes]}]
        for name, boxes in truth.boxes.items()
    }
    (root / "boxes.json").write_text(json.dumps(tubes))
    here = ["-w", str(place.work)]
    assert mocrop("run", str(place.dataset), *CROP, *here) == 3
    assert mocrop("export-npy", str(root / "maps"), *here) == 0
    assert mocrop("train", *TRAIN, "--name", RUN, *here) == 0
    assert mocrop(*place.command("eval")) == 0
    assert mocrop("push", CACHE, place.pushed, *here) == 0
    return place


def copied(place: Place, root: Path) -> Place:
    """A copy of a place, whose mocrop.toml leads to the copy of its data set."""
    shutil.copytree(place.root, root)
    copy = Place(root)
    settings = copy.work / "mocrop.toml"
    settings.write_text(settings.read_text().replace(str(place.root), json.dumps(str(root))[1:-1]))
    return copy
