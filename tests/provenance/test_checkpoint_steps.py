"""Steps of a checkpoint, read without torch."""

from pathlib import Path

import torch
from torch import nn

from phasebench.provenance.checkpoint_steps import steps_done
from phasebench.training.checkpoint import TrainingState, save_checkpoint


def test_the_step_of_a_checkpoint(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    for step in (0, 7, 300, 70_000):
        state = TrainingState(step=step, model=model.state_dict(), optimizer=optimizer.state_dict(), best_step=5)
        # Rows of the history have a key of the same name.
        state.history = [{"step": 2.0, "train_loss": 1.0}]
        save_checkpoint(tmp_path / "c.pt", "digest", state)
        assert steps_done(tmp_path / "c.pt") == step


def test_what_is_no_checkpoint_has_no_step(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    assert steps_done(path) is None
    save_checkpoint(path, "digest", TrainingState(step=3))
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"text"):
        path.write_bytes(content)
        assert steps_done(path) is None
    torch.save({"other": 1}, path)
    assert steps_done(path) is None
