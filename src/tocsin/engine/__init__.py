"""Accept, order, score, commit, hand on."""
