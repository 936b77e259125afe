"""The joint estimator: where the joints of a picture are, and how sure that is."""
