"""Data sets as their owners distribute them: what is read, and what is said where it lacks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import layouts
import pytest
from layouts import FOUR, placeholder

from dfdbench import spec as specs
from dfdbench.api import DatasetAdapter, Video
from dfdbench.errors import DataError, MissingError, SpecError
from dfdbench.registry import Registry
from dfdbench_plugins import datasets
from dfdbench_plugins.datasets.celeb_df_v2 import CelebDfV2
from dfdbench_plugins.datasets.deeperforensics import DeeperForensics
from dfdbench_plugins.datasets.deepfakebench import DeepfakeBench
from dfdbench_plugins.datasets.deepspeak import DeepSpeak
from dfdbench_plugins.datasets.dfd import Dfd
from dfdbench_plugins.datasets.dfdc import Dfdc
from dfdbench_plugins.datasets.dfdc_preview import DfdcPreview
from dfdbench_plugins.datasets.faceforensics import FaceForensics
from dfdbench_plugins.datasets.ffiw import Ffiw
from dfdbench_plugins.datasets.layout import Distributed
from dfdbench_plugins.datasets.uadfv import Uadfv

ALL: list[type[Distributed]] = [
    CelebDfV2, DeeperForensics, DeepSpeak, Dfd, Dfdc, DfdcPreview, FaceForensics, Ffiw, Uadfv,
]  # fmt: skip
OWN_MODULES = [cls.__module__.rpartition(".")[2] for cls in (*ALL, DeepfakeBench)]


def read(one: DatasetAdapter, root: Path | None, split: str = "test") -> dict[str, Video]:
    """The videos by id, each seen to be named once."""
    videos = list(one.videos(root, split))
    found = {video.id: video for video in videos}
    assert len(found) == len(videos)
    assert [video.id for video in videos] == sorted(found)
    return found


def counts(one: DatasetAdapter, root: Path, split: str = "test") -> tuple[int, int]:
    """Number of real and of fake videos."""
    labels = [video.label for video in read(one, root, split).values()]
    return labels.count(0), labels.count(1)


def files(one: DatasetAdapter, root: Path, split: str = "test") -> list[Path]:
    """Where the core would read the videos."""
    folder = one.folder(root)
    assert folder is not None
    return [folder / name for video in one.videos(root, split) for name in video.files]


# all of them


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    layouts.write_all(root, placeholder)
    return root


@pytest.mark.parametrize("cls", ALL)
def test_every_data_set_is_found_below_one_folder_and_has_both_classes(
    cls: type[Distributed], everything: Path
) -> None:
    one = cls()
    real, fake = counts(one, everything)
    assert real >= 4 and fake >= 4
    assert all(path.is_file() for path in files(one, everything))
    for video in one.videos(everything, "test"):
        assert video.id.startswith(f"{one.name}/")
        assert (video.method == "") == (video.label == 0)
        assert not video.label or video.source_id != video.target_id or not video.target_id


@pytest.mark.parametrize("cls", ALL)
def test_every_data_set_takes_its_own_folder_by_name_or_as_data(
    cls: type[Distributed], everything: Path
) -> None:
    own = cls().folder(everything)
    expected = read(cls(), everything)
    assert read(cls(root=own), None) == expected
    assert read(cls(), own) == expected


@pytest.mark.parametrize("cls", ALL)
def test_ids_do_not_depend_on_where_the_data_lies(
    cls: type[Distributed], everything: Path, tmp_path: Path
) -> None:
    own = cls().folder(everything)
    moved = shutil.copytree(own, tmp_path / "moved")
    assert read(cls(root=moved), None) == read(cls(), everything)


@pytest.mark.parametrize("cls", ALL)
def test_a_missing_data_set_says_what_was_looked_for_where_and_whom_to_ask(
    cls: type[Distributed], tmp_path: Path
) -> None:
    one = cls()
    with pytest.raises(MissingError) as error:
        one.videos(tmp_path, "test")
    said = str(error.value)
    assert one.title in said and str(tmp_path) in said and one.asked in said
    assert one.marks[0] in said and "--data" in said and "`root:`" in said


def test_a_data_set_without_any_folder_says_that_no_data_was_given() -> None:
    with pytest.raises(MissingError, match="no --data was given"):
        Uadfv().videos(None, "test")


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"no folder: looked in .*/elsewhere"):
        Uadfv(root=tmp_path / "elsewhere").videos(tmp_path, "test")


@pytest.mark.parametrize("cls", ALL)
def test_an_unknown_split_names_those_that_there_are(
    cls: type[Distributed], everything: Path
) -> None:
    with pytest.raises(SpecError, match=rf"{cls.name} has no split 'dev'; there are .*test"):
        cls().videos(everything, "dev")


@pytest.mark.parametrize("name", OWN_MODULES)
def test_the_module_of_an_adapter_stays_below_80_lines(name: str) -> None:
    path = Path(datasets.__file__).parent / f"{name}.py"
    assert len(path.read_text(encoding="utf-8").splitlines()) < 80


def test_every_adapter_is_registered(registry: Registry) -> None:
    for cls in (*ALL, DeepfakeBench):
        assert registry.find("dataset", cls.name).cls is cls


@pytest.mark.parametrize("name", ["paper", "deepfakebench", "gend"])
def test_the_bundled_specs_are_valid(name: str, registry: Registry) -> None:
    spec = specs.load(f"specs/{name}.yaml", registry)
    assert spec.name == name


def test_a_folder_is_found_whatever_its_capitals_and_signs(tmp_path: Path) -> None:
    for n, name in enumerate(("FF++", "ffpp", "faceforensics", "Face-Forensics++_c23")):
        layouts.faceforensics(tmp_path / str(n) / name, placeholder, count=2)
        assert FaceForensics().folder(tmp_path / str(n)).name == name


def test_a_folder_of_a_likely_name_with_something_else_in_it_is_passed_over(
    tmp_path: Path,
) -> None:
    (tmp_path / "FF" / "real" / "000").mkdir(parents=True)
    with pytest.raises(MissingError, match=r"looked in .*/FF, "):
        FaceForensics().videos(tmp_path, "test")
    layouts.faceforensics(tmp_path / "ffpp", placeholder, count=2)
    assert FaceForensics().folder(tmp_path).name == "ffpp"


def test_names_with_spaces_quotes_and_letters_of_any_language_are_read(tmp_path: Path) -> None:
    root = tmp_path / "größe 'x' données"
    for name in ("real/a b.mp4", "real/d'é.MP4", 'fake/ünï "q".Mov', "fake/.hidden.mp4"):
        layouts.write(placeholder, root / "UADFV" / name, 0)
    found = read(Uadfv(), root)
    assert sorted(found) == ['uadfv/fake/ünï "q"', "uadfv/real/a b", "uadfv/real/d'é"]
    assert all(path.is_file() for path in files(Uadfv(), root))


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    layouts.uadfv(tmp_path / "UADFV", placeholder, count=2)
    placeholder(tmp_path / "UADFV" / "real" / "0001.avi", 0)
    with pytest.raises(DataError, match=r"real/0001.avi and real/0001.mp4 are two videos"):
        Uadfv().videos(tmp_path, "test")


def test_a_linked_folder_is_as_good_as_a_real_one(tmp_path: Path) -> None:
    layouts.uadfv(tmp_path / "disk" / "set", placeholder)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "UADFV").symlink_to(tmp_path / "disk" / "set")
    assert counts(Uadfv(), tmp_path / "data") == (4, 4)


# FaceForensics++


def test_faceforensics_takes_both_numbers_of_a_pair_and_both_fakes_of_each_method(
    tmp_path: Path,
) -> None:
    layouts.faceforensics(tmp_path / "FF++", placeholder, count=2, masks=["Deepfakes"])
    found = read(FaceForensics(), tmp_path, "val")
    fakes = [f"faceforensics/{method}/{pair}" for method in FOUR for pair in ("100_101", "101_100")]
    assert list(found) == [*fakes, "faceforensics/real/100", "faceforensics/real/101"]
    assert found["faceforensics/Deepfakes/100_101"] == Video(
        id="faceforensics/Deepfakes/100_101",
        label=1,
        files=("manipulated_sequences/Deepfakes/c23/videos/100_101.mp4",),
        method="Deepfakes",
        target_id="faceforensics/100",
        source_id="faceforensics/101",
        masks=("manipulated_sequences/Deepfakes/masks/videos/100_101.mp4",),
    )
    assert found["faceforensics/FaceSwap/100_101"].masks == ()
    assert found["faceforensics/real/100"] == Video(
        id="faceforensics/real/100",
        label=0,
        files=("original_sequences/youtube/c23/videos/100.mp4",),
        target_id="faceforensics/100",
    )


def test_faceforensics_shares_nobody_between_its_splits(everything: Path) -> None:
    people = [
        {p for v in read(FaceForensics(), everything, split).values()
         for p in (v.target_id, v.source_id) if p}
        for split in ("train", "val", "test")
    ]  # fmt: skip
    assert people[0].isdisjoint(people[1] | people[2]) and people[1].isdisjoint(people[2])


def test_faceforensics_has_the_same_ids_at_every_compression(tmp_path: Path) -> None:
    layouts.faceforensics(tmp_path / "FF++", placeholder, compression="c40", lists="splits")
    layouts.faceforensics(tmp_path / "FF++", placeholder, lists="splits")
    low, high = (read(FaceForensics(compression=c), tmp_path) for c in ("c40", "c23"))
    assert list(low) == list(high)
    assert low["faceforensics/real/200"].files != high["faceforensics/real/200"].files


def test_faceforensics_needs_no_level_of_videos(tmp_path: Path) -> None:
    layouts.faceforensics(tmp_path / "FF++", placeholder, level="", masks=FOUR)
    assert all(path.is_file() for path in files(FaceForensics(), tmp_path))
    assert all(v.masks for v in read(FaceForensics(), tmp_path).values() if v.label)


def test_faceforensics_takes_the_methods_of_the_paper_unless_told_otherwise(
    everything: Path,
) -> None:
    assert {v.method for v in read(FaceForensics(), everything).values()} == {"", *FOUR}
    shifted = read(FaceForensics(methods=("FaceShifter",)), everything)
    assert {v.method for v in shifted.values()} == {"", "FaceShifter"}


def test_a_video_of_the_list_that_is_not_there_is_listed_all_the_same(tmp_path: Path) -> None:
    layouts.faceforensics(tmp_path / "FF++", placeholder)
    gone = "manipulated_sequences/FaceSwap/c23/videos/200_201.mp4"
    (tmp_path / "FF++" / gone).unlink()
    assert read(FaceForensics(), tmp_path)["faceforensics/FaceSwap/200_201"].files == (gone,)


def test_a_missing_manipulation_says_which_option_leaves_it_out(tmp_path: Path) -> None:
    layouts.faceforensics(tmp_path / "FF++", placeholder, methods=FOUR[:3])
    with pytest.raises(MissingError, match=r"manipulated_sequences/NeuralTextures/c23.*`methods:`"):
        FaceForensics().videos(tmp_path, "test")
    with pytest.raises(MissingError, match=r"original_sequences/youtube/raw.*`compression:`"):
        FaceForensics(compression="raw").videos(tmp_path, "test")


def test_missing_split_files_say_where_they_come_from(tmp_path: Path) -> None:
    layouts.faceforensics(tmp_path / "FF++", placeholder)
    (tmp_path / "FF++" / "test.json").unlink()
    with pytest.raises(MissingError, match=r"no test\.json: .*splits/test\.json.*ondyari"):
        FaceForensics().videos(tmp_path, "test")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[["200", "201"], ["202"]]', r"test\.json: entry 2 is \['202'\], not a pair"),
        ('[["200", "../x"]]', r"entry 1 is \['200', '\.\./x'\]"),
        ("{}", r"entry 1 is \{\}"),
        ("[[", r"test\.json is not JSON: .*line 1"),
    ],
)
def test_split_files_that_are_not_pairs_are_refused(
    content: str, said: str, tmp_path: Path
) -> None:
    layouts.faceforensics(tmp_path / "FF++", placeholder)
    (tmp_path / "FF++" / "test.json").write_text(content)
    with pytest.raises(DataError, match=said):
        FaceForensics().videos(tmp_path, "test")


# DFD


def test_dfd_lies_in_the_folder_of_faceforensics_or_in_its_own(tmp_path: Path) -> None:
    layouts.faceforensics(tmp_path / "FaceForensics++", placeholder)
    layouts.dfd(tmp_path / "FaceForensics++", placeholder)
    inside = read(Dfd(), tmp_path)
    layouts.dfd(tmp_path / "DFD", placeholder)
    assert read(Dfd(), tmp_path) == inside
    assert Dfd().folder(tmp_path).name == "DFD"


def test_dfd_names_target_and_source(everything: Path) -> None:
    found = read(Dfd(), everything)
    fake = found["dfd/DeepFakeDetection/01_02__exit_phone_room__A1Z"]
    assert (fake.target_id, fake.source_id, fake.label) == ("dfd/01", "dfd/02", 1)
    real = found["dfd/real/01__exit_phone_room"]
    assert (real.target_id, real.source_id, real.label) == ("dfd/01", "", 0)


# Celeb-DF


def test_in_the_list_of_celeb_df_1_is_real_and_0_is_fake(tmp_path: Path) -> None:
    layouts.celeb_df(tmp_path / "Celeb-DF-v2", placeholder, count=4, extra=3)
    found = read(CelebDfV2(), tmp_path)
    assert {id: v.label for id, v in found.items()} == {
        "celeb_df_v2/Celeb-real/id1_0000": 0,
        "celeb_df_v2/Celeb-real/id3_0000": 0,
        "celeb_df_v2/YouTube-real/00000": 0,
        "celeb_df_v2/YouTube-real/00002": 0,
        **{f"celeb_df_v2/Celeb-synthesis/id{n}_id{n + 1}_0000": 1 for n in range(4)},
    }
    fake = found["celeb_df_v2/Celeb-synthesis/id0_id1_0000"]
    assert (fake.target_id, fake.source_id) == ("celeb_df_v2/id0", "celeb_df_v2/id1")
    assert found["celeb_df_v2/Celeb-real/id1_0000"].target_id == "celeb_df_v2/id1"
    assert found["celeb_df_v2/YouTube-real/00000"].target_id == "celeb_df_v2/00000"
    train = read(CelebDfV2(), tmp_path, "train")
    assert counts(CelebDfV2(), tmp_path, "train") == (3, 3)
    assert train.keys().isdisjoint(found)


def test_a_line_of_celeb_df_that_contradicts_its_folder_is_refused(tmp_path: Path) -> None:
    layouts.celeb_df(tmp_path / "Celeb-DF-v2", placeholder)
    path = tmp_path / "Celeb-DF-v2" / "List_of_testing_videos.txt"
    path.write_text("1 YouTube-real/00000.mp4\n0 YouTube-real/00002.mp4\n")
    with pytest.raises(
        DataError, match=r"videos\.txt, line 2: .*contradicts its folder.* 1 is real"
    ):
        CelebDfV2().videos(tmp_path, "test")


@pytest.mark.parametrize(
    "line",
    ["2 Celeb-real/id0_0000.mp4", "Celeb-real/id0_0000.mp4", "1 /etc/passwd", "1 Celeb-real/..",
     "1 ../Celeb-real/x.mp4", "1"],
)  # fmt: skip
def test_a_line_of_celeb_df_that_is_none_is_refused(line: str, tmp_path: Path) -> None:
    layouts.celeb_df(tmp_path / "Celeb-DF-v2", placeholder)
    (tmp_path / "Celeb-DF-v2" / "List_of_testing_videos.txt").write_text(line)
    with pytest.raises(DataError, match=r"videos\.txt, line 1: .* is not `<1 or 0>"):
        CelebDfV2().videos(tmp_path, "test")


def test_celeb_df_may_have_a_level_of_videos_and_a_list_of_windows(tmp_path: Path) -> None:
    layouts.celeb_df(tmp_path / "a" / "Celeb-DF", placeholder)
    layouts.celeb_df(tmp_path / "b" / "cdf_v2", placeholder, level="videos", end="\r\n\r\n")
    path = tmp_path / "b" / "cdf_v2" / "List_of_testing_videos.txt"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"/", b"\\"))
    assert list(read(CelebDfV2(), tmp_path / "a")) == list(read(CelebDfV2(), tmp_path / "b"))
    assert all(path.is_file() for path in files(CelebDfV2(), tmp_path / "b"))


def test_the_versions_of_celeb_df_have_folders_and_ids_of_their_own(everything: Path) -> None:
    one, two = CelebDfV2(version=1), CelebDfV2()
    assert one.folder(everything).name == "Celeb-DF-v1"
    assert two.folder(everything).name == "Celeb-DF-v2"
    assert all(id.startswith("celeb_df_v1/") for id in read(one, everything))


def test_celeb_df_without_its_list_or_a_folder_names_it(tmp_path: Path) -> None:
    layouts.celeb_df(tmp_path / "Celeb-DF-v2", placeholder)
    shutil.rmtree(tmp_path / "Celeb-DF-v2" / "Celeb-synthesis")
    with pytest.raises(MissingError, match=r"Celeb-DF: no video in Celeb-synthesis: .*yuezunli"):
        CelebDfV2().videos(tmp_path, "test")
    (tmp_path / "Celeb-DF-v2" / "List_of_testing_videos.txt").unlink()
    with pytest.raises(MissingError, match=r"no List_of_testing_videos\.txt"):
        CelebDfV2().videos(tmp_path, "test")


# DFDC


@pytest.mark.parametrize(
    ("place", "beside"),
    [("", ""), ("videos", ""), ("test", ""), ("test", "test"), ("test/videos", "test")],
)
def test_dfdc_finds_the_videos_of_its_table(place: str, beside: str, tmp_path: Path) -> None:
    layouts.dfdc_test(tmp_path / "DFDC", placeholder, place=place, beside=beside)
    assert all(path.is_file() for path in files(Dfdc(), tmp_path))
    found = read(Dfdc(), tmp_path)
    assert {id: v.label for id, v in found.items()} == {
        f"dfdc/{'rf'[label]}tst00{n}": label for n in range(4) for label in (0, 1)
    }
    assert found["dfdc/ftst000"].target_id == ""


def test_the_header_of_dfdc_may_be_in_capitals_and_its_lines_of_windows(tmp_path: Path) -> None:
    layouts.dfdc_test(tmp_path / "DFDC", placeholder)
    path = tmp_path / "DFDC" / "test" / "labels.csv"
    path.write_bytes(b"\xef\xbb\xbfFilename,Label\r\nrtst000.mp4,0\r\n\r\nftst000.mp4,1\r\n")
    assert counts(Dfdc(), tmp_path) == (1, 1)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("name,label\na.mp4,0\n", "has the columns name, label, not filename and label"),
        ("filename,label\nrtst000.mp4,2\n", r"labels\.csv, line 2: the label is '2'"),
        ("filename,label\nrtst000.mp4\n", r"line 2: 'rtst000\.mp4' has fewer cells"),
        ("filename,label\n../../x.mp4,0\n", r"line 2: '\.\./\.\./x\.mp4' leaves the data folder"),
        ("filename,label\n/etc/x.mp4,0\n", "leaves the data folder"),
        ("filename,label\nC:\\x.mp4,0\n", "leaves the data folder"),
    ],
)
def test_a_table_of_dfdc_with_a_fault_is_refused(table: str, said: str, tmp_path: Path) -> None:
    layouts.dfdc_test(tmp_path / "DFDC", placeholder)
    (tmp_path / "DFDC" / "test" / "labels.csv").write_text(table)
    with pytest.raises(DataError, match=said):
        Dfdc().videos(tmp_path, "test")


def test_the_target_of_a_dfdc_fake_is_the_video_that_it_was_made_from(tmp_path: Path) -> None:
    layouts.dfdc_train(tmp_path / "DFDC" / "train", placeholder)
    found = read(Dfdc(), tmp_path, "train")
    assert counts(Dfdc(), tmp_path, "train") == (4, 4)
    fake = found["dfdc/ftrn003"]
    assert (fake.label, fake.target_id) == (1, "dfdc/rtrn003")
    assert found["dfdc/rtrn003"].target_id == "dfdc/rtrn003"
    assert fake.files == ("train/dfdc_train_part_1/ftrn003.mp4",)


def test_parts_of_dfdc_with_a_fault_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "DFDC" / "dfdc_train_part_0" / "metadata.json"
    path.parent.mkdir(parents=True)
    for content, said in (
        ('{"a.mp4": {"label": "MAYBE"}}', r"metadata\.json: 'a\.mp4': the label is 'MAYBE'"),
        ('{"a.mp4": "FAKE"}', r"'a\.mp4' is 'FAKE', not a mapping"),
        ('{"../a.mp4": {"label": "FAKE"}}', "leaves the data folder"),
        ("[]", "is a list, not a mapping"),
    ):
        path.write_text(content)
        with pytest.raises(DataError, match=said):
            Dfdc().videos(tmp_path, "train")


def test_dfdc_without_its_tables_says_so(tmp_path: Path) -> None:
    layouts.dfdc_test(tmp_path / "DFDC", placeholder)
    with pytest.raises(MissingError, match=r"no dfdc_train_part_\*/metadata\.json.*Kaggle"):
        Dfdc().videos(tmp_path, "train")


# DFDC preview


def test_dfdc_preview_reads_sets_methods_and_people(tmp_path: Path) -> None:
    layouts.dfdc_preview(tmp_path / "DFDCP" / "dfdc_preview_set", placeholder)
    found = read(DfdcPreview(), tmp_path)
    assert {v.method for v in found.values()} == {"", "method_A", "method_B"}
    fake = found["dfdc_preview/method_B/2000/2000_A/2001_2000_A_001"]
    assert (fake.target_id, fake.source_id) == ("dfdc_preview/2000", "dfdc_preview/2001")
    assert found["dfdc_preview/original_videos/2000/2000_A_001"].target_id == "dfdc_preview/2000"
    assert counts(DfdcPreview(), tmp_path, "train") == (4, 4)
    assert all(path.is_file() for path in files(DfdcPreview(), tmp_path))


@pytest.mark.parametrize(
    ("name", "entry", "said"),
    [
        ("method_A/a.mp4", {"label": "real", "set": "test"}, "is real, and its folder is method_A"),
        (
            "original_videos/a.mp4",
            {"label": "fake", "set": "test"},
            "its folder is original_videos",
        ),
        ("method_A/a.mp4", {"label": "fake", "set": "dev"}, "its set is 'dev'"),
        ("method_A/a.mp4", {"set": "test"}, "the label is None"),
        ("method_A/../../a.mp4", {"label": "fake", "set": "test"}, "leaves the data folder"),
    ],
)
def test_an_entry_of_dfdc_preview_with_a_fault_is_refused(
    name: str, entry: dict[str, Any], said: str, tmp_path: Path
) -> None:
    layouts.dfdc_preview(tmp_path / "DFDCP", placeholder)
    (tmp_path / "DFDCP" / "dataset.json").write_text(json.dumps({name: entry}))
    with pytest.raises(DataError, match=said):
        DfdcPreview().videos(tmp_path, "test")


# FFIW


@pytest.mark.parametrize("level", ["", "videos"])
def test_ffiw_reads_source_as_real_and_target_as_fake(level: str, tmp_path: Path) -> None:
    layouts.ffiw(tmp_path / "FFIW", placeholder, level=level)
    layouts.write(placeholder, tmp_path / "FFIW" / "target_mask" / "val" / "00000.mp4", 1)
    found = read(Ffiw(), tmp_path, "val")
    assert counts(Ffiw(), tmp_path, "val") == (4, 4)
    assert all(v.files[0].startswith("target" if v.label else "source") for v in found.values())
    assert found["ffiw/target/val/00000"].masks == ("target_mask/val/00000.mp4",)
    assert found["ffiw/target/val/00001"].masks == ()


@pytest.mark.parametrize("beside", [True, False])
def test_the_test_part_of_ffiw_lies_beside_the_rest_or_in_it(beside: bool, tmp_path: Path) -> None:
    rest = tmp_path / "FFIW" / "FFIW10K-v1-release"
    part = (rest.parent if beside else rest) / "FFIW10K-v1-release-test"
    layouts.ffiw(rest, placeholder, splits=("train", "val"))
    layouts.ffiw(part, placeholder, splits=("test",))
    for split in ("train", "val", "test"):
        assert counts(Ffiw(), tmp_path, split) == (4, 4)
        assert all(path.is_file() for path in files(Ffiw(), tmp_path, split))
        assert all(v.files[0][0] != "/" for v in read(Ffiw(), tmp_path, split).values())


def test_the_test_part_of_ffiw_may_be_all_that_there_is(tmp_path: Path) -> None:
    part = tmp_path / "FFIW10K-v1-release-test"
    for kind, label in (("source", 0), ("target", 1)):
        layouts.write(placeholder, part / kind / "a.mp4", label)
    assert list(read(Ffiw(), tmp_path)) == ["ffiw/source/test/a", "ffiw/target/test/a"]
    with pytest.raises(MissingError, match=r"no video in \./source/val.*tfzhou/FFIW"):
        Ffiw().videos(tmp_path, "val")


# DeepSpeak


def test_deepspeak_reads_one_table_by_its_generators(everything: Path) -> None:
    found = read(DeepSpeak(), everything)
    fake, real = found["deepspeak/v1/fake/101-wav2lip"], found["deepspeak/v1/real/101-1"]
    assert (fake.label, fake.method, fake.target_id) == (1, "wav2lip", "deepspeak/101")
    assert (real.label, real.method, real.target_id) == (0, "", "deepspeak/101")
    assert DeepSpeak(version="v2").folder(everything).name == "DeepSpeak-v2"
    with pytest.raises(SpecError, match="no split 'val'; there are test, train"):
        DeepSpeak().videos(everything, "val")


def test_deepspeak_maps_columns_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "dsv1" / "meta.csv"
    path.parent.mkdir()
    path.write_text("part,file,is_fake\r\ntest,x\\001.mp4,1\r\ntest,002.mp4,0\r\n")
    with pytest.raises(DataError, match=r"has no column split or set .*`columns: \{split: "):
        DeepSpeak().videos(tmp_path, "test")
    columns = {"split": "part", "path": "file", "label": "is_fake"}
    found = read(DeepSpeak.model_validate({"columns": columns}), tmp_path)
    assert {id: v.label for id, v in found.items()} == {
        "deepspeak/v1/002": 0, "deepspeak/v1/x/001": 1,
    }  # fmt: skip
    path.write_text("split,file_location,type\ntest,../x.mp4,real\n")
    with pytest.raises(DataError, match=r"meta\.csv, row 1: '\.\./x\.mp4' leaves the data folder"):
        DeepSpeak().videos(tmp_path, "test")
    path.write_text("split,file_location,type\ntest,x.mp4,lip-sync\n")
    with pytest.raises(DataError, match=r"row 1: the label is 'lip-sync', not real, fake"):
        DeepSpeak().videos(tmp_path, "test")


def test_deepspeak_reads_the_tables_of_the_release(tmp_path: Path) -> None:
    layouts.deepspeak_release(tmp_path / "deepspeak_v2", placeholder)
    found = read(DeepSpeak(version="v2"), tmp_path, "train")
    assert counts(DeepSpeak(version="v2"), tmp_path, "train") == (2, 2)
    fake = found["deepspeak/v2/videos/memo-2"]
    assert (fake.method, fake.target_id, fake.source_id) == ("memo", "deepspeak/2", "deepspeak/1")
    (tmp_path / "deepspeak_v2" / "annotations-fake.csv").unlink()
    with pytest.raises(DataError, match=r"annotations-fake\.csv is not beside"):
        DeepSpeak(version="v2").videos(tmp_path, "train")


def test_several_tables_of_deepspeak_want_a_choice(tmp_path: Path) -> None:
    layouts.deepspeak(tmp_path / "DSv1", placeholder)
    (tmp_path / "DSv1" / "other.csv").write_text("a\n1\n")
    with pytest.raises(MissingError, match=r"no single metadata table: .*other\.csv.*`table:`"):
        DeepSpeak().videos(tmp_path, "test")
    assert counts(DeepSpeak(table=tmp_path / "DSv1" / "metadata.csv"), tmp_path) == (4, 4)


# UADFV


def test_uadfv_pairs_a_fake_with_its_original(tmp_path: Path) -> None:
    layouts.uadfv(tmp_path / "uadfv", placeholder, level="videos")
    found = read(Uadfv(), tmp_path)
    assert found["uadfv/fake/0001_fake"].target_id == found["uadfv/real/0001"].target_id
    shutil.rmtree(tmp_path / "uadfv" / "real")
    with pytest.raises(MissingError, match=r"UADFV: no video in real: .*Yang, Li, Lyu 2019"):
        Uadfv().videos(tmp_path, "test")


# DeeperForensics


def test_deeperforensics_sets_the_recordings_of_the_actors_against_the_fakes(
    everything: Path,
) -> None:
    found = read(DeeperForensics(), everything)
    assert counts(DeeperForensics(), everything) == (4, 4)
    fake = found["deeperforensics/fake/200_M201"]
    assert (fake.target_id, fake.source_id) == ("deeperforensics/200", "deeperforensics/M201")
    assert fake.method == "DF-VAE"
    real = {v.target_id for v in found.values() if not v.label}
    assert real == {f"deeperforensics/M{n}" for n in range(201, 205)}


def test_deeperforensics_takes_the_targets_from_faceforensics(everything: Path) -> None:
    one = DeeperForensics(real="faceforensics")
    found = read(one, everything)
    real = found["deeperforensics/real/200"]
    assert real.target_id == found["deeperforensics/fake/200_M201"].target_id
    assert [path.name for path in files(one, everything) if path.is_file()][-1] == "203.mp4"
    assert counts(one, everything) == (4, 4)
    assert any("FaceForensics++" in note for note in one.notes(everything, "test"))


def test_deeperforensics_names_a_missing_perturbation_list_or_line(tmp_path: Path) -> None:
    layouts.deeperforensics(tmp_path / "DF-1.0", placeholder)
    with pytest.raises(MissingError, match=r"manipulated_videos/noise.*`perturbation:`"):
        DeeperForensics(perturbation="noise").videos(tmp_path, "test")
    lists = tmp_path / "DF-1.0" / "lists" / "splits"
    lists.joinpath("test.txt").write_bytes(b"200_M201.mp4\r\n\r\n../200_M202.mp4\r\n")
    with pytest.raises(DataError, match=r"test\.txt, line 3: .* leaves the data folder"):
        DeeperForensics().videos(tmp_path, "test")
    lists.joinpath("test.txt").write_text("hello.mp4\n")
    with pytest.raises(DataError, match=r"line 1: 'hello\.mp4' is no <target>_<actor>"):
        DeeperForensics().videos(tmp_path, "test")
    lists.joinpath("test.txt").unlink()
    with pytest.raises(MissingError, match=r"no lists/splits/test\.txt"):
        DeeperForensics().videos(tmp_path, "test")
    lists.joinpath("test.txt").write_text("200_M999.mp4\n")
    with pytest.raises(MissingError, match=r"source_videos/M999"):
        DeeperForensics().videos(tmp_path, "test")


# DeepfakeBench

FF_LABELS = ("FF-real", "FF-DF", "FF-F2F", "FF-FS", "FF-NT")
Bench = Callable[..., DeepfakeBench]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Write crops and a JSON file, and give the adapter for it."""

    def make(
        labels: dict[str, dict[str, Any]], dataset: str = "Celeb-DF-v2", **how: Any
    ) -> DeepfakeBench:
        layouts.deepfakebench(tmp_path, placeholder, dataset, labels, **how)
        return DeepfakeBench(dataset=dataset)

    return make


