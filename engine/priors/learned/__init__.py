"""The learned prior: poses around a gap -> features -> network -> motion."""
