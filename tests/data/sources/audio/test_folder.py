"""Folders of recordings that the tests write, and generated music."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from phasebench.common.errors import PhasebenchError
from phasebench.data.encodings.registry import load_encoding
from phasebench.data.prepare import prepare_dataset
from phasebench.data.sources.raw_files import raw_checksums
from phasebench.data.sources.registry import load_source
from phasebench.data.store import LoadedDataset, read_store

SHORT = {"path": "genres", "segments": 3, "seconds": 0.2, "test_per_class": 2}
LENGTH = 4410


def noise(n_samples: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-20_000, 20_000, n_samples, dtype=np.int16)


@pytest.fixture
def genres(tmp_path: Path) -> Path:
    """Two classes of five recordings in GTZAN's layout: AU and WAV, mono and stereo, of different lengths."""
    for label, name in enumerate(("blues", "rock")):
        (tmp_path / "genres" / name).mkdir(parents=True)
        for number in range(5):
            suffix = ".au" if number % 2 else ".wav"
            path = tmp_path / "genres" / name / f"{name}.{number:05}{suffix}"
            soundfile.write(path, noise(13_000 + 300 * number, 10 * label + number), 22_050, subtype="PCM_16")
    return tmp_path / "genres"


def load(genres: Path, **options: object) -> LoadedDataset:
    return load_source("audio_folder", {**SHORT, **options}, genres.parent, download=False)


def test_recordings_are_cut_and_split_by_track(genres: Path) -> None:
    loaded = load(genres)
    assert loaded.classes == ("blues", "rock")
    assert loaded.samples.dtype == np.int16
    assert loaded.samples.shape == (30, LENGTH)
    np.testing.assert_array_equal(loaded.samples[:3].ravel(), np.pad(noise(13_000, 0), (0, 230)))
    assert loaded.extra["track"][:4].tolist() == ["blues/blues.00000.wav"] * 3 + ["blues/blues.00001.au"]
    assert loaded.extra["segment"][:4].tolist() == [0, 1, 2, 0]
    test, train = (set(loaded.extra["track"][loaded.splits[name]]) for name in ("test", "train"))
    assert not test & train
    assert (len(test), len(train)) == (4, 6)
    assert np.bincount(loaded.labels[loaded.splits["test"]]).tolist() == [6, 6]
    # Classes follow one another, in the test as well.
    assert (np.diff(loaded.labels[loaded.splits["test"]]) >= 0).all()


def test_the_split_follows_the_seed(genres: Path) -> None:
    splits = [load(genres, seed=seed).splits["test"].tolist() for seed in (0, 0, 1, 2, 3)]
    assert splits[0] == splits[1]
    assert any(other != splits[0] for other in splits[2:])


def test_a_pattern_may_name_the_test(genres: Path) -> None:
    loaded = load(genres, test_files="*.0000[01].*")
    assert {track.split(".")[1] for track in loaded.extra["track"][loaded.splits["test"]]} == {"00000", "00001"}


def test_a_pattern_leaves_each_class_something_to_train_and_to_test_on(genres: Path) -> None:
    with pytest.raises(
        PhasebenchError, match=r"test_files: no recording of class 'rock' matches 'blues\.0000\[01\]\.\*'"
    ):
        load(genres, test_files="blues.0000[01].*")
    with pytest.raises(
        PhasebenchError, match=r"test_files: every recording of class 'blues' matches .* none to train on;"
    ):
        load(genres, test_files="b*")


def test_channels_are_averaged_and_rates_made_equal(genres: Path) -> None:
    time = np.arange(8000) / 8000
    tone = 0.5 * np.sin(2 * np.pi * 440 * time)
    soundfile.write(genres / "blues" / "blues.00000.wav", np.stack((tone, 0 * tone), axis=1), 8000, subtype="PCM_16")
    loaded = load(genres, segments=1, seconds=0.8)
    expected = 0.25 * 32_768 * np.sin(2 * np.pi * 440 * np.arange(17_640) / 22_050)
    np.testing.assert_allclose(loaded.samples[0, 500:-500], expected[500:-500], atol=20)


