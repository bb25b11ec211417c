"""Detection: models, likelihoods and events. Numbers only: no I/O, no wall clock, no globals."""
