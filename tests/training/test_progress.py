"""The live line of a training run."""

from __future__ import annotations

import torch
from rich.console import Console

from mocrop.training.meter import Meter, Totals
from mocrop.training.progress import abbreviate_meter, live_line


def test_the_live_line_of_a_long_run_fits_into_80_columns() -> None:
    before = Totals(batches_done=1, clips=100, loss=1234.5, correct=100, seconds=1e6, waiting_seconds=1e6)
    meter = Meter(5000, torch.device("cpu"), before=before)
    facts = abbreviate_meter(meter)
    for part in ("loss 12.345", "acc 100.0%", "clips/s", "wait 100.0%"):
        assert part in facts
    console = Console(width=80, force_terminal=True)
    progress = live_line(console)
    progress.add_task("epoch 100/100", facts=facts, total=5000, completed=1)
    (line,) = console.render_lines(progress.get_renderable(), pad=False)
    text = "".join(segment.text for segment in line).rstrip()
    assert facts in text
    assert "…" not in text
    assert len(text) <= 80