def test_a_flat_folder_of_names(genres: Path) -> None:
    expected = load(genres)
    for path in [*genres.glob("*/*.*")]:
        path.rename(genres / path.name)
    loaded = load(genres, layout="names")
    assert loaded.classes == ("blues", "rock")
    np.testing.assert_array_equal(loaded.samples, expected.samples)


def test_some_classes_in_an_order_of_choice(genres: Path) -> None:
    assert load(genres, classes="rock, blues").classes == ("rock", "blues")
    with pytest.raises(PhasebenchError, match=r"options.classes: there is no class 'pop'; there are blues, rock"):
        load(genres, classes="rock,pop")
    with pytest.raises(PhasebenchError, match=r"options.classes: must name at least two classes"):
        load(genres, classes="rock")


def test_folders_that_are_no_class_may_be_empty_where_the_classes_are_chosen(genres: Path) -> None:
    (genres / "__MACOSX").mkdir()
    with pytest.raises(PhasebenchError, match=r"__MACOSX: the class has no recordings .* leave the class out"):
        load(genres)
    assert load(genres, classes="blues,rock").classes == ("blues", "rock")


@pytest.mark.parametrize("layout", ["folders", "names"])
def test_the_raw_files_are_those_that_are_read(genres: Path, layout: str) -> None:
    noises = ["blues/deeper/blues.1.wav", "blues/.b.wav", "loose.1.wav", "pop/pop.1.wav"]
    for name in (*noises, *(f"{genre}.{number}.wav" for genre in ("blues", "rock", "pop") for number in range(3))):
        (genres / name).parent.mkdir(exist_ok=True)
        soundfile.write(genres / name, noise(5000, 0), 22_050)
    options = {"path": "genres", "layout": layout, "classes": "rock, blues"}
    read = set(load(genres, **options, test_per_class=1).extra["track"])
    assert set(raw_checksums("audio_folder", options, genres.parent, {})) == {f"genres/{name}" for name in read}
    assert len(read) == {"folders": 10, "names": 6}[layout]


