"""Does a component keep its kind's contract? A suite of checks that plugin authors run.

In a plugin's tests one line makes a test of each check::

    from dfdbench.testing import conformance
    from brightness import Brightness

    test_conformance = conformance(Brightness(), Brightness(sharpness=1.0))

``dfdbench plugin test brightness`` runs the same checks on an installed component. What a kind is
tried on is small and made here (:mod:`dfdbench.testing.samples`); a data set needs data, so give
``data`` and ``split``. :mod:`dfdbench.testing.fixtures` has the samples as pytest fixtures.
"""

from dfdbench.testing.case import Case, Failed
from dfdbench.testing.suite import Check, Result, checks, conformance, run

__all__ = ["Case", "Check", "Failed", "Result", "checks", "conformance", "run"]