def test_one_name_under_four_manipulations_is_four_videos(bench: Bench, tmp_path: Path) -> None:
    names = {"FF-real": ["000"], **{label: ["000_003"] for label in FF_LABELS[1:]}}
    one = bench({k: {"test": v} for k, v in names.items()}, "FaceForensics++", level="c23")
    found = read(one, tmp_path)
    assert sorted(found) == sorted(f"deepfakebench/{k}/{v[0]}" for k, v in names.items())
    fake, real = found["deepfakebench/FF-DF/000_003"], found["deepfakebench/FF-real/000"]
    assert (fake.label, fake.method, real.label, real.method) == (1, "FF-DF", 0, "")
    assert (fake.target_id, fake.source_id) == ("deepfakebench/FF/000", "deepfakebench/FF/003")
    assert real.target_id == fake.target_id


def test_frames_are_sorted_by_number_and_found_below_a_root_that_has_moved(
    bench: Bench, tmp_path: Path
) -> None:
    for above in ("datasets\\rgb\\", "D:\\crops\\", "/mnt/old/place/", "../", ""):
        one = bench({"DFDC_Fake": {"test": ["a"]}, "DFDC_Real": {"test": ["b"]}}, "DFDC",
                    above=above, frames=4)  # fmt: skip
        found = read(one, tmp_path)
        assert found["deepfakebench/DFDC_Fake/a"].files == tuple(
            f"DFDC/DFDC_Fake/frames/a/{n}.png" for n in (8, 9, 10, 11)
        )
        assert found["deepfakebench/DFDC_Fake/a"].frame_indices == (8, 9, 10, 11)
        assert [v.label for v in found.values()] == [1, 0]
        assert all(path.is_file() for path in files(one, tmp_path))


