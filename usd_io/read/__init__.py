"""Reading stages: characters, motion, meshes, materials, cameras."""
