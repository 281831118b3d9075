"""The camera: lens blur, sensor, noise, compression and resampling, the same for real and fake."""

from dataclasses import dataclass

import cv2
import numpy as np

from dfdbench_plugins.synthetic_faces.head import Image, floats


@dataclass(frozen=True)
class Settings:
    """What one clip was filmed with; one draw a clip.

    `blur` sigma in scene pixels, `sensor` the sensor's side in pixels, `noise` grey levels,
    `gain` and `cast` factors, `sharpen` strength of the unsharp mask, `quality` JPEG 0 to 100.
    """

    blur: float
    sensor: int
    noise: float
    gain: float
    cast: tuple[float, float, float]
    sharpen: float
    quality: int


@dataclass(frozen=True)
class Camera:
    """Ranges (low, high) from which a clip's settings are drawn."""

    blur: tuple[float, float]
    sensor: tuple[int, int]
    noise: tuple[float, float]
    gain: tuple[float, float]
    cast: float
    sharpen: tuple[float, float]
    quality: tuple[int, int]

    def draw(self, rng: np.random.Generator) -> Settings:
        """Draw one clip's settings."""
        warm = rng.uniform(-self.cast, self.cast)
        return Settings(
            blur=rng.uniform(*self.blur),
            sensor=int(rng.integers(self.sensor[0], self.sensor[1] + 1)),
            noise=rng.uniform(*self.noise),
            gain=rng.uniform(*self.gain),
            cast=(1 + warm, 1.0, 1 - warm),
            sharpen=rng.uniform(*self.sharpen),
            quality=int(rng.integers(self.quality[0], self.quality[1] + 1)),
        )


CAMERAS: dict[str, Camera] = {
    "phone": Camera((0.4, 0.8), (116, 150), (0.5, 3.0), (0.85, 1.15), 0.04, (0.0, 0.4), (75, 95)),
    "webcam": Camera((0.7, 1.2), (92, 110), (2.5, 6.0), (0.7, 1.0), 0.10, (0.4, 1.0), (50, 75)),
}
# encoder pretraining draws from wider ranges, so that it can read all of these off an image
ANY = Camera((0.3, 1.1), (92, 160), (0.2, 5.0), (0.7, 1.2), 0.12, (0.0, 1.2), (45, 98))


def film(scene: Image, settings: Settings, rng: np.random.Generator, size: int = 112) -> Image:
    """Film one scene frame (S, S, 3): returns (size, size, 3), RGB uint8."""
    side = settings.sensor
    image = cv2.GaussianBlur(scene, (0, 0), settings.blur)
    sensed = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    sensed *= np.float32(settings.gain) * floats(settings.cast)
    grain = rng.standard_normal(sensed.shape, dtype=np.float32)
    # photon noise: more in the bright parts, about `noise` at middle grey
    sensed += grain * np.float32(settings.noise) * np.sqrt(0.3 + sensed * np.float32(0.7 / 128))
    if settings.sharpen > 0:
        sensed += np.float32(settings.sharpen) * (sensed - cv2.GaussianBlur(sensed, (0, 0), 1.0))
    frame = np.clip(sensed + 0.5, 0, 255).astype(np.uint8)
    coded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, settings.quality])[1]
    decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return np.asarray(cv2.resize(decoded, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)
