"""A page in the browser for one detector: drop a file, see its faces, scores and timeline."""

from __future__ import annotations

from importlib import util
from typing import TYPE_CHECKING

from dfdbench.errors import MissingError

if TYPE_CHECKING:
    from dfdbench.predict.finding import Trained
    from dfdbench.runtime import Runtime


def require() -> None:
    """Raise MissingError where the page's library is not installed."""
    if util.find_spec("gradio") is None:
        raise MissingError(
            "the page needs gradio, which is not installed; install it with "
            "`pip install 'dfdbench[ui]'`, or use `dfdbench predict`"
        )


def serve(trained: Trained, runtime: Runtime, port: int) -> None:
    """Show the page until it is interrupted."""
    from dfdbench.ui.page import page

    page(trained, runtime).launch(server_name="127.0.0.1", server_port=port)