def test_crops_that_are_nowhere_below_the_root_are_missed(bench: Bench, tmp_path: Path) -> None:
    one = bench({"UADFV_Fake": {"test": ["a"]}, "UADFV_Real": {"test": ["b"]}}, "UADFV")
    shutil.rmtree(tmp_path / "UADFV")
    with pytest.raises(
        MissingError, match=r"no crop of it is below .*datasets/rgb/UADFV/.*`root:`"
    ):
        read(one, tmp_path)


def test_a_path_that_leaves_the_root_is_refused(bench: Bench, tmp_path: Path) -> None:
    one = bench({"UADFV_Fake": {"test": ["a"]}, "UADFV_Real": {"test": ["b"]}}, "UADFV", above="")
    path = tmp_path / "dataset_json" / "UADFV.json"
    for frame in ("../../secret/9.png", "/etc/9.png"):
        content = json.loads(path.read_text())
        content["UADFV"]["UADFV_Fake"]["test"]["a"]["frames"][1] = frame
        path.write_text(json.dumps(content))
        with pytest.raises(DataError, match=r"UADFV\.json: .* leaves the data folder"):
            read(one, tmp_path)


def test_masks_count_where_there_is_one_for_each_frame(bench: Bench, tmp_path: Path) -> None:
    one = bench({"FF-DF": {"test": ["a", "b"]}, "FF-real": {"test": ["c"]}}, "FF-DF")
    path = tmp_path / "dataset_json" / "FF-DF.json"
    content = json.loads(path.read_text())
    videos = content["FF-DF"]["FF-DF"]["test"]
    for name, numbers in (("a", (9, 8)), ("b", (8,))):
        videos[name]["masks"] = [f"datasets\\rgb\\FF-DF\\masks\\{name}\\{n}.png" for n in numbers]
    path.write_text(json.dumps(content))
    found = read(one, tmp_path)
    assert found["deepfakebench/FF-DF/a"].masks == ("FF-DF/masks/a/8.png", "FF-DF/masks/a/9.png")
    assert found["deepfakebench/FF-DF/b"].masks == ()


