"""Packages that only some commands need: which extra of this project brings them."""

from __future__ import annotations

from importlib.util import find_spec

from nrc_core.errors import ConfigError

EXTRAS = {
    "workflow": ("ipykernel", "nbconvert", "nbformat", "papermill"),
    "book": ("matplotlib", "seaborn"),
    "data": ("Box2D", "gymnasium", "h5py", "mujoco", "safetensors"),
    "experts": ("stable_baselines3",),
}


def extra_of(package: str) -> str | None:
    """The extra that brings a package; None for a package that none brings.

    Example:
        >>> extra_of("papermill"), extra_of("numpy")
        ('workflow', None)
    """
    return next((extra for extra, packages in EXTRAS.items() if package in packages), None)


def lacking(package: str) -> str:
    """What to do about a package that is not there, in one line."""
    extra = extra_of(package)
    remedy = "install it" if extra is None else f"install the extra `{extra}`: pip install 'nrc-core[{extra}]'"
    return f"the package {package} is not installed: {remedy} (in a checkout, `make environment` installs all)"


def check_installed(*packages: str) -> None:
    """Raise ConfigError unless these packages are there; imports none of them."""
    for package in packages:
        if find_spec(package) is None:
            raise ConfigError(lacking(package))
