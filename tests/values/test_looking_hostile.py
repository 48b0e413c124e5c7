"""Classes, columns and keys whose own code would run if they were compared, hashed, converted or asked for a field."""

from __future__ import annotations

import datetime
import fractions
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.api.extensions import ExtensionArray, ExtensionDtype

from claude_magic.redaction import Redactor
from claude_magic.values.fingerprints import fingerprint
from claude_magic.values.hiding import SecretFilter
from claude_magic.values.inspection import LookError, inspect_variable, list_variables

RAN: list[str] = []


class Meta(type):
    """A class of classes that answers everything itself."""

    def __eq__(cls, other: object) -> Any:
        RAN.append("Meta.__eq__")
        return NotImplemented

    def __hash__(cls) -> int:
        RAN.append("Meta.__hash__")
        return 1

    @property
    def __mro__(cls) -> Any:  # type: ignore[override]
        RAN.append("Meta.__mro__")
        return ()

    @property
    def __dict__(cls) -> Any:  # type: ignore[override]
        RAN.append("Meta.__dict__")
        return {}

    @property
    def __module__(cls) -> Any:  # type: ignore[override]
        RAN.append("Meta.__module__")
        return ""


class OfMeta(metaclass=Meta):
    pass


class Key:
    def __hash__(self) -> int:
        RAN.append("Key.__hash__")
        return hash("a")

    def __eq__(self, other: object) -> bool:
        RAN.append("Key.__eq__")
        return True

    def __repr__(self) -> str:
        RAN.append("Key.__repr__")
        return ""

    def __deepcopy__(self, memo: Any) -> Any:
        RAN.append("Key.__deepcopy__")
        return self


class Proxy:
    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        RAN.append("Proxy.__dict__")
        raise RuntimeError("there is no request")


class Number(float):
    def __ne__(self, other: object) -> bool:
        RAN.append("Number.__ne__")
        return True


class Zone(datetime.tzinfo):
    def utcoffset(self, when: Any) -> datetime.timedelta:
        RAN.append("Zone.utcoffset")
        return datetime.timedelta(0)


class OwnSeries(pd.Series):
    @property
    def schema(self) -> Any:
        RAN.append("OwnSeries.schema")
        return []


class Callable:
    def __call__(self) -> None: ...

    def __getattr__(self, name: str) -> Any:
        RAN.append(f"Callable.{name}")
        raise AttributeError(name)


class OwnType(ExtensionDtype):
    type = object

    @property
    def name(self) -> str:
        RAN.append("OwnType.name")
        return "own"


class OwnArray(ExtensionArray):
    def __init__(self, size: int) -> None:
        self._size = size

    @property
    def dtype(self) -> Any:
        RAN.append("OwnArray.dtype")
        return OwnType()

    @property
    def nbytes(self) -> int:
        RAN.append("OwnArray.nbytes")
        return 8

    def __len__(self) -> int:
        RAN.append("OwnArray.__len__")
        return self._size

    def __getitem__(self, item: Any) -> Any:
        RAN.append("OwnArray.__getitem__")
        return 1 if isinstance(item, int) else self

    def isna(self) -> Any:
        RAN.append("OwnArray.isna")
        return np.zeros(self._size, bool)

    def copy(self) -> Any:
        return self


class OwnArrowType(pa.ExtensionType):
    def __init__(self) -> None:
        super().__init__(pa.int64(), "tests.own")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: Any, data: bytes) -> Any:
        return cls()

    def __arrow_ext_scalar_class__(self) -> Any:
        return OwnScalar

    def __str__(self) -> str:
        RAN.append("OwnArrowType.__str__")
        return ""


class OwnScalar(pa.ExtensionScalar):
    def as_py(self, **options: Any) -> Any:
        RAN.append("OwnScalar.as_py")
        return 1


