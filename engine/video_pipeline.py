"""The video engine: what a run does between *fill* and *score* where motion is fitted to a video.

    render -> adapt -> generate -> estimate_joints -> mimic

The motion prior's answer is where the fit starts and what it falls back to. With a video that is given, the first three
stages are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.config import RunConfig
from engine.joints.settings import EstimatorSettings
from engine.mimic.settings import MimicSettings
from engine.planning.plan import Plan
from engine.runs.stage_cache import RunContext
from engine.scene.footage import Footage, given_footage
from engine.scene.given_video import check_still, span
from engine.scene.scene import make_scene
from engine.scene.subject import Subject
from engine.settings.pinned_file import FEW_STEP_LORA, GGUF
from engine.stages.adapt import adapt, prompt_of
from engine.stages.estimate_joints import estimate_joints
from engine.stages.generate import generate
from engine.stages.mimic import fit_motion
from engine.stages.render import choose_view, first_of, render
from engine.stages.self_test import SELF_TEST, variants
from engine.video.adaptation.lora_stack import require_pinned
from engine.video.backends import Backend, backend
from engine.video.catalogue.ready import check_gaps

VIDEO_WEIGHTS = {"render": 1.0, "adapt": 12.0, "generate": 5.0, "estimate_joints": 10.0, "mimic": 17.0}
"""Stages with what they take beside :data:`engine.pipeline.STAGE_WEIGHTS` [s], measured with ``tiny`` on the fox."""


def stage_weights(config: RunConfig) -> Mapping[str, float]:
    """Shares of the stages that a run with these settings has."""
    given = ("render", "adapt", "generate") if config.video else ()
    test = {SELF_TEST: sum(VIDEO_WEIGHTS.values()) * len(variants(config))} if config.is_tested else {}
    return test | {name: weight for name, weight in VIDEO_WEIGHTS.items() if name not in given}


def check_ready(config: RunConfig, plans: Sequence[Plan] = (), time_codes_per_second: float = 1.0) -> None:
    """Find out that something is missing, or cannot be done, before any work is done.

    Raises:
        ConfigError: A gap is longer than what the video model holds at once; says which keys make it fit.
        ResourceMissing: Weights or a device are missing; says what to do and what runs without.
    """
    if config.video:
        return
    choice = config.video_choice
    require_pinned(config.few_step_lora, FEW_STEP_LORA)
    check_gaps(choice.model, plans, time_codes_per_second)
    model_of(config)


def model_of(config: RunConfig) -> Backend:
    """The video model that the settings ask for, ready to work here.

    Raises:
        ConfigError: There is no such model.
        ResourceMissing: Weights or a device are missing.
    """
    choice = config.video_choice
    return backend(
        choice.model,
        memory=config.memory,
        precision=choice.precision,
        size=choice.size,
        gguf=require_pinned(config.gguf, GGUF),
    )


def fit_to_video(stage: Any, subjects: Sequence[Subject], context: RunContext) -> tuple[Subject, ...]:
    """Fit the motion of all subjects to a video, given or generated; those that cannot be seen keep the prior's.

    Args:
        stage: The source, open.
        subjects: Of the run.
        context: Of the run.

    Raises:
        ConfigError: The video does not reach over the gaps.
        DataError: It cannot be read, or nothing can be seen.
        ResourceMissing: Weights or a device are missing.
    """
    config, cache = context.config, context.cache
    second = None
    if config.video:
        footage = given_footage(config, stage, subjects, context.progress)
        second = (
            given_footage(config, stage, subjects, context.progress, second=True)
            if config.second_video
            else None
        )
        if second is not None and second.scene.appearance != footage.scene.appearance:
            context.progress.note(
                f"The second video shows the characters in another look ({second.scene.appearance}) than the first "
                f"({footage.scene.appearance}), in which the pictures of both are fitted.",
                level="warning",
            )
    else:
        footage = generated_footage(stage, subjects, context)
    cameras = footage.scene.cameras
    with cache.stage("estimate_joints"):
        # a smaller video says no more when enlarged
        area = min(EstimatorSettings.area, cameras.height * cameras.width)
        estimator_settings = EstimatorSettings(features=config.features, seed=config.seed, area=area)
        estimator = estimate_joints(footage, estimator_settings, context)
        other = None
        if second is not None:
            file = "estimator-2.safetensors"
            other = second, estimate_joints(second, estimator_settings, context, file=file)
    with cache.stage("mimic"):
        mimic_settings = MimicSettings(
            solver=config.solver, appearance=footage.scene.appearance, seed=config.seed
        )
        fitted = fit_motion(footage, estimator, mimic_settings, context, second=other)
    return tuple(replace(subject, filled=fitted.get(subject.path, subject.start)) for subject in subjects)


def generated_footage(stage: Any, subjects: Sequence[Subject], context: RunContext) -> Footage:
    """Videos of a model that has seen the context, one per take.

    Raises:
        ConfigError: The camera that was named moves.
        DataError: Nothing can be seen, or the context is too short to adapt to.
        ResourceMissing: Weights or a device are missing.
    """
    config, cache = context.config, context.cache
    model = model_of(config)
    scene = make_scene(
        stage,
        subjects,
        height=model.height,
        width=model.width,
        camera=config.camera,
        times=span([subject.plan for subject in subjects]),
        appearance=model.drawn,
        ground=model.ground,
    )
    check_still(config.camera, len(scene.cameras))
    with cache.stage("render"):
        if not config.camera:
            scene = choose_view(scene, context, ground=model.ground)
        renders = render(scene, context)
    with cache.stage("adapt"):
        prompt = prompt_of(renders, context)
        adapter = adapt(model, scene, renders, prompt, context)
    with cache.stage("generate"):
        return Footage(scene, generate(model, scene, first_of(renders), prompt, adapter, context))
