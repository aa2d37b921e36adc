"""The console as people use it: a whole Ombud, a browser, and the checks of the specification by their numbers."""
