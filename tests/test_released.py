"""Released weights: their names mapped onto our towers, by networks of the authors' libraries."""

from __future__ import annotations

import enum
import pickle
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from dfdbench import media
from dfdbench import spec as specs
from dfdbench.api import Context
from dfdbench.errors import DataError, MissingError
from dfdbench.faces import Faces
from dfdbench.registry import Registry
from dfdbench_plugins.released import Released, mapping, network
from dfdbench_plugins.released.models import MODELS

SIZE = 32
SMALL: dict[str, dict[str, Any]] = {
    "clip": {"layers": 2, "width": 32, "head_width": 16, "patch_size": 8, "mlp_ratio": 2.0},
    "dinov3": {"embed_dim": 32, "depth": 2, "num_heads": 2},
    "perception": {
        "embed_dim": 32, "depth": 2, "num_heads": 2, "img_size": 56, "ref_feat_shape": (4, 4),
        "attn_pool_num_heads": 2,
    },
}  # fmt: skip
INPUT = {"clip": 32, "dinov3": 48, "perception": 42}


class Trained(nn.Module):
    """What the authors save: ``feature_extractor`` and a head ``model.linear``."""

    def __init__(self, extractor: nn.Module, width: int) -> None:
        super().__init__()
        self.feature_extractor = extractor
        self.model = nn.Module()
        self.model.linear = nn.Linear(width, 2)


class Holder(nn.Module):
    """An encoder under the name that the authors give it."""

    def __init__(self, name: str, encoder: nn.Module) -> None:
        super().__init__()
        self.add_module(name, encoder)
        self.name = name

    def forward(self, images: torch.Tensor) -> Any:
        return self.get_submodule(self.name)(images)


