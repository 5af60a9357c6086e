"""Trained backbone and crop cache to numbers, tables and pictures.

::

    from mocrop.evaluation import EvalSettings, evaluate, export_model, predict

    run = "mocrop-work/runs/resnet50-motion-192"
    result = evaluate("mocrop-work/caches/motion-192.zarr", f"{run}/best.pt", EvalSettings(split="1"))
    result.top1.share, result.top1.interval

    answers = predict(["holiday/", "dive.mp4"], checkpoint=f"{run}/best.pt")
    answers.class_names[answers.files[0].top(1)[0][0]]
    predict("holiday.mp4", checkpoint=f"{run}/best.pt", window=2).files[0].windows[0].answer.logits
    export_model(f"{run}/best.pt", "second.onnx")

What is offered here is stable within a minor version; modules below may change in any.
"""

from typing import TYPE_CHECKING

from mocrop.pipeline.lazy import lazy_exports

if TYPE_CHECKING:
    from mocrop.evaluation.answers.predict import predict as predict
    from mocrop.evaluation.model_export.export import export_model as export_model
    from mocrop.evaluation.scores.evaluate import EvalResult as EvalResult
    from mocrop.evaluation.scores.evaluate import EvalSettings as EvalSettings
    from mocrop.evaluation.scores.evaluate import evaluate as evaluate

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        **dict.fromkeys(("EvalResult", "EvalSettings", "evaluate"), "scores.evaluate"),
        "export_model": "model_export.export",
        "predict": "answers.predict",
    },
)
