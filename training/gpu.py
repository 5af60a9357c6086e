"""What PyTorch sees of GPUs, for `mocrop doctor`; PyTorch need not be there."""

from __future__ import annotations

from collections.abc import Iterator

from mocrop.pipeline.commands.doctor.finding import Finding, State, size

WITHOUT = "training runs on the CPU, where --freeze-backbone trains a head in minutes"


def gpu() -> Iterator[Finding]:
    """One row for each CUDA device, or one that says what there is instead."""
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: one of its libraries cannot be loaded
        fact = f"PyTorch cannot be imported ({error}), so nothing is known of a GPU"
        way_out = "pip install torch torchvision; the stages up to the cache do without"
        yield Finding(name="GPU", state=State.MISSING, fact=fact, way_out=way_out)
        return
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(number)
            types = "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
            fact = f"cuda:{number} {facts.name}, {size(facts.total_memory)}, {types}, PyTorch {torch.__version__}"
            yield Finding(name="GPU", state=State.OK, fact=fact)
    elif torch.backends.mps.is_available():
        way_out = "auto takes the CPU; --device mps has not been tried"
        yield Finding(name="GPU", state=State.NOTE, fact=f"mps, PyTorch {torch.__version__}", way_out=way_out)
    else:
        built = f", built for CUDA {torch.version.cuda}" if torch.version.cuda else ", built without CUDA"
        fact = f"PyTorch {torch.__version__}{built}, sees none"
        yield Finding(name="GPU", state=State.NOTE, fact=fact, way_out=WITHOUT)
