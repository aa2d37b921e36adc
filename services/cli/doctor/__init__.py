"""`ombud doctor`: what is wrong with an installation and how to mend it. Gather facts, judge them (pure), show them."""
