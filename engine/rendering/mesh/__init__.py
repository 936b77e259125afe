"""Skinned surfaces: vertices, edges, weights and how they move."""
