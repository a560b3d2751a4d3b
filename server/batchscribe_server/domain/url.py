"""`https://` and `http://` URIs, and what of them may be shown: a query is often a signature, and so a secret."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_URL = re.compile(r"https?:", re.IGNORECASE)
_USER = re.compile(r"(?<=:)(/*)[^/]*@")


def is_url(uri: str) -> bool:
    """Whether the scheme is `https` or `http`."""
    return _URL.match(uri) is not None


def shown_url(uri: str) -> str:
    """A URI as messages, logs and outputs repeat it: a URL without user, query and fragment, any other as it stands."""
    scheme = _URL.match(uri)
    if scheme is None:
        return uri
    path = re.split(r"[?#]", uri, maxsplit=1)[0]
    user = _USER.match(path, scheme.end())
    return path if user is None else scheme[0] + user[1] + path[user.end() :]


def scheme_of(uri: str) -> str:
    """The scheme of a URI in lower case; nothing where it has none."""
    scheme = _SCHEME.match(uri)
    return scheme[1].lower() if scheme else ""
