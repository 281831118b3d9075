"""The page, drawn by Gradio."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from dfdbench.errors import DfdbenchError
from dfdbench.ui.shown import show

if TYPE_CHECKING:
    from dfdbench.predict.finding import Trained
    from dfdbench.runtime import Runtime


def page(trained: Trained, runtime: Runtime) -> Any:
    """A Gradio page that scores one file at a time; files stay on this machine."""
    with gr.Blocks(title=f"dfdbench: {trained.title}", analytics_enabled=False) as blocks:
        gr.Markdown(f"# {trained.title}")
        file = gr.File(label="An image or a video", type="filepath")
        said = gr.Markdown("Drop a file to see its faces and scores.")
        # Their labels would lie on what they show.
        timeline = gr.Plot(show_label=False, visible=False)
        faces = gr.Gallery(show_label=False, columns=8, height="auto", visible=False)

        def changed(name: str | None) -> tuple[Any, Any, Any]:
            if name is None:
                return "", gr.Plot(visible=False), gr.Gallery(visible=False)
            try:
                shown = show(trained, Path(name), runtime)
            except DfdbenchError as error:
                raise gr.Error(str(error)) from error
            return (
                shown.said,
                gr.Plot(shown.timeline, visible=shown.timeline is not None),
                gr.Gallery(shown.faces, visible=bool(shown.faces)),
            )

        file.change(changed, file, [said, timeline, faces])
    return blocks
