"""What the stage mimic says of characters that it cannot follow whole."""

from dataclasses import replace

import numpy as np

from engine.events import Event, Note
from engine.progress import Progress
from engine.stages.mimic import warn_of_moving_skin
from tests.engine.rendering.shapes import limb
from usd_io.model import Changing


def test_a_binding_that_changes_in_time_is_reported() -> None:
    still = limb()
    mesh = still.meshes[0]
    weights = Changing(np.array([0.0, 10.0]), (mesh.joint_weights, mesh.joint_weights[:, ::-1]))
    moving = replace(still, meshes=(replace(mesh, changes={"joint_weights": weights}),))
    events: list[Event] = []
    warn_of_moving_skin([still, moving], Progress(on_event=events.append))
    notes = [event for event in events if isinstance(event, Note)]
    assert [note.level for note in notes] == ["warning"]
    assert "/Limb/Skel: skin weights or bind transforms of /Limb/Skin change in time" in notes[0].text
