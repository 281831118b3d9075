"""The built-in plugins, one module or package a method, registered as a third party's would be."""

MODULES = (
    "dfdbench_plugins.datasets",
    "dfdbench_plugins.synthetic_faces",
    "dfdbench_plugins.precropped",
    "dfdbench_plugins.aligned_faces",
    "dfdbench_plugins.from_recipe",
    "dfdbench_plugins.transforms",
    "dfdbench_plugins.open_clip_backbone",
    "dfdbench_plugins.timm_backbone",
    "dfdbench_plugins.demo_clip",
    "dfdbench_plugins.peft_strategies",
    "dfdbench_plugins.regularizers",
    "dfdbench_plugins.composed",
    "dfdbench_plugins.scores",
    "dfdbench_plugins.released",
    "dfdbench_plugins.loggers",
)