def test_a_validation_split_that_is_the_test_split_is_refused(bench: Bench, tmp_path: Path) -> None:
    splits = {"train": ["x", "a"], "val": ["a"], "test": ["a"]}
    one = bench({"CelebDFv2_fake": splits, "CelebDFv2_real": splits})
    with pytest.raises(DataError, match=r"all 1 real videos of 'val' are in 'test' too, a known"):
        read(one, tmp_path, "val")


def test_test_videos_in_the_train_split_are_left_out_and_counted(
    bench: Bench, tmp_path: Path
) -> None:
    splits = {"train": ["x", "a"], "val": ["a"], "test": ["a"]}
    one = bench({"CelebDFv2_fake": splits, "CelebDFv2_real": splits})
    assert list(read(one, tmp_path, "train")) == [
        "deepfakebench/CelebDFv2_fake/x",
        "deepfakebench/CelebDFv2_real/x",
    ]
    assert one.notes(tmp_path, "train") == [
        "Celeb-DF-v2.json: 2 of 4 videos of 'train' are in 'test' too; they are left out of 'train'"
    ]
    assert one.notes(tmp_path, "test") == []


def test_videos_without_frames_are_left_out_and_counted(bench: Bench, tmp_path: Path) -> None:
    one = bench({"UADFV_Fake": {"test": ["a", "b"]}, "UADFV_Real": {"test": ["c"]}}, "UADFV")
    path = tmp_path / "dataset_json" / "UADFV.json"
    content = json.loads(path.read_text())
    content["UADFV"]["UADFV_Fake"]["test"]["b"]["frames"] = []
    path.write_text(json.dumps(content))
    assert "deepfakebench/UADFV_Fake/b" not in read(one, tmp_path)
    assert one.notes(tmp_path, "test") == ["UADFV.json: 1 videos of 'test' have no frame, left out"]


