"""Keys of rows as an operator writes them, as JSON, checked before anything is looked for."""

import json
from decimal import Decimal

from distributary.domain.dataset import KeySchema
from distributary.domain.errors import InvalidSettings
from distributary.domain.image import Image, key_text


def text_key(text: str) -> Image:
    """The key of a row of an SQL database, whose values are texts here; raises InvalidSettings for all else."""
    row = _key(text, texts_only=True)
    for name, value in row.items():
        if list(value) != ["S"] or not isinstance(value["S"], str):
            raise InvalidSettings(f'--key: {name}: is no text, as keys of Aurora are here; write {{"id": "5"}}')
    return row


def typed_key(text: str, schema: KeySchema) -> Image:
    """The key of an item; raises InvalidSettings for what no item of the table has: nothing would be found."""
    row = _key(text, texts_only=False)
    kinds = {schema.partition: schema.partition_type.value}
    if schema.sort is not None:
        kinds[schema.sort] = schema.sort_type.value
    if {name: list(value) for name, value in row.items()} != {name: [kind] for name, kind in kinds.items()}:
        told = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
        raise InvalidSettings(f'--key: is no key of the dataset, which has {told}; as in {{"pk": {{"S": "order-1"}}}}')
    for name, kind in kinds.items():
        try:
            fits = isinstance(row[name][kind], str) and key_text({name: row[name]}) != ""
        except ArithmeticError:
            fits = False
        if not fits:
            raise InvalidSettings(f"--key: {name}: is no value of type {kind}, written as text")
    return row


def _key(text: str, *, texts_only: bool) -> Image:
    """A key from JSON: typed values as they are, texts as texts, numbers as numbers where the database knows types."""
    try:
        told = json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise InvalidSettings(f"--key: is not JSON ({error})") from None
    if not isinstance(told, dict) or not told:
        raise InvalidSettings('--key: is no object; write {"pk": "order-1"}')
    untyped = {name: {"S" if texts_only or isinstance(value, str) else "N": str(value)} for name, value in told.items()}
    return {name: value if isinstance(value, dict) else untyped[name] for name, value in told.items()}