def test_what_cannot_be_read_is_left_out_and_named(
    genres: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (genres / "blues" / "blues.00001.au").write_bytes(b"no sound at all")
    soundfile.write(genres / "rock" / "rock.00000.wav", np.zeros(5000, np.int16), 22_050)
    soundfile.write(genres / "rock" / "rock.00002.wav", np.zeros(0, np.int16), 22_050)
    output, manifest = tmp_path / "out" / "a.h5", tmp_path / "out" / "a.json"
    with caplog.at_level(logging.WARNING):
        prepare_dataset("audio_folder", {**SHORT, "test_per_class": 1}, tmp_path, False, output, manifest)
    left_out = [
        "blues/blues.00001.au: has no header of a sound file",
        "rock/rock.00000.wav: is silent",
        "rock/rock.00002.wav: holds no sound",
    ]
    source = json.loads(manifest.read_text())["source"]
    assert source == {"source": "audio_folder", "tracks": 7, "n_left_out": 3, "left_out": left_out}
    assert all(complaint in caplog.text for complaint in left_out)
    store = read_store(output)
    assert (store.kind, store.samples.shape, store.samples.dtype) == ("audio", (21, LENGTH), np.int16)


def test_mistakes_are_named(genres: Path) -> None:
    with pytest.raises(PhasebenchError, match=r"nowhere: path: no such folder; give the folder"):
        load(genres, path="nowhere")
    with pytest.raises(PhasebenchError, match="5 test tracks leave none to train on in a class of 5"):
        load(genres, test_per_class=5)
    with pytest.raises(PhasebenchError, match=r"audio_folder: options: key 'second' is not known; known keys: .*path"):
        load(genres, second=3)
    with pytest.raises(PhasebenchError, match=r"blues: path: has no folders, one for each class"):
        load(genres, path="genres/blues")
    for path in (genres / "rock").iterdir():
        path.write_bytes(b"no sound")
    with pytest.raises(PhasebenchError, match=r"class 'rock': none of its 5 recordings can be read, .*rock.00000.wav"):
        load(genres)
    for path in (genres / "rock").iterdir():
        path.unlink()
    with pytest.raises(PhasebenchError, match=r"rock: the class has no recordings .* leave the class out"):
        load(genres)


def test_a_last_segment_that_is_not_half_full_is_left_out(genres: Path) -> None:
    for name, n_samples in (("blues.00000.wav", 2 * LENGTH + 2000), ("blues.00002.wav", 100)):
        soundfile.write(genres / "blues" / name, noise(n_samples, 0), 22_050)
    loaded = load(genres)
    tracks, counts = np.unique(loaded.extra["track"], return_counts=True)
    found = dict(zip(tracks, counts, strict=True))
    assert found["blues/blues.00000.wav"] == 2
    assert found["blues/blues.00002.wav"] == 1


def test_generated_music_is_deterministic_and_split_by_track() -> None:
    options = {"tracks_per_class": 3, "test_per_class": 1, "segments": 2, "seconds": 0.5, "classes": "classical,rock"}
    first, again = (load_source("music_clips", options, Path("unused"), download=False) for _ in range(2))
    np.testing.assert_array_equal(first.samples, again.samples)
    assert first.samples.shape == (12, 11_025)
    assert first.classes == ("classical", "rock")
    other = load_source("music_clips", {**options, "seed": 1}, Path("unused"), download=False)
    assert not np.array_equal(first.samples, other.samples)
    # A piece does not depend on the other styles.
    more = load_source("music_clips", {**options, "classes": "rock,pop,classical"}, Path("unused"), download=False)
    np.testing.assert_array_equal(more.samples[:6], first.samples[6:])
    assert abs(int(first.samples.max())) == pytest.approx(0.9 * 32_767, abs=3000)


def test_styles_can_be_told_apart() -> None:
    loaded = load_source("music_clips", {"tracks_per_class": 6, "test_per_class": 2}, Path("unused"), download=False)
    planes = load_encoding("mfcc")(torch.from_numpy(loaded.samples), torch.tensor(1.0))[:, 0, 0]
    features = torch.cat((planes.mean(dim=2), planes.std(dim=2)), dim=1).numpy()
    train, test = loaded.splits["train"], loaded.splits["test"]
    spread = features[train].std(axis=0)
    distance = np.linalg.norm((features[test][:, None] - features[train]) / spread, axis=2)
    accuracy = (loaded.labels[train][distance.argmin(axis=1)] == loaded.labels[test]).mean()
    assert accuracy > 0.6


def with_rate(path: Path, rate: int) -> None:
    """Change the rate that the header of a WAV file says."""
    content = bytearray(path.read_bytes())
    content[24:28] = rate.to_bytes(4, "little")
    path.write_bytes(content)


@pytest.mark.parametrize("rate", [1, 999, 768_001, 16_777_213, 2_147_483_647])
def test_a_rate_that_no_sound_has_is_left_out(genres: Path, rate: int) -> None:
    with_rate(genres / "blues/blues.00000.wav", rate)
    left_out = load(genres, test_per_class=1).source["left_out"]
    assert left_out == [f"blues/blues.00000.wav: says {rate} Hz, which is no sampling rate of sound"]


@pytest.mark.parametrize("suffix", [".wav", ".au", ".aiff", ".flac", ".mp3", ".ogg"])
def test_a_cut_recording_is_left_out(genres: Path, suffix: str) -> None:
    path = genres / f"blues/x{suffix}"
    soundfile.write(path, noise(40_000, 5), 22_050)
    assert load(genres).source["n_left_out"] == 0
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    (complaint,) = load(genres).source["left_out"]
    assert complaint.startswith(f"blues/x{suffix}: ")
    # Of a cut Ogg stream libsndfile knows no length.
    assert any(reason in complaint for reason in ("is cut: its header promises", "cannot be read as sound", "no sound"))


def test_a_recording_from_a_pipe_is_read(genres: Path) -> None:
    path = genres / "blues/x.wav"
    soundfile.write(path, noise(40_000, 5), 22_050)
    content = path.read_bytes()
    start = content.index(b"data") + 4
    path.write_bytes(content[:start] + b"\xff" * 4 + content[start + 4 :])
    assert load(genres).source["n_left_out"] == 0


def test_a_saved_web_page_is_left_out_by_that_name(genres: Path) -> None:
    (genres / "blues/x.wav").write_text("<html><body>404 Not Found")
    (complaint,) = load(genres).source["left_out"]
    assert complaint == "blues/x.wav: it is a saved web page, not data; delete it and fetch the file again"