@pytest.fixture(autouse=True)
def small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The four detectors with a few narrow layers, else as they are."""
    for name, known in list(MODELS.items()):
        vision = {**known.vision, **SMALL[known.tower]}
        small = replace(known, vision=vision, size=INPUT[known.tower])
        monkeypatch.setitem(MODELS, name, small)


@pytest.fixture
def transformers() -> Any:
    return pytest.importorskip("transformers", reason="the reference networks are transformers'")


def randomised(module: nn.Module) -> nn.Module:
    """Every parameter drawn anew: nothing that is 0 or 1 from the start can hide a mix-up."""
    rng = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng) * 0.3)
    return module.eval()


def clip_vision(transformers: Any) -> nn.Module:
    config = transformers.CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        image_size=INPUT["clip"], patch_size=8,
    )  # fmt: skip
    return transformers.CLIPVisionModel(config)


def dinov3_vision(transformers: Any) -> nn.Module:
    config = transformers.DINOv3ViTConfig(
        hidden_size=32, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        image_size=INPUT["dinov3"], patch_size=16, num_register_tokens=4,
    )  # fmt: skip
    return transformers.DINOv3ViTModel(config)


def pixels(model: str, images: np.ndarray | None = None) -> torch.Tensor:
    """Faces as the network of ``model`` wants them; by default noise."""
    form = network.build(MODELS[model], True).encoder.input
    if images is None:
        images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    resized = np.stack([media.resize(each, form.size, form.interpolation) for each in images])
    return form.normalise(torch.from_numpy(resized).permute(0, 3, 1, 2))


def logits_of(trained: Trained, features: torch.Tensor, normalised: bool = True) -> torch.Tensor:
    z = F.normalize(features, dim=1) if normalised else features
    return trained.model.linear(z)


def assert_same(path: Path, model: str, x: torch.Tensor, wanted: torch.Tensor) -> None:
    with torch.no_grad():
        found = network.load(MODELS[model], path).logits(x)
    assert torch.allclose(found, wanted, atol=1e-5, rtol=0), (found - wanted).abs().max()
    assert (wanted.std(0) > 1e-3).all()  # the images are told apart, so that equality says much


def lightning(path: Path, module: nn.Module, **said: Any) -> Path:
    """A checkpoint as Lightning writes it."""
    content = {
        "epoch": 9, "global_step": 100, "pytorch-lightning_version": "2.5.0",
        "state_dict": module.state_dict(), "loops": {}, "hparams_name": "kwargs",
        "hyper_parameters": {"run_name": "a run", "head": "LinearNorm", **said},
    }  # fmt: skip
    torch.save(content, path)
    return path


@pytest.mark.filterwarnings("ignore:Unsupported layer type:UserWarning")  # peft's of LayerNorms
def test_the_papers_checkpoint_gives_the_logits_of_transformers_clip(
    transformers: Any, tmp_path: Path
) -> None:
    peft = pytest.importorskip("peft", reason="the paper's checkpoint was trained by peft")
    holder = Holder("vision_model", clip_vision(transformers))
    names = ["pre_layrnorm", "layer_norm1", "layer_norm2", "post_layernorm"]
    tuned = peft.get_peft_model(holder, peft.LNTuningConfig(target_modules=names))
    trained = randomised(Trained(tuned, 32))
    assert any(".ln_tuning_layers.default." in name for name in trained.state_dict())
    path = lightning(tmp_path / "model.ckpt", trained)

    x = pixels("clip_ln")
    with torch.no_grad():
        wanted = logits_of(trained, trained.feature_extractor(x).pooler_output)
    assert_same(path, "clip_ln", x, wanted)


def test_a_tuned_layer_norm_takes_the_place_of_the_one_before_tuning() -> None:
    one, two = torch.ones(2), torch.full((2,), 2.0)
    prefix = "feature_extractor.base_model.model.vision_model.post_layernorm."
    tensors = {
        f"{prefix}ln_tuning_layers.default.weight": two,
        f"{prefix}base_layer.weight": one,
    }
    encoder, _, _ = mapping.parts(tensors)
    assert list(encoder) == ["vision_model.post_layernorm.weight"]
    assert encoder["vision_model.post_layernorm.weight"] is two


def test_gends_clip_gives_the_logits_of_transformers_clip(
    transformers: Any, tmp_path: Path
) -> None:
    extractor = Holder("vision_model", clip_vision(transformers))
    extractor.visual_projection = nn.Linear(32, 16, bias=False)
    trained = randomised(Trained(extractor, 32))
    save_file(trained.state_dict(), tmp_path / "model.safetensors")

    x = pixels("gend_clip")
    with torch.no_grad():
        wanted = logits_of(trained, extractor.vision_model(x).pooler_output)
    assert_same(tmp_path / "model.safetensors", "gend_clip", x, wanted)


@pytest.mark.parametrize("layers", ["model.layer.", "layer."])
def test_gends_dinov3_gives_the_logits_of_transformers_dinov3(
    transformers: Any, tmp_path: Path, layers: str
) -> None:
    extractor = Holder("backbone", dinov3_vision(transformers))
    trained = randomised(Trained(extractor, 32))
    state = {n.replace(".model.layer.", f".{layers}"): t for n, t in trained.state_dict().items()}
    save_file(state, tmp_path / "model.safetensors")

    x = pixels("gend_dinov3")
    with torch.no_grad():
        wanted = logits_of(trained, extractor(x).last_hidden_state[:, 0])
    assert_same(tmp_path / "model.safetensors", "gend_dinov3", x, wanted)


def test_gends_perception_encoder_gives_the_logits_of_timms(tmp_path: Path) -> None:
    import timm

    vision = dict(MODELS["gend_perception"].vision)
    backbone = timm.create_model(**vision)
    backbone.head = nn.Identity()
    extractor = Holder("backbone", backbone)
    trained = randomised(Trained(extractor, 32))
    save_file(trained.state_dict(), tmp_path / "model.safetensors")

    x = pixels("gend_perception")
    with torch.no_grad():
        wanted = logits_of(trained, extractor(x))
    assert_same(tmp_path / "model.safetensors", "gend_perception", x, wanted)


def test_real_crops_score_as_with_the_authors_preprocessing(
    transformers: Any, tmp_path: Path, real_faces: Path
) -> None:
    from PIL import Image

    trained = randomised(Trained(Holder("vision_model", clip_vision(transformers)), 32))
    path = lightning(tmp_path / "model.ckpt", trained)
    files = sorted(real_faces.rglob("*.png"))
    side = INPUT["clip"]
    processor = transformers.CLIPImageProcessor(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}
    )
    x = processor([Image.open(file) for file in files], return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        features = trained.feature_extractor(x).pooler_output
        wanted = torch.softmax(logits_of(trained, features), 1)[:, 1].numpy()

    faces = Faces.from_arrays(
        np.stack([media.decode(file.read_bytes()) for file in files]), [0] * len(files)
    )
    detector = Released(model="clip_ln", weights=path)
    found = detector.score(faces, Context(tmp_path))
    # Their processor resizes as torchvision does: a pixel may differ by one level from Pillow's.
    assert np.abs(found - wanted).max() < 1e-3
    assert wanted.std() > 0.01


def test_a_head_without_norm_sees_the_features_as_they_are(
    transformers: Any, tmp_path: Path
) -> None:
    trained = randomised(Trained(Holder("vision_model", clip_vision(transformers)), 32))
    path = lightning(tmp_path / "model.ckpt", trained, head="linear")
    x = pixels("clip_ln")
    with torch.no_grad():
        features = trained.feature_extractor(x).pooler_output
    assert_same(path, "clip_ln", x, logits_of(trained, features, normalised=False))

    save_file(trained.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"head": "linear", "model_type": "GenD"}')
    wanted = logits_of(trained, features, normalised=False).detach()
    assert_same(tmp_path / "model.safetensors", "gend_clip", x, wanted)
    (tmp_path / "config.json").write_text('{"head": "mlp"}')
    with pytest.raises(DataError, match=r"has a head 'mlp'; known are linear, LinearNorm"):
        network.load(MODELS["gend_clip"], tmp_path / "model.safetensors")


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        import os

        return os.system, (f"touch {self.file}",)


def test_a_pickled_payload_is_refused_and_never_run(transformers: Any, tmp_path: Path) -> None:
    trained = Trained(Holder("vision_model", clip_vision(transformers)), 32)
    mark = tmp_path / "it_ran"
    path = lightning(tmp_path / "model.ckpt", trained, callback=Payload(mark))
    with pytest.raises(DataError, match=r"model\.ckpt is refused: .*posix\.system.*convert it"):
        network.load(MODELS["clip_ln"], path)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Payload(mark)))
    assert mark.exists()  # the payload works, so that its not running says something


def test_an_enum_of_the_authors_code_is_read_without_that_code(
    transformers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = types.ModuleType("src.config")
    monkeypatch.setitem(sys.modules, "src", types.ModuleType("src"))
    monkeypatch.setitem(sys.modules, "src.config", code)
    head = enum.Enum("Head", {"Linear": "linear"}, module="src.config")
    code.Head = head  # type: ignore[attr-defined]
    trained = randomised(Trained(Holder("vision_model", clip_vision(transformers)), 32))
    path = lightning(tmp_path / "model.ckpt", trained, head=head.Linear)
    monkeypatch.delitem(sys.modules, "src.config")
    monkeypatch.delitem(sys.modules, "src")

    assert network.load(MODELS["clip_ln"], path).normalised is False


def test_a_file_that_is_cut_off_says_so(transformers: Any, tmp_path: Path) -> None:
    trained = Trained(Holder("vision_model", clip_vision(transformers)), 32)
    path = lightning(tmp_path / "model.ckpt", trained)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"model\.ckpt is cut off: .*download it again"):
        network.load(MODELS["clip_ln"], path)

    file = tmp_path / "model.safetensors"
    save_file(trained.state_dict(), file)
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"cannot read the weights file .*model\.safetensors"):
        network.load(MODELS["gend_clip"], file)


def test_another_detectors_file_is_refused_with_the_first_differences(
    transformers: Any, tmp_path: Path
) -> None:
    dino = Trained(Holder("backbone", dinov3_vision(transformers)), 32)
    save_file(dino.state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(
        DataError, match=r"not those of the detector of yermandy/GenD_CLIP_L_14: .*and \d+ more"
    ):
        network.load(MODELS["gend_clip"], tmp_path / "model.safetensors")

    save_file(
        {"encoder.weight": torch.zeros(2), "head.weight": torch.zeros(2)},
        tmp_path / "b.safetensors",
    )
    with pytest.raises(DataError, match=r"has no encoder, nothing called feature_extractor"):
        network.load(MODELS["gend_clip"], tmp_path / "b.safetensors")


def test_a_file_with_a_layer_less_or_more_is_refused(transformers: Any, tmp_path: Path) -> None:
    trained = Trained(Holder("vision_model", clip_vision(transformers)), 32)
    state = trained.state_dict()
    lacking = {n: t for n, t in state.items() if ".layers.1.mlp.fc1.weight" not in n}
    save_file(lacking, tmp_path / "less.safetensors")
    with pytest.raises(
        DataError, match=r"resblocks\.1\.mlp\.c_fc\.weight is not in the file; set `model`"
    ):
        network.load(MODELS["gend_clip"], tmp_path / "less.safetensors")
    save_file({**state, "surprise": torch.zeros(1)}, tmp_path / "more.safetensors")
    with pytest.raises(DataError, match=r"surprise is in the file and not in the network"):
        network.load(MODELS["gend_clip"], tmp_path / "more.safetensors")


def test_where_the_weights_are_must_be_said(registry: Registry, tmp_path: Path) -> None:
    nowhere = Released(model="clip_ln")
    assert "Name a local file as `weights`, or a commit" in nowhere.missing()[0]
    absent = Released(model="clip_ln", weights=tmp_path / "model.ckpt")
    assert "no weights file" in absent.missing()[0]
    with pytest.raises(MissingError, match="no weights file"):
        absent.file()
    with pytest.raises(ValueError, match=r"'main' is no commit: 40 digits"):
        Released(model="clip_ln", revision="main")
    with pytest.raises(ValueError, match="clip_ln"):
        registry.resolve("detector", {"use": "released", "model": "clip"})


def test_an_unreachable_hub_names_the_way_by_a_local_file(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def unreachable(repository: str, name: str, revision: str | None = None) -> str:
        asked.append((repository, name, revision))
        raise ConnectionError("no route to huggingface.co")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    commit = "0123456789abcdef0123456789abcdef01234567"
    detector = Released(model="gend_dinov3", revision=commit)
    assert "name a local file as `weights`" in detector.missing()[0]
    with pytest.raises(MissingError, match=r"name a local file as `weights` \(ConnectionError"):
        detector.file()
    assert asked == [("yermandy/GenD_DINOv3_L", "model.safetensors", commit)]


def test_the_hubs_file_comes_with_the_config_that_says_what_the_head_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def download(repository: str, name: str, revision: str | None = None) -> str:
        asked.append(name)
        return str(tmp_path / name)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert Released(model="gend_clip", revision="a" * 40).file() == tmp_path / "model.safetensors"
    assert asked == ["model.safetensors", "config.json"]


def test_a_result_counts_by_the_content_of_the_file_or_by_the_commit(tmp_path: Path) -> None:
    for name, content in (("a.ckpt", b"one"), ("b.ckpt", b"one"), ("c.ckpt", b"two")):
        (tmp_path / name).write_bytes(content)
    a, b, c = (
        Released(model="clip_ln", weights=tmp_path / name).identity()
        for name in ("a.ckpt", "b.ckpt", "c.ckpt")
    )
    assert a == b != c
    one = Released(model="clip_ln", revision="1" * 40).identity()
    assert one != Released(model="clip_ln", revision="2" * 40).identity()


def test_the_bundled_spec_has_every_released_detector_and_trains_none(registry: Registry) -> None:
    spec = specs.load("specs/released.yaml", registry)
    assert [detector.model for detector in spec.detectors.values()] == list(MODELS)  # type: ignore[attr-defined]
    assert not any(detector.trains for detector in spec.detectors.values())
    assert spec.declared.keys() == spec.detectors.keys()


def test_a_released_detector_is_exported_with_its_preprocessing(
    transformers: Any, tmp_path: Path
) -> None:
    trained = randomised(Trained(Holder("vision_model", clip_vision(transformers)), 32))
    detector = Released(model="clip_ln", weights=lightning(tmp_path / "model.ckpt", trained))
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    faces = Faces.from_arrays(images, [0, 0, 0])
    with torch.inference_mode():
        module = detector.module(64, Context(tmp_path))
        found = module(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    assert found == pytest.approx(detector.score(faces, Context(tmp_path)), abs=1e-6)
    assert found.std() > 1e-3