def test_a_split_that_is_one_record_instead_of_videos_is_refused(
    bench: Bench, tmp_path: Path
) -> None:
    one = bench({"DFDC_Fake": {"test": ["a"]}, "DFDC_Real": {"test": ["b"]}}, "DFDC")
    path = tmp_path / "dataset_json" / "DFDC.json"
    content = json.loads(path.read_text())
    content["DFDC"]["DFDC_Real"]["val"] = {"label": "DFDC_Real", "frames": ["a.png"]}
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"DFDC_Real, val: 'label' is no video with a list"):
        read(one, tmp_path, "val")
    with pytest.raises(SpecError, match=r"no split 'dev'; there are test, val"):
        read(one, tmp_path, "dev")


def test_a_level_of_compression_is_asked_for_only_where_there_is_one(
    bench: Bench, tmp_path: Path
) -> None:
    bench({"FF-DF": {"test": ["a"]}, "FF-real": {"test": ["b"]}}, "FF-DF", level="c40")
    with pytest.raises(MissingError, match=r"has no c23; there is c40\. Set `compression:`"):
        read(DeepfakeBench(dataset="FF-DF"), tmp_path)
    assert len(read(DeepfakeBench(dataset="FF-DF", compression="c40"), tmp_path)) == 2


def test_a_json_file_is_found_named_or_missed(bench: Bench, tmp_path: Path) -> None:
    one = bench({"UADFV_Fake": {"test": ["a"]}, "UADFV_Real": {"test": ["b"]}}, "UADFV")
    with pytest.raises(MissingError, match=r"no dataset_json/DFD\.json, .*SCLBD/DeepfakeBench"):
        read(DeepfakeBench(dataset="DFD"), tmp_path)
    with pytest.raises(MissingError, match="no --data was given"):
        read(one, None)
    moved = (tmp_path / "dataset_json" / "UADFV.json").rename(tmp_path / "mine.json")
    assert len(read(DeepfakeBench(dataset="UADFV", file=moved, root=tmp_path), None)) == 2
    moved.write_text('{"UADFV": []}')
    with pytest.raises(DataError, match=r"mine\.json has no data set 'UADFV' of labels"):
        read(DeepfakeBench(dataset="UADFV", file=moved), tmp_path)
