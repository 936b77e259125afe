"""What a UsdPreviewSurface says of the colour of a mesh's faces, and its textures."""

import os
from collections.abc import Callable

import numpy as np
from pxr import Ar, Usd, UsdGeom, UsdShade

from usd_io import convert
from usd_io.errors import StageNotFoundError, shown
from usd_io.model import Material
from usd_io.read.samples import read_track
from usd_io.shapes import Float, Int

Warn = Callable[[str], None]
_EARLIEST = Usd.TimeCode.EarliestTime()


def read_materials(
    mesh: UsdGeom.Mesh, face_count: int, warn: Warn
) -> tuple[tuple[Material, ...], Int[np.ndarray, " face"] | None]:
    """The materials of a mesh and, per face, which one it has (-1 for none); None where no face has one."""
    bound: list[tuple[Usd.Prim, Int[np.ndarray, " subset_face"]]] = [(mesh.GetPrim(), np.arange(face_count))]
    for subset in UsdShade.MaterialBindingAPI(mesh).GetMaterialBindSubsets():
        faces = convert.integers(subset.GetIndicesAttr().Get(_EARLIEST) or [])
        bound.append((subset.GetPrim(), faces[(faces >= 0) & (faces < face_count)]))
    face_material = np.full(face_count, -1)
    materials: dict[str, Material] = {}
    for prim, faces in bound:
        material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial(UsdShade.Tokens.preview)
        if not material or not len(faces):
            continue
        path = str(material.GetPath())
        if path not in materials:
            materials[path] = _read_material(material, warn)
        face_material[faces] = list(materials).index(path)
    return tuple(materials.values()), face_material if (face_material >= 0).any() else None


def _read_material(material: UsdShade.Material, warn: Warn) -> Material:
    path = str(material.GetPath())
    shader = material.ComputeSurfaceSource()[0]
    if not shader or shader.GetIdAttr().Get() != "UsdPreviewSurface":
        warn(f"<{path}> has no UsdPreviewSurface; its colour is not read.")
        return Material(path, None, None)
    for attribute in _producers(shader, "diffuseColor"):
        source = UsdShade.Shader(attribute.GetPrim())
        if attribute.GetTypeName() == "color3f" and not UsdShade.Output.IsOutput(attribute):
            return _coloured(path, attribute, warn)
        if source and source.GetIdAttr().Get() == "UsdUVTexture":
            return _textured(path, source, warn)
        warn(f"<{path}>: its diffuse colour comes from <{attribute.GetPath()}>, which is not read.")
    return Material(path, None, None)


def _producers(shader: UsdShade.Shader, name: str) -> list[Usd.Attribute]:
    """Where a shader's input gets its value from, through node graphs and interface inputs."""
    shader_input = shader.GetInput(name)
    return list(shader_input.GetValueProducingAttributes()) if shader_input else []


def _coloured(path: str, attribute: Usd.Attribute, warn: Warn) -> Material:
    def colour(time: Usd.TimeCode | float) -> Float[np.ndarray, "3"] | None:
        value = attribute.Get(time)
        return None if value is None else np.array(value, float)

    track = read_track(attribute.GetTimeSamples(), colour, str(attribute.GetPath()), warn, np.zeros(3))
    first = colour(_EARLIEST)
    changes = {} if track is None else {"diffuse_color": track}
    return Material(path, None if first is None else tuple(first.tolist()), None, changes)


def _textured(path: str, source: UsdShade.Shader, warn: Warn) -> Material:
    for attribute in _producers(source, "file"):
        times = attribute.GetTimeSamples()
        texts = {time: _texture(attribute, path, warn, time) for time in times}
        track = read_track(times, texts.get, str(attribute.GetPath()), warn, "")
        first = texts[times[0]] if times else _texture(attribute, path, warn, _EARLIEST)
        return Material(path, None, first, {} if track is None else {"texture": track})
    return Material(path, None, None)


def _texture(attribute: Usd.Attribute, path: str, warn: Warn, time: Usd.TimeCode | float) -> str | None:
    asset = attribute.Get(time)
    if asset is not None and asset.resolvedPath and "<UDIM>" not in asset.path:
        return str(asset.resolvedPath)
    if asset is not None and asset.path:
        why = "UDIM tiles are not read" if "<UDIM>" in asset.path else "it is not found"
        warn(f"<{path}>: the texture {shown(asset.path)} is left out, {why}.")
    return None


def read_texture_bytes(path: str) -> bytes:
    """The bytes of an image file, through USD's own resolver: plain files, usdz packages, or a studio's URIs.

    Args:
        path: A resolved path as in ``Material.texture``, such as ``fox.usdz[textures/fox.png]``.

    Raises:
        StageNotFoundError: It cannot be opened or holds nothing.
    """
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113  # a pipe would be waited for
        raise StageNotFoundError(f"The texture {shown(path)} is no file; fix its path in the stage.")
    asset = Ar.GetResolver().OpenAsset(Ar.ResolvedPath(path)) if path else None
    if asset is None:
        raise StageNotFoundError(f"The texture {shown(path)} cannot be opened; fix its path in the stage.")
    content = asset.GetBuffer()
    if not content:
        raise StageNotFoundError(f"The texture {shown(path)} is an empty file; replace it by the picture.")
    return bytes(content)
