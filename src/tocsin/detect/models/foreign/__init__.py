"""Models of somebody else's: any object with ``score_one`` and ``learn_one``, as River has them.

``names.py`` reads and finds what a setting names, ``scorer.py`` calls the object. The raw scores
may be of any scale; `tocsin.detect.kernels.raw` makes them likelihoods.
"""
