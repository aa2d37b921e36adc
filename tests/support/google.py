"""Google's own client, pointed at us as its users would."""

from typing import Any

from googleapiclient.discovery import build

from services.classifier import discovery
from tests.support.ombud import KEY
from tests.support.shapes import Shared


def google(ombud: Shared, key: str | None = KEY) -> Any:
    """Return a service made from our discovery document; `with` closes its connections."""
    url = f"{ombud.url}{discovery.PATH}?version=v1alpha1"
    return build("commentanalyzer", "v1alpha1", developerKey=key, discoveryServiceUrl=url, cache_discovery=False)
