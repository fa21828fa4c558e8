"""The parts of a run that scripts use like dicts: its config and its summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from etrm_lab.values import config_of


class Config(dict[str, Any]):
    """A config whose keys are attributes, too. Every change is told to `on_change`."""

    def __init__(self, values: Mapping[str, Any], on_change: Callable[[Config], None]) -> None:
        super().__init__(values)
        self.__dict__["_on_change"] = on_change

    def update(self, *given: Any, allow_val_change: bool = True, **more: Any) -> None:
        """As of a dict; a namespace or a dataclass will do, too. `allow_val_change` (W&B) is always true."""
        for each in given:
            super().update(config_of(each) if not isinstance(each, list) else dict(each))
        super().update(more)
        self.__dict__["_on_change"](self)

    def setdefaults(self, given: Any) -> None:
        """Add what is not there yet."""
        self.update({name: value for name, value in config_of(given).items() if name not in self})

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self.__dict__["_on_change"](self)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"The config has no {name!r}.") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class Summary(dict[str, Any]):
    """The newest value of everything logged. Setting one logs it at the newest step."""

    def __init__(self, log: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__()
        self._log = log

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self._log({name: value})

    def update(self, *given: Any, **more: Any) -> None:
        """As of a dict."""
        for name, value in dict(*given, **more).items():
            self[name] = value
