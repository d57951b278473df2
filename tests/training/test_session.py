"""Session of a run: resume, save, stop; and that no procedure does so on its own."""

import ast
import random
import signal
from pathlib import Path

import pytest
import torch
from support.checkout import ROOT
from torch import nn

from phasebench.common.errors import InterruptedRunError, PhasebenchError
from phasebench.training.session import Session

TRAINING = ROOT / "src" / "phasebench" / "training"
# Who needs them -> what the procedures share; the launcher stops whole processes, and saves nothing.
OWNERS = {
    "save_checkpoint": {"session.py"},
    "load_checkpoint": {"session.py"},
    "Clock": {"session.py"},
    "StopRequest": {"session.py", "launcher.py"},
    "InterruptedRunError": {"session.py", "launcher.py"},
    "write_results": {"run.py"},
    "build_model": {"run.py", "overhead.py", "step_cost.py"},
    "keep_freed_memory": {"run.py", "overhead.py", "step_cost.py"},
}


def importers(name: str) -> set[str]:
    found = set()
    for path in TRAINING.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
                found.add(path.name)
    return found


@pytest.mark.parametrize("name", OWNERS)
def test_the_skeleton_of_a_run_is_written_once(name: str) -> None:
    assert importers(name) <= OWNERS[name]


def walk(model: nn.Linear, session: Session, signal_at: int | None = None) -> list[int]:
    """Add one to the weights in each of three steps."""
    state = session.resume(model)
    walked = []
    with session:
        for step in session.steps(3, "walking"):
            with torch.no_grad():
                model.weight += 1
            state.step = step + 1
            walked.append(step)
            if step == signal_at:
                signal.raise_signal(signal.SIGTERM)
            if session.must_save():
                session.save(model)
    return walked


def test_a_signal_is_followed_by_a_checkpoint_and_the_rest_by_resuming(tmp_path: Path) -> None:
    checkpoint, handler = tmp_path / "c.pt", signal.getsignal(signal.SIGTERM)
    undisturbed = nn.Linear(2, 2)
    nn.init.zeros_(undisturbed.weight)
    stopped = nn.Linear(2, 2)
    stopped.load_state_dict(undisturbed.state_dict())
    assert walk(undisturbed, Session(tmp_path / "none.pt", "d")) == [0, 1, 2]
    assert not (tmp_path / "none.pt").exists()
    with pytest.raises(InterruptedRunError, match="stopped by SIGTERM after step 2 of 3"):
        walk(stopped, Session(checkpoint, "d"), signal_at=1)
    assert signal.getsignal(signal.SIGTERM) == handler
    resumed, session = nn.Linear(2, 2), Session(checkpoint, "d")
    assert walk(resumed, session) == [2]
    assert (session.state.resumed, session.state.step) == (1, 3)
    assert session.state.wall_seconds > 0
    assert torch.equal(resumed.weight, undisturbed.weight)


def test_a_checkpoint_is_written_when_it_is_due(tmp_path: Path) -> None:
    walk(nn.Linear(2, 2), Session(tmp_path / "often.pt", "d", seconds=0))
    walk(nn.Linear(2, 2), Session(tmp_path / "seldom.pt", "d", seconds=600))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["often.pt", "often.pt.previous"]


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint, model = tmp_path / "c.pt", nn.Linear(2, 2)
    undisturbed = nn.Linear(2, 2)
    undisturbed.load_state_dict(model.state_dict())
    walk(undisturbed, Session(tmp_path / "none.pt", "d"))
    with pytest.raises(InterruptedRunError):
        walk(model, Session(checkpoint, "d", seconds=0), signal_at=1)
    whole = checkpoint.read_bytes()
    bits = random.Random(0).sample(range(8 * len(whole)), 60)
    damaged = [*(flipped(whole, bit) for bit in bits), b"", whole[:-1], whole[: len(whole) // 2], whole + b"x", b"text"]
    for content in damaged:
        checkpoint.write_bytes(content)
        caplog.clear()
        resumed = nn.Linear(2, 2)
        state = Session(checkpoint, "d").resume(resumed)
        assert (state.step, checkpoint.exists()) == (1, False)
        assert (tmp_path / "c.pt.damaged").read_bytes() == content
        assert caplog.messages[0] == f"{checkpoint}: the checkpoint is damaged; set aside as c.pt.damaged"
    session = Session(checkpoint, "d", seconds=0)
    assert walk(resumed, session) == [1, 2]
    assert torch.equal(resumed.weight, undisturbed.weight)
    checkpoint.write_bytes(b"")
    (tmp_path / "c.pt.previous").write_bytes(b"")
    assert Session(checkpoint, "d").resume(nn.Linear(2, 2)).step == 0
    session.finish()
    assert [path.name for path in tmp_path.glob("c.*") if not path.name.endswith(".damaged")] == []


def test_a_checkpoint_of_other_weights_or_another_run_is_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / "c.pt"
    walk(nn.Linear(2, 2), Session(checkpoint, "d", seconds=0))
    with pytest.raises(PhasebenchError, match=r"c\.pt: the checkpoint does not fit the network; delete it"):
        Session(checkpoint, "d").resume(nn.Linear(3, 3))
    with pytest.raises(PhasebenchError, match=r"c\.pt: the checkpoint belongs to another version of the run"):
        Session(checkpoint, "e").resume(nn.Linear(2, 2))
    assert checkpoint.exists()
