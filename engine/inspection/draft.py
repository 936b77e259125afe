"""A run that is being planned: the stage is read once, plans are made as often as the settings change, and the
self-test predicts the error. Like :mod:`engine.run` this module calls :mod:`usd_io` inside its functions."""

from collections.abc import Callable, Mapping
from functools import partial

from engine.config import RunConfig
from engine.errors import RunCancelled
from engine.geometry.threads import one_thread
from engine.planning.foresee import foresee
from engine.planning.plan import Plan
from engine.planning.shot_plan import Planned, plan_shot
from engine.priors.auto import CANDIDATES
from engine.priors.catalogue import SURE, prior_of
from engine.priors.fill import as_tested, expecting, split
from engine.priors.learned import prior as learned
from engine.priors.self_test import Prior, SelfTest, self_test
from engine.priors.spline import spline
from engine.progress import never
from usd_io.model import Character, Motion, Shot


class Draft:
    """One stage, to plan on; used from one thread at a time."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self._shots: dict[tuple[str, ...], Shot] = {}

    def plan(self, config: RunConfig) -> Planned:
        """As :func:`engine.planning.shot_plan.plan`, without reading the stage again.

        Raises:
            UsdIoError: The stage cannot be read.
            ConfigError: Times, joints or skeletons that do not exist; nothing to fill; nothing can be written.
        """
        from usd_io.read.stage import read_shot

        if config.skeletons not in self._shots:
            self._shots[config.skeletons] = read_shot(self.stage, config.skeletons, meshes=False, once=True)
        from usd_io.read.stage import open_stage

        planned = plan_shot(self._shots[config.skeletons], config)
        return foresee(planned, open_stage(self.stage), config)

    def expect(
        self, config: RunConfig, planned: Planned, cancel: Callable[[], bool] = never
    ) -> dict[str, SelfTest]:
        """What the self-test says of every planned skeleton, by its path: the same as in the report of the run.

        Args:
            config: Chooses the prior.
            planned: From :meth:`plan` with this config.
            cancel: Called before every prediction; True stops the work.

        Raises:
            RunCancelled: ``cancel`` said True.
        """
        from usd_io.read.motion import read_motion
        from usd_io.read.stage import open_stage

        opened = open_stage(self.stage)
        tests = {}
        shot = planned.shot
        for character, motion, made in zip(shot.characters, shot.motions, planned.plans, strict=True):
            parts = split(motion, made, partial(read_motion, opened, character.skeleton_path))
            tests[made.skeleton_path] = _test(character, parts.known, made, config.prior, cancel)
        return tests


@one_thread()
def _test(
    character: Character, known: Motion, plan: Plan, prior: str, cancel: Callable[[], bool]
) -> SelfTest:
    """The trials that :func:`engine.priors.fill.fill` makes."""
    drafts = learned.Drafts()
    together = {"learned": drafts} if learned.fits(character) else {}
    if prior == "auto":
        tried = {name: p for name, p in CANDIDATES.items() if name != "learned" or learned.fits(character)}
        test = self_test(character, known, plan, _stoppable(tried, cancel), together=together)
    else:
        tried = {"spline": spline, prior: prior_of(prior)}
        test = self_test(character, known, plan, _stoppable(tried, cancel), only=prior, together=together)
    if prior in SURE and learned.fits(character):
        guess = as_tested(
            test, character, drafts.fills, known, plan, learned.fill(character, known, plan, ideas=False)
        )
        test = expecting(test, character, known, plan, guess)
    return test


def _stoppable(priors: Mapping[str, Prior], cancel: Callable[[], bool]) -> dict[str, Prior]:
    def wrap(prior: Prior) -> Prior:
        def predict(character: Character, known: Motion, plan: Plan) -> Motion:
            if cancel():
                raise RunCancelled("the self-test was stopped.")
            return prior(character, known, plan)

        return predict

    return {name: wrap(prior) for name, prior in priors.items()}
