"""The discovery document from which Google's clients learn what the Perspective drop-in can do. Pure.

Invariant: it lists what exists and nothing else; ingest answers suggestscore, the classifier the rest. A further method
of `comments` is a further entry of METHODS and its schemas. There is no `auth` block: with one, Google's clients ask
for cloud credentials as soon as no key is given.
"""

from collections.abc import Mapping
from typing import Any

from shared.perspective import NAME, VERSION

PATH = "/$discovery/rest"


def _ref(schema: str) -> dict[str, str]:
    return {"$ref": schema}


def _list(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": dict(items)}


def _map(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": dict(values)}


TEXT = {"type": "string"}
NUMBER = {"type": "number", "format": "float"}
FLAG = {"type": "boolean"}
PLACE = {"type": "integer", "format": "int32"}

SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "TextEntry": {"text": TEXT, "type": TEXT},
    "Context": {"entries": _list(_ref("TextEntry")), "articleAndParentComment": _ref("ArticleAndParentComment")},
    "ArticleAndParentComment": {"article": _ref("TextEntry"), "parentComment": _ref("TextEntry")},
    "Score": {"value": NUMBER, "type": TEXT},
    "SpanScore": {"begin": PLACE, "end": PLACE, "score": _ref("Score")},
    "AttributeScores": {"summaryScore": _ref("Score"), "spanScores": _list(_ref("SpanScore"))},
    "AttributeParameters": {"scoreType": TEXT, "scoreThreshold": NUMBER},
    "AnalyzeCommentRequest": {
        "comment": _ref("TextEntry"),
        "context": _ref("Context"),
        "requestedAttributes": _map(_ref("AttributeParameters")),
        "languages": _list(TEXT),
        "doNotStore": FLAG,
        "clientToken": TEXT,
        "sessionId": TEXT,
        "communityId": TEXT,
        "spanAnnotations": FLAG,
    },
    "AnalyzeCommentResponse": {
        "attributeScores": _map(_ref("AttributeScores")),
        "languages": _list(TEXT),
        "detectedLanguages": _list(TEXT),
        "clientToken": TEXT,
    },
    "SuggestCommentScoreRequest": {
        "comment": _ref("TextEntry"),
        "context": _ref("Context"),
        "attributeScores": _map(_ref("AttributeScores")),
        "languages": _list(TEXT),
        "communityId": TEXT,
        "clientToken": TEXT,
        "sessionId": TEXT,
    },
    "SuggestCommentScoreResponse": {
        "clientToken": TEXT,
        "detectedLanguages": _list(TEXT),
        "requestedLanguages": _list(TEXT),
    },
}
"""Schema -> its properties."""

METHODS: Mapping[str, tuple[str, str, str]] = {
    "analyze": (
        "AnalyzeCommentRequest",
        "AnalyzeCommentResponse",
        "Score a comment.",
    ),
    "suggestscore": (
        "SuggestCommentScoreRequest",
        "SuggestCommentScoreResponse",
        "Say what the score of a comment should be.",
    ),
}
"""Method of `comments` -> schema of its request, schema of its response, what it is for."""

PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "key": {"type": "string", "location": "query", "description": "API key."},
    "alt": {"type": "string", "location": "query", "default": "json", "enum": ["json"], "description": "Data format."},
    "prettyPrint": {"type": "boolean", "location": "query", "default": "true", "description": "Has no effect."},
    "fields": {"type": "string", "location": "query", "description": "Has no effect."},
    "quotaUser": {"type": "string", "location": "query", "description": "Has no effect."},
}


def document(origin: str) -> dict[str, Any]:
    """Return the document for clients that reach us under `origin`, such as `https://ombud.example.org`."""
    root = f"{origin.rstrip('/')}/"
    return {
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": f"{NAME}:{VERSION}",
        "name": NAME,
        "version": VERSION,
        "title": "Comment analyzer, as Ombud serves it",
        "protocol": "rest",
        "rootUrl": root,
        "servicePath": "",
        "baseUrl": root,
        "batchPath": "batch",
        "parameters": {name: dict(parameter) for name, parameter in PARAMETERS.items()},
        "schemas": {
            name: {"id": name, "type": "object", "properties": dict(properties)} for name, properties in SCHEMAS.items()
        },
        "resources": {"comments": {"methods": {name: _method(name) for name in METHODS}}},
    }


def _method(name: str) -> dict[str, Any]:
    request, response, description = METHODS[name]
    path = f"{VERSION}/comments:{name}"
    return {
        "id": f"{NAME}.comments.{name}",
        "path": path,
        "flatPath": path,
        "httpMethod": "POST",
        "description": description,
        "parameters": {},
        "parameterOrder": [],
        "request": _ref(request),
        "response": _ref(response),
    }
