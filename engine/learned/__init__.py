"""The learned prior: data, network, training recipe and weights. Imports torch, so it is imported late."""
