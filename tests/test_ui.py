"""The page for one detector: what it shows, and how it looks in a browser."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from chromium import Browser, installed
from conftest import Dfdbench
from PIL import Image
from trained import by_brightness, picture
from videos import write_video

from dfdbench.predict.calibration import Calibration, Level
from dfdbench.predict.finding import Trained
from dfdbench.runtime import Runtime
from dfdbench.ui.shown import BLUE, VERMILION, show
from dfdbench_plugins.precropped import Precropped

LEVELS = Calibration(Level(2.0, 0.0, 0.4, 50, 70), Level(1.0, 0.0, 0.3, 500, 700))


@pytest.fixture
def brightness(tmp_path: Path) -> Trained:
    return by_brightness(Precropped(), tmp_path, calibration=LEVELS)


def test_a_video_has_a_verdict_its_faces_and_a_timeline(
    brightness: Trained, runtime: Runtime, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "clip.mp4", [picture(value) for value in (51, 204)])
    shown = show(brightness, path, runtime)
    assert shown.said.startswith("## Fake\n\n**clip.mp4**: score 0.498, p(fake) 0.496, from")
    assert "from 2 faces in 2 frames" in shown.said and "A video is called fake from" in shown.said
    assert [words for _, words in shown.faces] == ["0: 0.20", "1: 0.80"]
    assert shown.faces[1][0].shape == (64, 64, 3)
    assert shown.timeline is not None
    (axes,) = shown.timeline.axes
    points = axes.collections[0]
    assert np.asarray(points.get_offsets()) == pytest.approx(
        np.array([[0, 0.2], [1, 0.8]]), abs=0.01
    )
    colours = ["#" + bytes((c[:3] * 255).round().astype(int).tolist()).hex() for c in
               np.asarray(points.get_facecolors())]  # fmt: skip
    assert [c.upper() for c in colours] == [BLUE, VERMILION]
    assert axes.lines[1].get_ydata()[0] == 0.4  # the threshold


def test_an_image_has_no_timeline_and_its_own_threshold(
    brightness: Trained, runtime: Runtime, tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(picture(90)).save(path)
    shown = show(brightness, path, runtime)
    assert shown.timeline is None and "score 0.353, p(fake) 0.353, from one face" in shown.said
    assert shown.said.startswith("## Fake") and [words for _, words in shown.faces] == ["0.353"]


def test_a_file_that_cannot_be_read_is_said_to_be_so_and_its_name_is_text(
    brightness: Trained, runtime: Runtime, tmp_path: Path
) -> None:
    path = tmp_path / "<b>notes.txt"
    path.write_text("no picture")
    shown = show(brightness, path, runtime)
    assert shown.said == "## No score\n\n**&lt;b&gt;notes.txt**: not an image"
    assert shown.faces == [] and shown.timeline is None


def test_without_gradio_the_command_names_the_extra(
    dfdbench: Dfdbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = dfdbench("ui", "results/demo:ln")
    assert code == 3 and "pip install 'dfdbench[ui]'" in err


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    program = installed()
    if program is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    opened = Browser(program, tmp_path / "profile")
    yield opened
    opened.close()


SERVER = """
import sys
from pathlib import Path

from dfdbench import registry, ui
from dfdbench.runtime import Runtime
from dfdbench.store import Store
from dfdbench_plugins.precropped import Precropped
from trained import by_brightness

folder = Path(sys.argv[1])
runtime = Runtime(registry.load(), Store(folder / "store"), device="cpu")
ui.serve(by_brightness(Precropped(), folder), runtime, int(sys.argv[2]))
"""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A page that another process serves: gradio leaves sockets open where it ran."""
    if importlib.util.find_spec("gradio") is None:
        pytest.skip("the extra `ui` is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SERVER, str(tmp_path), str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as server:
        try:
            wait_for(port, server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Return once somebody listens at a port."""
    while server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError(f"the page ended with the exit code {server.returncode}")


def test_a_file_that_is_dropped_on_the_page_is_scored_there(
    address: str, tmp_path: Path, browser: Browser
) -> None:
    path = write_video(tmp_path / "clip.mp4", [picture(value) for value in (51, 204)])
    browser.open(address)
    until(browser, "!!document.querySelector('input[type=file]')")
    root = browser("DOM.getDocument")["root"]["nodeId"]
    node = browser("DOM.querySelector", nodeId=root, selector="input[type=file]")["nodeId"]
    browser("DOM.setFileInputFiles", nodeId=node, files=[str(path)])
    until(browser, "document.body.innerText.includes('score 0.498, from 2 faces in 2 frames')")
    until(browser, "document.body.innerText.includes('1: 0.80')")
    until(browser, "document.querySelectorAll('.thumbnail-item, .gallery-item').length >= 2")


def until(browser: Browser, condition: str) -> None:
    """Wait until a condition holds in the page."""
    for _ in range(300):
        if browser.js(condition):
            return
        time.sleep(0.2)
    raise AssertionError(f"never came: {condition}; {browser.js('document.body.innerText')}")
