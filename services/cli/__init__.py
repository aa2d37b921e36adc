"""The commands behind `ombud`. Only this room may print."""
