"""Import of the Databricks SDK only what is used, once, on one thread.

Its package imports all of its forty services, which takes a second of work; ours are six. So the package stands there
without its own names until somebody asks for one of them, and its parts are imported as if they stood alone.

Two threads that begin at different ends of it block each other (importlib's _DeadlockError). So nobody imports a part
before this has imported those that are used most.
"""

from __future__ import annotations

import sys
import threading
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

PACKAGE = "databricks.sdk"
USED = ("core", "mixins.files", "mixins.compute", "mixins.jobs", "mixins.workspace", "service.ml")

_lock = threading.Lock()


class _Package(ModuleType):
    """The package before its `__init__` has run, which it does when one of its own names is asked for."""

    def __init__(self) -> None:
        super().__init__(PACKAGE)
        spec = find_spec(PACKAGE)
        assert spec is not None
        assert spec.loader is not None
        self.__spec__, self.__loader__, self.__file__ = spec, spec.loader, spec.origin
        self.__path__ = spec.submodule_search_locations or []
        self.__package__ = PACKAGE
        self._complete = spec.loader.exec_module
        self._completing = threading.RLock()
        self._begun = False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or find_spec(f"{PACKAGE}.{name}"):  # a part, which importlib looks for here first
            raise AttributeError(name)
        with self._completing:
            if not self._begun:
                self._begun = True
                self._complete(self)
        try:
            return self.__dict__[name]
        except KeyError:
            raise AttributeError(name) from None


def databricks_sdk() -> None:
    """Returns when it is imported, which takes a third of a second the first time."""
    with _lock:
        if PACKAGE not in sys.modules:
            parent = import_module("databricks")
            sys.modules[PACKAGE] = package = _Package()
            parent.__dict__["sdk"] = package
        for part in USED:
            import_module(f"{PACKAGE}.{part}")


def in_background() -> None:
    """Begin, while other calls are waited for."""
    threading.Thread(target=databricks_sdk, name="preload", daemon=True).start()
