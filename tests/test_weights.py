from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from dfdbench.encoder import Encoder, Input
from dfdbench.errors import DataError, MissingError
from dfdbench_plugins import demo_clip, weights
from dfdbench_plugins.demo_clip import DemoClip
from dfdbench_plugins.open_clip_backbone import OpenClip
from dfdbench_plugins.open_clip_backbone.encoder import ClassToken, tower
from dfdbench_plugins.timm_backbone import Timm

SMALL = "ViT-S-32-alt"


@pytest.fixture(scope="module")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Encoder]:
    """The weights of a small CLIP as a file, with those of a text tower, and its encoder."""
    torch.manual_seed(1)
    encoder = OpenClip(model=SMALL, pretrained="none").build().eval()
    proj = {"visual.proj": torch.zeros(384, 256), "text_projection": torch.zeros(2, 2)}
    file = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file({**encoder.state_dict(), **proj}, file)
    return file, encoder


def test_a_local_file_gives_the_encoder_that_was_saved(
    small_file: tuple[Path, Encoder], tmp_path: Path
) -> None:
    file, saved = small_file
    images = torch.randn(2, 3, 224, 224)
    loaded = OpenClip(model=SMALL, pretrained=str(file)).build().eval()
    assert torch.equal(loaded(images), saved(images))
    checkpoint = tmp_path / "checkpoint.pt"
    names = {f"module.{name}": p for name, p in saved.state_dict().items()}
    names["module.visual.proj"] = torch.zeros(384, 256)
    torch.save({"epoch": 3, "state_dict": names}, checkpoint)
    loaded = OpenClip(model=SMALL, pretrained=str(checkpoint)).build().eval()
    assert torch.equal(loaded(images), saved(images))


def test_a_torchscript_archive_as_openai_distributes_it_is_read(tmp_path: Path) -> None:
    archive = tmp_path / "archive.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.save(torch.jit.script(nn.Linear(2, 3)), archive)
    assert {name: t.shape for name, t in weights.read(archive).items()} == {
        "weight": (3, 2),
        "bias": (3,),
    }


def test_weights_of_another_architecture_are_refused_with_what_differs(
    small_file: tuple[Path, Encoder],
) -> None:
    file, _ = small_file
    with pytest.raises(DataError) as error:
        OpenClip(model="ViT-M-32-alt", pretrained=str(file)).build()
    message = str(error.value)
    assert f"the weights in {file} are not those of open_clip ViT-M-32-alt: " in message
    assert "class_embedding has shape [384], not [512]" in message
    assert "more; set `model` to the architecture that the file was saved from" in message
    with pytest.raises(DataError, match=r"not those of timm vit_tiny_patch16_224: .* take another"):
        Timm(model="vit_tiny_patch16_224", pretrained=str(file)).build()


def test_a_file_that_is_no_weights_file_is_refused_and_its_code_is_not_run(tmp_path: Path) -> None:
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(b"\x00" * 40)
    with pytest.raises(DataError, match=r"cannot read the weights file .*torn.safetensors"):
        OpenClip(model=SMALL, pretrained=str(torn)).build()
    pickled = tmp_path / "code.pt"
    torch.save({"x": sum}, pickled)
    with pytest.raises(DataError, match=r"is refused: .*builtins\.sum.*convert it"):
        OpenClip(model=SMALL, pretrained=str(pickled)).build()


def test_a_missing_file_is_named_with_the_place_where_it_was_looked_for() -> None:
    backbone = OpenClip(model=SMALL, pretrained="nowhere/weights.pt")
    sentence = f"no weights file nowhere/weights.pt (looked for it at {Path.cwd()}/nowhere"
    assert sentence in backbone.missing()[0]
    with pytest.raises(MissingError, match="no weights file"):
        backbone.build()
    assert "no weights file" in Timm(model="resnet18", pretrained="w.pth").missing()[0]


def test_weights_that_cannot_be_downloaded_are_missing_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    def refuse(*args: object, **options: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    monkeypatch.setattr("timm.create_model", refuse)
    clip = OpenClip(model="ViT-B-32", pretrained="openai")
    xception = Timm(model="legacy_xception", pretrained=True)
    for backbone, source in (
        (clip, "timm/vit_base_patch32_clip_224.openai"),
        (xception, "timm/legacy_xception"),
    ):
        (line,) = backbone.missing()
        assert source in line and str(tmp_path) in line
        with pytest.raises(MissingError, match=r"no network, .* local file .*OSError: no network"):
            backbone.build()


def test_weights_in_the_hubs_cache_are_not_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache",
        lambda repository, name, revision: str(tmp_path / name),
    )
    assert OpenClip(model="ViT-B-32", pretrained="openai").missing() == []
    (tmp_path / "models--timm--resnet18.a1_in1k").mkdir()
    assert Timm(model="resnet18", pretrained=True).missing() == []
    assert Timm(model="resnet18", pretrained="a1_in1k").missing() == []
    assert Timm(model="resnet18", pretrained="a2_in1k").missing() != []


