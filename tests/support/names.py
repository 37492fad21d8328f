"""The ledger's small tables, in memory."""

from __future__ import annotations


class Shared:
    def __init__(self) -> None:
        self._texts: list[tuple[str, ...]] = []

    def _number(self, *text: str) -> int:
        if text not in self._texts:
            self._texts.append(text)
        return self._texts.index(text)

    def source(self, name: str) -> int:
        return self._number(name)

    def model(self, name: str, sha256: str) -> int:
        return self._number(name, sha256)

    def boot(self, name: str) -> int:
        return self._number(name)

    def source_of(self, number: int | None) -> str:
        assert number is not None
        return self._texts[number][0]

    def model_of(self, number: int | None) -> tuple[str | None, str | None]:
        if number is None:
            return None, None
        name, sha256 = self._texts[number]
        return name or None, sha256 or None

    def boot_of(self, number: int) -> str:
        return self._texts[number][0]
