"""Parcels as messages of the parked queue, and back.

A message is the parcel as a JSON object. One that would be over a message's limit has its payload deflated (zlib, then
base85, which grows less than base64: a record with two incompressible images of 400 KB just fits) and says so in
`deflated`.
"""

from __future__ import annotations

import json
import zlib
from base64 import b85decode, b85encode
from dataclasses import asdict, replace

from distributary.domain.errors import MalformedMessage
from distributary.domain.parcel import Parcel

LIMIT = 1_048_576 - 1024
"""Bytes of one message; a little is left for attributes that a redrive may add."""

SURROGATES = "surrogatepass"
"""How what is no text of Unicode is kept: whatever it is, it is to be parked."""


def parcel_text(parcel: Parcel) -> str:
    """A parcel as ASCII text."""
    text = json.dumps({**asdict(parcel), "deflated": False})
    if len(text) <= LIMIT:
        return text
    payload = b85encode(zlib.compress(parcel.payload.encode(errors=SURROGATES), 9)).decode()
    return json.dumps({**asdict(parcel), "payload": payload, "deflated": True})


def parcel_from(text: str) -> Parcel:
    """Read what `parcel_text` wrote; raises MalformedMessage for anything else."""
    try:
        document = json.loads(text)
        deflated = document.pop("deflated")
        parcel = Parcel(**document)
        if deflated:
            parcel = replace(parcel, payload=zlib.decompress(b85decode(parcel.payload)).decode(errors=SURROGATES))
    except (KeyError, TypeError, AttributeError, ValueError, zlib.error) as error:
        raise MalformedMessage(f"not a parcel: {error}") from error
    return parcel