def test_looking_for_missing_weights_imports_no_torch() -> None:
    code = (
        "import sys; from dfdbench_plugins.open_clip_backbone import OpenClip; "
        "from dfdbench_plugins.timm_backbone import Timm; "
        "from dfdbench_plugins import demo_clip, peft_strategies, regularizers, transforms; "
        "OpenClip(model='ViT-L-14', pretrained='openai').missing(); "
        "Timm(model='resnet18', pretrained=True).missing(); "
        "print([m for m in ('torch', 'open_clip', 'timm', 'cv2') if m in sys.modules])"
    )
    path = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=path)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_local_file_counts_by_its_content(
    small_file: tuple[Path, Encoder], tmp_path: Path
) -> None:
    file, _ = small_file
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(file.read_bytes())
    first = OpenClip(model=SMALL, pretrained=str(file)).identity()
    assert first["pretrained"].startswith("sha256:")
    assert first == OpenClip(model=SMALL, pretrained=str(copy)).identity()
    content = copy.read_bytes()
    copy.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert first != OpenClip(model=SMALL, pretrained=str(copy)).identity()
    tag = OpenClip(model="ViT-L-14", pretrained="openai").identity()
    assert (tag["pretrained"], tag["quick_gelu"]) == ("openai", True)


def test_timm_loads_a_file_with_a_classifier_and_refuses_another_networks(tmp_path: Path) -> None:
    import timm

    torch.manual_seed(2)
    whole = timm.create_model("resnet10t", num_classes=7).eval()
    file = tmp_path / "resnet.pth"
    torch.save(whole.state_dict(), file)
    encoder = Timm(model="resnet10t", pretrained=str(file), size=64).build().eval()
    images = torch.randn(1, 3, 64, 64)
    assert torch.allclose(whole.fc(encoder(images)), whole(images), atol=1e-5)
    with pytest.raises(DataError, match=rf"{file} are not those of timm resnet14t: layer1"):
        Timm(model="resnet14t", pretrained=str(file)).build()


def test_timm_fits_the_position_embedding_of_a_file_to_another_size(tmp_path: Path) -> None:
    import timm

    file = tmp_path / "vit.pth"
    torch.save(timm.create_model("vit_tiny_patch16_224").state_dict(), file)
    encoder = Timm(model="vit_tiny_patch16_224", pretrained=str(file), size=64).build()
    assert encoder.network.pos_embed.shape == (1, 1 + 4 * 4, 192)  # type: ignore[union-attr]
    assert encoder(torch.zeros(1, 3, 64, 64)).shape == (1, 192)


def test_the_demos_encoder_is_built_from_the_files_beside_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config, file = tmp_path / "config.json", tmp_path / "weights.safetensors"
    monkeypatch.setattr(demo_clip, "CONFIG", config)
    monkeypatch.setattr(demo_clip, "WEIGHTS", file)
    assert len(DemoClip().missing()) == 2
    with pytest.raises(MissingError, match="missing from the installation"):
        DemoClip().build()
    vision = {"image_size": 32, "patch_size": 8, "width": 64, "layers": 2, "head_width": 16}
    visual = tower(16, vision, quick_gelu=False).half()
    save_file(visual.state_dict(), file)
    saved = ClassToken(visual.float(), Input(32, (0.5,) * 3, (0.25,) * 3))
    about = {"embed_dim": 16, "vision_cfg": vision, "mean": [0.5] * 3, "std": [0.25] * 3}
    config.write_text(json.dumps(about), encoding="utf-8")
    encoder, images = DemoClip().build(), torch.randn(2, 3, 32, 32)
    assert torch.allclose(encoder(images), saved(images), atol=1e-5)
    assert encoder.input == saved.input
    assert DemoClip().missing() == []


def test_the_demos_encoder_ships_with_the_package() -> None:
    assert DemoClip().missing() == []
    encoder = DemoClip().build()
    assert isinstance(encoder, ClassToken)
    assert demo_clip.WEIGHTS.stat().st_size <= 8_000_000
    assert next(encoder.parameters()).dtype == torch.float32
