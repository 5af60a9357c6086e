"""Train VideoMAE with Hugging Face's Trainer on a crop cache: python hf_trainer.py CACHE.zarr

The network is made from its configuration, small and without weights; ``from_pretrained`` in its place fetches some.
"""

import argparse

import torch
from transformers import Trainer, TrainingArguments, VideoMAEConfig, VideoMAEForVideoClassification

from mocrop.training import CropDataset

FRAMES = 4  # of a clip; VideoMAE joins them in pairs, so an even number, and the cache must have as many slots


def collate(samples: list[tuple[torch.Tensor, int]]) -> dict[str, torch.Tensor]:
    """What the network takes by name; frames are uint8, (segments, 3, size, size), RGB."""
    frames = torch.stack([frames for frames, _ in samples])
    return {"pixel_values": frames.float() / 127.5 - 1, "labels": torch.tensor([label for _, label in samples])}


def accuracy(answers: object) -> dict[str, float]:
    return {"accuracy": float((answers.predictions.argmax(axis=1) == answers.label_ids).mean())}


def network_for(data: CropDataset, *, width: int, layers: int) -> VideoMAEForVideoClassification:
    size = data.batch_shape(1)[-1]
    config = VideoMAEConfig(
        image_size=size,
        patch_size=size // 4,
        num_frames=FRAMES,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        id2label=dict(enumerate(data.class_names)),
        label2id={name: label for label, name in enumerate(data.class_names)},
    )
    return VideoMAEForVideoClassification(config)


def main(
    cache: str, *, folder: str = "videomae", epochs: float = 10, batch_size: int = 8, width: int = 64, layers: int = 2
) -> list[dict[str, float]]:
    torch.manual_seed(0)
    train_set = CropDataset.from_cache(cache, split=1, subset="train", segments=FRAMES)
    test_set = CropDataset.from_cache(cache, split=1, subset="test", segments=FRAMES)
    arguments = TrainingArguments(
        output_dir=folder,
        num_train_epochs=epochs,
        per_device_train_batch_size=batch_size,
        learning_rate=1e-3,
        logging_strategy="epoch",
        eval_strategy="epoch",
        save_strategy="no",
        report_to="none",
        remove_unused_columns=False,  # samples are pairs, which have no columns
    )
    trainer = Trainer(
        model=network_for(train_set, width=width, layers=layers),
        args=arguments,
        train_dataset=train_set,
        eval_dataset=test_set,
        data_collator=collate,
        compute_metrics=accuracy,
    )
    trainer.train()  # prints the loss and the accuracy after each epoch
    return trainer.state.log_history


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", help="such as mocrop-work/caches/motion-192.zarr")
    parser.add_argument("--folder", default="videomae", help="for what the Trainer writes")
    parser.add_argument("--epochs", type=float, default=10)
    main(**vars(parser.parse_args()))
