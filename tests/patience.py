"""How long tests wait for another process: on a busy machine everything takes long, and a hang ends at last."""

PATIENCE_S = 300.0
