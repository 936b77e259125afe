"""Settings that a run makes no use of, said when planning: someone typed them for a reason."""

from engine.config import FIT, MODEL, RunConfig
from engine.settings.setting import fields_of


def makes_no_video(config: RunConfig) -> bool:
    """Whether it is clear without torch that the motion engine works alone: it is chosen, or ``auto`` finds no weights
    of the video model; the tiny one, a tour, is taken only where it is tested."""
    if config.engine != "auto" or config.video:
        return config.engine == "motion"
    from engine.video.catalogue.models import card, find_model

    model = config.video_choice.model
    return (model == "tiny" and not config.is_tested) or find_model(card(model)).state != "ready"


def unheeded(config: RunConfig) -> tuple[str, ...]:
    """A sentence for each reason why some settings that are given change nothing."""
    found = []
    given = [
        field.option
        for field in fields_of(RunConfig)
        if (field.setting.group in (MODEL, FIT) or field.name == "self_test")
        and getattr(config, field.name) != field.default
    ]
    if given and makes_no_video(config):
        why = (
            "the motion engine" if config.engine == "motion" else "the motion engine, which auto takes here,"
        )
        found.append(f"{', '.join(given)}: of no effect, as {why} makes no video.")
    if config.seed and config.takes == 1 and makes_no_video(config):
        found.append(
            f"seed {config.seed}: of no effect, as the first take of the motion engine is its best estimate; only "
            "further takes are random."
        )
    if config.style != "natural":
        from engine.priors.catalogue import BARE, SURE

        if config.prior in BARE:
            found.append(f"style {config.style}: of no effect, as the prior {config.prior} is left as it is.")
        elif config.style == "lively" and config.prior not in SURE:
            found.append(
                f"style lively: as natural, since the prior {config.prior} knows one way to move only."
            )
    return tuple(found)
