"""A plugin that needs what nobody has installed; it would provide the regularizer ``fancy``."""

import a_library_that_nobody_has  # noqa: F401
