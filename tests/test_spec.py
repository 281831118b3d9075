from pathlib import Path
from typing import Any

import pytest

from dfdbench import spec as specs
from dfdbench.errors import SpecError
from dfdbench.registry import Registry


def problems(content: dict[str, Any], registry: Registry) -> list[str]:
    with pytest.raises(SpecError) as caught:
        specs.validate(content, registry, "tiny.yaml")
    return list(caught.value.problems)


def test_a_bare_name_and_a_mapping_with_use_mean_the_same(
    spec: dict[str, Any], registry: Registry
) -> None:
    spec["detectors"]["ln"]["regularizers"] = ["slerp", {"use": "slerp"}]
    found = specs.validate(spec, registry).detectors["ln"]
    first, second = found.regularizers  # type: ignore[attr-defined]
    assert first == second
    assert first.to_spec() == {"use": "slerp", "low": 0.0, "high": 1.0}


def test_a_resolved_spec_validates_to_itself(spec: dict[str, Any], registry: Registry) -> None:
    first = specs.validate(spec, registry)
    again = specs.validate(first.to_dict(), registry)
    assert again.to_dict() == first.to_dict()


def test_a_detector_without_use_is_the_composed_one(
    spec: dict[str, Any], registry: Registry
) -> None:
    assert specs.validate(spec, registry).detectors["ln"].name == "composed"


def test_the_shared_recipe_goes_into_every_detector_and_its_own_values_win(
    spec: dict[str, Any], registry: Registry
) -> None:
    spec["detectors"]["ln"]["recipe"] = {"lr": 0.5}
    found = specs.validate(spec, registry).detectors
    recipes = {name: detector.recipe for name, detector in found.items()}  # type: ignore[attr-defined]
    assert (recipes["ln"].lr, recipes["ln"].epochs) == (0.5, 3)
    assert (recipes["probe"].lr, recipes["probe"].epochs) == (0.01, 3)


def test_every_problem_is_told_at_once_with_its_place(
    spec: dict[str, Any], registry: Registry
) -> None:
    spec["detectors"]["ln"]["backbone"] = {"use": "open_clpi", "model": "ViT-L-14"}
    spec["detectors"]["probe"]["peft"] = {"use": "linear_probe", "rank": 3}
    spec["detectors"]["My-Detector"] = spec["detectors"]["probe"]
    spec["recipe"]["lr"] = -1
    spec["recipe"]["epoch"] = 4
    spec["sedes"] = [1]
    del spec["faces"]
    found = problems(spec, registry)
    assert all(line.startswith("tiny.yaml: ") for line in found)
    text = "\n".join(found)
    assert "detectors.ln.backbone: unknown backbone 'open_clpi'; did you mean 'open_clip'?" in text
    assert "detectors.probe.peft.rank: unknown option 'rank'" in text
    assert "detectors.My-Detector: the id 'My-Detector' is not made of a-z, 0-9 and _ alone" in text
    assert "tiny.yaml: recipe.lr: Input should be greater than 0" in text
    assert "tiny.yaml: recipe.epoch: unknown option 'epoch'; did you mean 'epochs'?" in text
    assert "tiny.yaml: sedes: unknown option 'sedes'; did you mean 'seeds'?" in text
    assert "tiny.yaml: faces: is missing" in text
    assert len(found) == len(set(found))


def test_an_unknown_option_of_a_component_names_the_closest_one(
    spec: dict[str, Any], registry: Registry
) -> None:
    spec["detectors"]["ln"]["regularizers"] = [{"use": "slerp", "hihg": 0.5}]
    assert problems(spec, registry) == [
        "tiny.yaml: detectors.ln.regularizers.0.hihg: unknown option 'hihg'; did you mean 'high'?"
    ]


def test_a_component_of_another_kind_is_named_as_such(
    spec: dict[str, Any], registry: Registry
) -> None:
    spec["detectors"]["ln"]["peft"] = "l2_norm"
    (line,) = problems(spec, registry)
    assert "unknown peft 'l2_norm'; 'l2_norm' is a regularizer" in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": [1, 1]}, "seeds [1, 1] are not all different"),
        ({"seeds": []}, "at least 1 item"),
        ({"detectors": {}}, "recipe: no detector of this spec has a recipe"),
        ({"test_sets": {"validation": "x"}}, "test_sets.validation.dataset"),
    ],
)
def test_contradictions_are_refused(
    spec: dict[str, Any], registry: Registry, change: dict[str, Any], message: str
) -> None:
    if "test_sets" in change:
        message = "`validation` is the train set's own"
        change = {"test_sets": {"validation": spec["test_sets"]["test"]}}
    assert message in "\n".join(problems({**spec, **change}, registry))


def test_selecting_on_a_test_set_must_name_one_of_the_spec(
    spec: dict[str, Any], registry: Registry
) -> None:
    del spec["train_sets"]["crops"]["validation"]
    spec["train_sets"]["crops"]["select_on_test"] = "tset"
    (line,) = problems(spec, registry)
    assert "train_sets.crops.select_on_test: no test set 'tset'" in line


def test_validation_may_be_of_another_data_set(spec: dict[str, Any], registry: Registry) -> None:
    other = spec["train_sets"]["crops"]
    other["validation_dataset"] = {"use": "image_folder", "path": "VAL"}
    other["validation"] = "train"  # the name of the training split, of another data set
    found = specs.validate(spec, registry).train_sets["crops"]
    assert found.held_out().name == "image_folder"
    del other["validation"]
    (line,) = problems(spec, registry)
    assert "`validation_dataset` needs the name of its split" in line


def test_set_overrides_by_dotted_path_with_yaml_values(tmp_path: Path, registry: Registry) -> None:
    loaded = specs.load(
        "specs/demo.yaml",
        registry,
        ["recipe.lr=3e-05", "seeds=[1, 2]", "recipe.epochs=1", "recipe.min_lr=0"],
    )
    assert loaded.seeds == (1, 2)
    assert loaded.detectors["ln"].recipe.epochs == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("override", ["recipe.lr", "=3", "seeds.7=3", "name.x=1"])
def test_a_wrong_set_says_so(override: str, registry: Registry) -> None:
    with pytest.raises(SpecError, match="--set"):
        specs.load("specs/demo.yaml", registry, [override])


def test_a_number_such_as_1e_05_is_a_number_as_yaml_1_2_says(
    tmp_path: Path, registry: Registry, spec: dict[str, Any]
) -> None:
    from ruamel.yaml import YAML

    assert YAML(typ="safe", pure=True).load("lr: 1e-05") == {"lr": 1e-05}


@pytest.mark.parametrize("name", ["demo", "paper", "real_sample"])
def test_every_bundled_spec_validates_from_any_folder(
    name: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert specs.load(f"specs/{name}.yaml", registry).name == name


def test_a_missing_spec_names_the_bundled_ones(registry: Registry) -> None:
    with pytest.raises(SpecError, match=r"bundled are specs/.*specs/demo\.yaml"):
        specs.load("specs/nothing.yaml", registry)


def test_broken_yaml_names_the_line(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("name: a\nseeds: [1, 2\nfaces: x\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"(?s)not YAML 1\.2.*line 3"):
        specs.load(str(path), registry)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("name: a\nname: b\n", encoding="utf-8")
    with pytest.raises(SpecError, match="duplicate key"):
        specs.load(str(path), registry)
