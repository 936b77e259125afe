"""Films of one motion in looks that are not ours: what a fit gets that did not come from our own renderer.

``shaded`` and ``canonical`` are drawn by ours; pyrender lights by other rules and needs OpenGL (in software will do);
Blender's workbench draws in a process of its own: ``python scripts/films.py FILE.npz FOLDER``, run by a Python that
has ``bpy``. Neither has our floor behind the characters.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

FILMS = ("textured", "shaded", "canonical", "pyrender", "workbench")


def films(oracle: Any, names: Sequence[str], blender: Path | None) -> Iterator[tuple[str, Any]]:
    """Videos of the oracle's truth from its view, by the name of their look.

    Args:
        oracle: An :class:`engine.evaluation.oracle.Oracle`.
        names: Of :data:`FILMS`.
        blender: A Python that has ``bpy``, for the workbench.
    """
    import torch

    from engine.files.video import Video, frames_of
    from engine.mimic.pictures.pyramid import resample
    from engine.priors.offsets import sample
    from engine.rendering.actors import Actors
    from engine.rendering.mesh.surface import build_surface
    from engine.rendering.pyrender_renderer import PyrenderRenderer
    from engine.rendering.renderers import TorchRenderer
    from engine.rendering.views import View, render_view
    from usd_io.read.material import read_texture_bytes

    characters, view = [s.character for s in oracle.subjects], oracle.views[0]
    times = np.array(oracle.video.times) * oracle.subjects[0].truth.time_codes_per_second
    actors = Actors(characters, [sample(s.truth, times) for s in oracle.subjects])

    def drawn(renderer: Any, view: View) -> torch.Tensor:
        return frames_of(np.stack(list(render_view(renderer, actors, view))))

    if "textured" in names:
        yield "textured", oracle.video
    for look in ("shaded", "canonical"):
        if look not in names:
            continue
        surface = build_surface(characters, read_texture_bytes, look)
        yield look, Video(oracle.video.times, drawn(TorchRenderer(surface, look), view))
    # twice as fine and averaged, as its outlines are not smooth
    if "pyrender" in names:
        frames = drawn(PyrenderRenderer(oracle.surface, "textured"), View(view.name, _finer(view.cameras)))
        yield "pyrender", Video(oracle.video.times, resample(frames, view.cameras.height, view.cameras.width))
    if "workbench" in names and blender is not None:
        yield "workbench", Video(oracle.video.times, frames_of(_workbench(blender, oracle, actors)))


def before_its_background(oracle: Any, video: Any) -> Any:
    """The oracle with a film of its motion, and what that shows behind the characters, as a run has it."""
    from dataclasses import replace

    import torch

    from engine.priors.offsets import sample
    from engine.rendering.actors import Actors
    from engine.rendering.renderers import TorchRenderer
    from engine.rendering.views import IMAGES_AT_ONCE
    from engine.scene.background import seen_backdrop

    view, *others = oracle.views
    times = np.array(video.times) * oracle.subjects[0].truth.time_codes_per_second
    actors = Actors([s.character for s in oracle.subjects], [sample(s.start, times) for s in oracle.subjects])
    masks = [
        TorchRenderer(oracle.surface).render(actors.vertices(slice(i, i + IMAGES_AT_ONCE)), view.cameras).mask
        for i in range(0, len(times), IMAGES_AT_ONCE)
    ]
    backdrop = seen_backdrop(video.frames, torch.cat(masks) > 0, view.backdrop)
    return replace(oracle, video=video, views=(replace(view, backdrop=backdrop), *others))


def in_its_look(oracle: Any) -> tuple[Any, Any]:
    """The oracle with its characters in the look of its film, as a run finds it from keys and context alone."""
    from dataclasses import replace

    from engine.priors.offsets import sample
    from engine.rendering.actors import Actors
    from engine.rendering.mesh.surface import build_surface
    from engine.scene.film_look import find_look, known_frames
    from engine.scene.scene import make_schedule
    from usd_io.read.material import read_texture_bytes

    truths = [s.truth for s in oracle.subjects]
    times = np.array(oracle.video.times) * truths[0].time_codes_per_second
    schedule = make_schedule([s.plan for s in oracle.subjects if s.plan is not None], truths[0])
    near = known_frames(times, np.array(schedule.true))
    characters = [s.character for s in oracle.subjects]
    actors = Actors(characters, [sample(truth, times[near]) for truth in truths])
    found = find_look(
        actors.vertices(slice(None)),
        oracle.views[0].cameras,
        oracle.video.frames[near],
        lambda look: build_surface(characters, read_texture_bytes, look),
    )
    return replace(oracle, surface=found.surface, appearance=found.appearance), found


def _finer(cameras: Any) -> Any:
    from dataclasses import replace

    return replace(
        cameras,
        focal=cameras.focal * 2,
        centre=cameras.centre * 2,
        height=cameras.height * 2,
        width=cameras.width * 2,
    )


def _workbench(blender: Path, oracle: Any, actors: Any) -> np.ndarray:
    """Bytes of every frame, drawn by Blender."""
    from PIL import Image

    cameras, surface = oracle.views[0].cameras, oracle.surface
    with tempfile.TemporaryDirectory() as folder:
        arrays = {f"texture_{i}": t.numpy() for i, t in enumerate(surface.textures)}
        np.savez(
            Path(folder) / "film.npz",
            vertices=actors.vertices(slice(None)).numpy(),
            faces=surface.faces.numpy(),
            colors=surface.corner_colors.numpy(),
            uvs=surface.corner_uvs.numpy(),
            face_texture=surface.face_texture.numpy(),
            T_camera_world=cameras.T_camera_world[0],
            focal=cameras.focal[0],
            centre=cameras.centre[0],
            size=(cameras.height, cameras.width),
            **arrays,
        )
        command = [str(blender), __file__, str(Path(folder) / "film.npz"), folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return np.stack(
            [np.asarray(Image.open(path).convert("RGB")) for path in sorted(Path(folder).glob("*.png"))]
        )


def draw_in_blender(file: str, folder: str) -> None:
    """One PNG per frame; runs where ``bpy`` is."""
    import bpy
    from mathutils import Matrix

    film = np.load(file)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "BLENDER_WORKBENCH"
    height, width = film["size"].tolist()
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.view_settings.view_transform = "Standard"
    shading = scene.display.shading
    shading.light, shading.color_type, shading.show_cavity = "STUDIO", "TEXTURE", True
    scene.world = bpy.data.worlds.new("world")
    scene.world.color = (0.05, 0.06, 0.08)
    data = bpy.data.cameras.new("camera")
    camera = bpy.data.objects.new("camera", data)
    scene.collection.objects.link(camera)
    scene.camera = camera
    # lens and shift in units of the sensor's width, along which the picture is fitted
    (fx, _), (cx, cy) = film["focal"], film["centre"]
    data.sensor_fit, data.sensor_width, data.lens = "HORIZONTAL", 36.0, float(fx / width * 36)
    data.shift_x, data.shift_y = float(0.5 - cx / width), float((cy - height / 2) / width)
    camera.matrix_world = Matrix((np.linalg.inv(film["T_camera_world"]) @ np.diag([1, -1, -1, 1.0])).tolist())
    vertices, faces = film["vertices"], film["faces"]
    depth = vertices.reshape(-1, 3) @ film["T_camera_world"][2, :3] + film["T_camera_world"][2, 3]
    data.clip_start, data.clip_end = float(depth.min() / 2), float(depth.max() * 2)
    mesh = bpy.data.meshes.new("characters")
    mesh.from_pydata(vertices[0].tolist(), [], faces.tolist())
    _paint(bpy, mesh, film)
    scene.collection.objects.link(bpy.data.objects.new("characters", mesh))
    for index, points in enumerate(vertices):
        mesh.vertices.foreach_set("co", points.astype(np.float32).ravel())
        mesh.update()
        scene.render.filepath = str(Path(folder) / f"{index:05}.png")
        bpy.ops.render.render(write_still=True)


def _paint(bpy: Any, mesh: Any, film: Any) -> None:
    """Textures as they are; corner colours as a texture of one pixel per face, for workbench shows one kind."""
    count, faces = len(film["faces"]), film["face_texture"]
    uvs, pictures = (
        film["uvs"].astype(np.float32),
        [film[n] for n in sorted(film.files) if n[:8] == "texture_"],
    )
    plain = faces < 0
    if plain.any():
        side = int(np.ceil(np.sqrt(count)))
        palette = np.zeros((side * side, 3), np.float32)
        palette[:count] = film["colors"].mean(1)
        place = np.stack([np.arange(count) % side, np.arange(count) // side], 1)[plain]
        uvs[plain] = ((place + 0.5) / side)[:, None]
        pictures.append(palette.reshape(side, side, 3)[::-1])
        faces = np.where(plain, len(pictures) - 1, faces)
    mesh.uv_layers.new(name="uv").data.foreach_set("uv", uvs.ravel())
    for index, picture in enumerate(pictures):
        image = bpy.data.images.new(f"texture {index}", picture.shape[1], picture.shape[0])
        rows = np.ones((*picture.shape[:2], 4), np.float32)
        rows[..., :3] = picture[::-1]
        image.pixels.foreach_set(rows.ravel())
        material = bpy.data.materials.new(f"material {index}")
        material.use_nodes = True
        node = material.node_tree.nodes.new("ShaderNodeTexImage")
        node.image, node.interpolation = (
            image,
            "Closest" if plain.any() and index == len(pictures) - 1 else "Linear",
        )
        material.node_tree.nodes.active = node
        mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", faces.astype(np.int32))


if __name__ == "__main__":
    draw_in_blender(*sys.argv[1:])
