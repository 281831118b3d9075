"""A video of the embedded benchmark: which seeds it is made of, and its frames."""

from dataclasses import dataclass

import numpy as np

from dfdbench_plugins.synthetic_faces.camera import CAMERAS, film
from dfdbench_plugins.synthetic_faces.head import Image, paint, sample_identity
from dfdbench_plugins.synthetic_faces.manipulate import manipulate, prepare
from dfdbench_plugins.synthetic_faces.render import draw_frame, sample_clip, sample_moments
from dfdbench_plugins.synthetic_faces.seeds import stream


@dataclass(frozen=True)
class SyntheticVideo:
    """A real video (method None) or a manipulated one; its original has the same other fields.

    `donor` is the second identity's seed, needed by every method; `camera` a key of `CAMERAS`.
    """

    identity: int
    clip: int
    method: str | None = None
    donor: int | None = None
    camera: str = "phone"


def render_video(video: SyntheticVideo, n_frames: int, size: int = 112) -> Image:
    """Render (n_frames, size, size, 3), RGB uint8, deterministic in the video's fields.

    A manipulated video shows the moments of its original under the same settings of the camera,
    with sensor noise of its own. Raises KeyError on an unknown method or camera, ValueError on a
    method without donor.
    """
    if video.method is not None and video.donor is None:
        raise ValueError(f"the method {video.method!r} needs a donor")
    head = paint(sample_identity(video.identity))
    clip = sample_clip(video.clip, video.identity)
    moments = sample_moments(video.clip, n_frames)
    settings = CAMERAS[video.camera].draw(stream("film", video.clip))
    rng = stream("film", video.clip, 0 if video.donor is None else video.donor)
    fake = None
    if video.method is not None and video.donor is not None:
        fake = prepare(video.method, head, video.donor, video.clip, n_frames)
    frames = []
    for index, moment in enumerate(moments):
        scene = draw_frame(head, moment, clip)
        if fake is not None and video.method is not None:
            scene = manipulate(video.method, scene, fake, index, moment, clip)
        frames.append(film(scene, settings, rng, size))
    return np.stack(frames)
