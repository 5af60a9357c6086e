"""`mocrop export-model`: which checkpoint is meant, and what is said of the file."""

from __future__ import annotations

from pathlib import Path

from mocrop.evaluation.model_export.export import TOLERANCE, ExportedModel, export_model
from mocrop.evaluation.model_export.forms import FORMS
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.terminal import LineConsole
from mocrop.pipeline.workspace.paths import Workspace
from mocrop.training.commands import choose_run
from mocrop.training.loop.run_folder import weights_of
from mocrop.training.recipe import Activation, FormName, clip_words


def chosen_checkpoint(workspace: Workspace, *, run: str | None, checkpoint: Path | None) -> Path:
    """The checkpoint of a run of a workspace, or the file that is given, which needs no workspace.

    Raises: SettingsError if both are given; TrainingError or WorkspaceError if there is no such run.
    """
    if run and checkpoint:
        raise SettingsError("--run and --checkpoint both say what to export; pass one of them")
    return checkpoint or weights_of(choose_run(workspace.require(), run))


def export_with_status(
    source: Path, file: Path | None, *, to: FormName, activation: Activation | None, console: LineConsole
) -> ExportedModel:
    """Call :func:`~mocrop.evaluation.model_export.export.export_model`, and show on a terminal what it is at."""
    with console.status(f"writing {FORMS[to].title}, and running it"):
        return export_model(source, file, to=to, activation=activation)


def print_exported(console: LineConsole, done: ExportedModel) -> None:
    """Print what the file takes and gives, how far it is from the network, and how to run it."""
    shape = ", ".join(map(str, ("batch", "frames", *done.frame_shape)))
    kind = "RGB" if done.input == "frames" else "motion in x and y as the cache stores it"
    console.print(f"{FORMS[done.form].title}: {done.file}, {done.file.stat().st_size / 1e6:.1f} MB, {done.arch}")
    counts = f"any number of clips, of {done.frames} frames each" if done.video else "any number of clips and frames"
    console.print(f"  takes {done.input_name}: {done.dtype} ({shape}), {kind}; {counts}")
    if done.clip is not None:
        console.print(f"  trained on {clip_words(done.clip)} in the video")
    if done.crop is not None:
        console.print(f"  sees {done.crop} px of what its cache stores: cut them out of the middle, do not scale")
    console.print(f"  gives probabilities ({done.activation}) and logits: float32 (batch, {done.classes})")
    console.print(
        f"  checked: read back and run on random {done.input_name}, it differs from the network by at most "
        f"{done.difference.probability:.1e} in probability ({TOLERANCE:g} is allowed) and {done.difference.logit:.1e} "
        f"in logits, which differ by {done.difference.spread:.1e} from clip to clip"
    )
    console.print("to run it:")
    for line in done.program.splitlines():
        console.say(f"  {line}", whole=True)
