"""Times as an operator writes them: a while ago, or a date; and as they are shown to one, in UTC."""

import re
from datetime import UTC, datetime

from distributary.domain.errors import InvalidSettings
from distributary.domain.version import MICROSECONDS

_AGO = re.compile(r"(\d{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


def moment(option: str, text: str, now: int) -> int:
    """Microseconds of a time such as 90s, 15m, 6h or 2d (ago), 2026-11-25 or 2026-11-25T22:04:59 (UTC).

    now: microseconds. Raises InvalidSettings with the option's name for anything else.
    """
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now - int(ago[1]) * _SECONDS[ago[2]] * MICROSECONDS
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidSettings(f"{option}: {text!r} is no time; write 90s, 15m, 6h, 2d or 2026-11-25T22:04:59") from None
    at = told if told.tzinfo else told.replace(tzinfo=UTC)
    return int(at.timestamp()) * MICROSECONDS + at.microsecond


def shown(at: int) -> str:
    """A time, to the millisecond. at: microseconds."""
    return datetime.fromtimestamp(at / MICROSECONDS, UTC).isoformat(" ", "milliseconds").removesuffix("+00:00")


def written(at: int) -> str:
    """A time for programs, in ISO form. at: microseconds."""
    return datetime.fromtimestamp(at / MICROSECONDS, UTC).isoformat(timespec="microseconds")
