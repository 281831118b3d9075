"""Data sets as their owners distribute them, one module each.

To add one, derive from :class:`dfdbench_plugins.datasets.layout.Distributed` and say four things:
the names that people give its folder, what in the folder shows that it is this data set, where it
is asked for, and, in ``listed``, which videos a split has::

    class Uadfv(Distributed):
        name, title = "uadfv", "UADFV"
        names, marks = ("uadfv",), ("real", "fake")
        asked = "on request: write to the authors"

        def listed(self, folder, split):
            for label, kind in ((REAL, "real"), (FAKE, "fake")):
                for stem, path in self.clips(folder, kind).items():
                    yield self.video(label, path, f"{kind}/{stem}", ("", ""))

``self.clips`` finds videos with or without a level ``videos`` and says what is missing;
``layout.inside`` keeps the paths of lists inside the data set. Ids start with the adapter's name
and depend neither on where the data lies nor on its compression, so that a video that is in two
splits, or in two test sets, is seen to be one. Then return the class below; a plugin of your own
returns it from the same hook.
"""

from __future__ import annotations

from collections.abc import Sequence

from dfdbench import hookimpl
from dfdbench.api import DatasetAdapter
from dfdbench_plugins.datasets.celeb_df_v2 import CelebDfV2
from dfdbench_plugins.datasets.deeperforensics import DeeperForensics
from dfdbench_plugins.datasets.deepfakebench import DeepfakeBench
from dfdbench_plugins.datasets.deepspeak import DeepSpeak
from dfdbench_plugins.datasets.dfd import Dfd
from dfdbench_plugins.datasets.dfdc import Dfdc
from dfdbench_plugins.datasets.dfdc_preview import DfdcPreview
from dfdbench_plugins.datasets.faceforensics import FaceForensics
from dfdbench_plugins.datasets.ffiw import Ffiw
from dfdbench_plugins.datasets.image_folder import ImageFolder
from dfdbench_plugins.datasets.manifest import Manifest
from dfdbench_plugins.datasets.uadfv import Uadfv


@hookimpl
def dfdbench_datasets() -> Sequence[type[DatasetAdapter]]:
    """The adapters of this package."""
    return [
        ImageFolder,
        Manifest,
        FaceForensics,
        Dfd,
        CelebDfV2,
        Dfdc,
        DfdcPreview,
        Ffiw,
        DeepSpeak,
        Uadfv,
        DeeperForensics,
        DeepfakeBench,
    ]
