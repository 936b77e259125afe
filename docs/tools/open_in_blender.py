"""Open a USD stage in an empty Blender file, over its own range of time.

blender --python docs/tools/open_in_blender.py -- RESULT
"""

import sys

import bpy

bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.wm.usd_import(filepath=sys.argv[-1])
