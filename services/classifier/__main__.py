"""`python -m services.classifier analyze`: the one-time run that users of the Mastodon collector know."""

from services.cli.analyze import app

if __name__ == "__main__":
    app()
