"""Checks of a detector's training."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict

from dfdbench.api import Fit
from dfdbench.shared_state import apart
from dfdbench.testing import samples
from dfdbench.testing.case import Case, fail, require
from dfdbench.testing.suite import check_where
from dfdbench.testing.trainings import given, it, same, scores_of, train_in, training_of, unseen


def trains_not(case: Case) -> str:
    """Why there is no training to look at; empty where there is one."""
    return "" if it(case).trains else "it does not train"


@check_where(trains_not)
def fit_says_how_it_went(case: Case) -> None:
    """``fit`` returns a Fit that fits into JSON; what it logs has an ``epoch``."""
    fit, records = training_of(case).fit, training_of(case).records
    require(isinstance(fit, Fit), f"fit returns {type(fit).__name__}, not a dfdbench.api.Fit")
    try:
        json.dumps([asdict(fit), records])
        epochs = [int(record["epoch"]) for record in records]
    except (KeyError, TypeError, ValueError) as error:
        fail(f"what it returns or logs is no JSON with an epoch: {type(error).__name__}: {error}")
    require(epochs == sorted(epochs) and min(epochs, default=1) >= 1, f"it logs epochs {epochs}")
    require(
        0 <= fit.trainable <= fit.parameters,
        f"{fit.trainable} of {fit.parameters} parameters train, it says",
    )


@check_where(trains_not)
def fit_needs_no_validation_faces(case: Case) -> None:
    """Without them the checkpoint cannot be chosen, and the results must not say that it was."""
    fit = train_in(case, case.new_folder(), validated=False)
    require(
        fit.selected_on != "validation",
        "without validation faces it says that it was selected on them",
    )


@check_where(trains_not)
def the_seed_decides_everything(case: Case) -> None:
    """The same seed gives the same scores, whatever was drawn from global generators before."""
    outs = []
    for seed in (1, 2):
        folder = case.new_folder()
        with apart(seed):
            train_in(case, folder)
            outs.append(scores_of(it(case), unseen(case), folder))
    same(outs[1], outs[0], "trained twice with one seed; draw from `context.seed` alone", 1e-6)


@check_where(trains_not)
def fit_goes_on_after_an_interruption(case: Case) -> None:
    """Called again with the folder of a stopped or a finished training, it ends the same way."""
    wanted = training_of(case).scores
    for stop_at in (1, 0):
        folder = case.new_folder()
        with suppress(KeyboardInterrupt):
            train_in(case, folder, samples.Heard(stop_at))
        train_in(case, folder)
        found = scores_of(it(case), unseen(case), folder)
        same(found, wanted, "called again in the folder of its own earlier work", 1e-6)


@check_where(trains_not)
def scores_come_from_the_training(case: Case) -> None:
    """A detector that scores without ``fit`` says ``trains = False``: then it is run once."""
    try:
        it(case).score(unseen(case), given(case.new_folder()))
    except Exception:  # in any way: there is nothing to score with
        return
    fail("it scores from an empty folder; set `trains = False`, or write in `fit` what it needs")


CHECKS = (
    fit_says_how_it_went,
    fit_needs_no_validation_faces,
    the_seed_decides_everything,
    fit_goes_on_after_an_interruption,
    scores_come_from_the_training,
)
