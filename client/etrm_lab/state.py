"""The parts of a run that scripts use like dicts: its config and its summary."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from etrm_lab.output import tell_once
from etrm_lab.values import config_of

Plain = tuple[type[OrderedDict[str, Any]], tuple[dict[str, Any]]]


class Config(dict[str, Any]):
    """A config whose keys are attributes, too. Every change is told to `on_change`."""

    def __init__(self, values: Mapping[str, Any], on_change: Callable[[Config], None]) -> None:
        super().__init__(values)
        self.__dict__["_on_change"] = on_change

    def update(self, *given: Any, allow_val_change: bool = True, **more: Any) -> None:
        """As of a dict; a namespace or a dataclass will do, too. `allow_val_change` (W&B) is always true."""
        for each in given:
            try:
                super().update(config_of(each) if not isinstance(each, list) else dict(each))
            except ValueError as error:  # within a training: too deep, or too large
                tell_once(f"config.update leaves it as it was: {error}", "config")
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

    def __copy__(self) -> Config:
        """A config of nobody's: what is changed in it is not logged."""
        return Config(self, _ignore)

    def __deepcopy__(self, memo: dict[int, Any]) -> Config:
        return Config(copy.deepcopy(dict(self), memo), _ignore)

    def __reduce__(self) -> Plain:
        """Saved with a checkpoint, or sent to another process, it is a dict."""
        return _plain(self)


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

    def __reduce__(self) -> Plain:
        """Saved or sent elsewhere, it is a dict."""
        return _plain(self)


def _plain(values: dict[str, Any]) -> Plain:
    """How to pickle it as a dict, of a kind that `torch.load` takes with `weights_only`, its default."""
    return OrderedDict, (dict(values),)


def _ignore(_: Config) -> None:
    pass