class LazyModule(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        RAN.append(f"LazyModule.{name}")
        raise AttributeError(name)


def plain_function() -> None:
    """Has a source."""


def hostile() -> dict[str, Any]:
    key = Key()
    noted = pd.DataFrame({"a": [1, 2]})
    noted.attrs["key"] = key
    return {
        "of_meta": OfMeta(),
        "meta": OfMeta,
        "metas": [OfMeta()],
        "column_of_metas": pd.DataFrame({"a": [OfMeta()]}),
        "by_key": {key: 1, "b": 2},
        "proxy": Proxy(),
        "numbers": pd.DataFrame({"a": pd.Series([Number(1)], dtype=object)}),
        "when": [datetime.datetime(2026, 1, 1, tzinfo=Zone()), datetime.time(1, tzinfo=Zone())],
        "whens": pd.DataFrame({"a": pd.Series([datetime.datetime(2026, 1, 1, tzinfo=Zone())], dtype=object)}),
        "own_series": OwnSeries([1, 2]),
        "method": types.MethodType(Callable(), 1),
        "plain_function": plain_function,
        "kind": Key,
        "extension": pd.DataFrame({"own": OwnArray(3), "n": [1, 2, 3]}),
        "extension_series": pd.Series(OwnArray(3)),
        "noted": noted,
        "named": pd.DataFrame([[1, 2]], columns=pd.Index([key, "b"], dtype=object)),
        "categories": pd.Series(pd.Categorical.from_codes([0, 0], categories=pd.Index([key], dtype=object))),
        "part": slice(key),
        "record": np.array([(key,)], dtype=[("a", object)])[0],
        "lazy": sys.modules["lazy_module_of_a_test"],
        "arrow": pa.table({"own": pa.ExtensionArray.from_storage(OwnArrowType(), pa.array([1])), "n": [1]}),
    }


@pytest.fixture(autouse=True)
def _lazy_module(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Is imported, and knows nothing of itself before it is used."""
    monkeypatch.setitem(sys.modules, "lazy_module_of_a_test", LazyModule("lazy_module_of_a_test"))
    yield
    RAN.clear()


@pytest.mark.parametrize("name", [
    "of_meta", "meta", "metas", "column_of_metas", "by_key", "proxy", "numbers", "when", "whens", "own_series",
    "method", "plain_function", "kind", "extension", "extension_series", "noted", "named", "categories", "part",
    "record", "lazy", "arrow",
])  # fmt: skip
def test_no_code_of_the_users_runs(name: str) -> None:
    namespace = {name: hostile()[name]}
    RAN.clear()

    secrets = SecretFilter(namespace, Redactor())
    listed = list_variables(namespace, [name], secrets)
    shown = inspect_variable(namespace, name, secrets)
    fingerprint(namespace[name])

    assert RAN == []
    assert listed.startswith(f"{name}: ")
    assert shown.startswith(f"{name}: ")


def test_items_are_found_without_asking_other_keys() -> None:
    namespace = hostile()
    RAN.clear()
    secrets = SecretFilter({}, Redactor())

    assert "= 2" in inspect_variable(namespace, "by_key['b']", secrets)
    assert "2" in inspect_variable(namespace, "named['b']", secrets)
    assert RAN == []


def test_columns_with_types_of_their_own_are_named() -> None:
    shown = inspect_variable({"extension": hostile()["extension"]}, "extension", SecretFilter({}, Redactor()))

    assert "3 rows × 2 columns" in shown
    assert "not looked at, as their types have code of their own: own (" in shown
    assert "| n | int64 | 0 | 3 |" in shown


def test_source_of_functions_and_classes_is_shown() -> None:
    secrets = SecretFilter({}, Redactor())

    assert "Has a source." in inspect_variable({"it": plain_function}, "it", secrets)
    assert "class Proxy:" in inspect_variable({"it": Proxy}, "it", secrets)


@pytest.mark.parametrize(
    "value", [fractions.Fraction(10**5000, 3), range(10**5000), np.broadcast_to(1.0, (100,) * 5)], ids=type
)
def test_values_that_are_too_large_to_be_written_hide_no_others(value: Any) -> None:
    namespace = {"large": value, "small": 1}
    secrets = SecretFilter(namespace, Redactor())

    assert "small: int = 1" in list_variables(namespace, list(namespace), secrets)
    assert inspect_variable(namespace, "large", secrets)
    fingerprint(value)


@pytest.mark.parametrize("path", ["x" + "[0]" * 5000, "x[9**9]", "x[" + "(" * 50 + ")" * 50 + "]", "é\x00", "x[{}]"])
def test_odd_paths_are_refused_in_words(path: str) -> None:
    with pytest.raises(LookError):
        inspect_variable({"x": [1]}, path, SecretFilter({}, Redactor()))


def test_limits_count_bytes() -> None:
    namespace = {f"v{number}": "ü中" * 400 for number in range(500)} | {"one": "中" * 200_000}
    secrets = SecretFilter(namespace, Redactor())

    lines = list_variables(namespace, list(namespace), secrets)

    assert len(lines.encode()) <= 64 * 1024
    assert len(inspect_variable({"x": ["中" * 9999] * 60}, "x", secrets).encode()) <= 64 * 1024
