"""What a reflector tells the store: two events, and the rules they come under.

* Both are idempotent: an object may be applied again unchanged, an unknown key may be
  deleted. Events of one key come in order; between keys there is no order.
* A relist says the same two words. Every listed object is applied, page by page as it
  arrives; only when the last page is in are the keys deleted that the reflector had
  told of before and the list did not name. So a list cut in the middle never removes
  anything, a deletion missed in a gap is found, and old and new are never both whole
  in memory.
* Between chunks of a relist the event loop runs: what a query then sees is old for
  some keys and new for others, as it is between any two watch events.
* ``Reflector.synced`` becomes true after the first list's last event was applied.
"""

from typing import NamedTuple, TypeAlias

from minidns.kubernetes.objects import Key, Kind, Object


class Applied(NamedTuple):
    """An object stands like this now: new, changed, or as before."""

    obj: Object


class Deleted(NamedTuple):
    """No such object any more; what it last looked like, only the store knows."""

    kind: Kind
    key: Key


Event: TypeAlias = Applied | Deleted
