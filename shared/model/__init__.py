"""The artifact contract between trainer and classifier: a hashed linear model, how it reads text, scores and explains.

One table of weights, one column per known category; a definition in plain Python (text), the same in compiled code
(kernels), and the same again as scikit-learn parts (reference). No pickle: an artifact is a zip of plain arrays.
"""

from shared.model.artifact import FORMAT, NAME, QUICK, Model, dump, load, shipped
from shared.model.explain import Explanation

__all__ = ["FORMAT", "NAME", "QUICK", "Explanation", "Model", "dump", "load", "shipped"]
