"""What the API server knows of one kind of object."""

from dataclasses import dataclass

from .columns import AGE, NAME, Column


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of object; compared by identity."""

    name: str
    plural: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    has_status: bool = True
    """Whether it has a status subresource; other writes then keep the status."""
    shows_deleted: bool = False
    """Whether DELETE returns the last state instead of a Status."""
    has_scale: bool = False
    """Whether it has a scale subresource."""
    has_generation: bool = False
    """Whether metadata.generation counts changes outside of metadata and status."""
    custom: bool = False
    """Whether it is a custom resource, which has no strategic merge patch."""
    deprecated: str = ""
    """The warning that every reply about it has."""
    fields: tuple[str, ...] = ()
    """Field selectors in addition to metadata.name and metadata.namespace."""
    columns: tuple[Column, ...] = (NAME, AGE)

    @property
    def api_version(self) -> str:
        """Return the apiVersion of objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def prefix(self) -> str:
        """Return the path prefix of the group and version."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"

    @property
    def resource(self) -> str:
        """Return plural and group, the resource name in messages."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def title(self) -> str:
        """Return kind and group, the name in messages about invalid objects."""
        return f"{self.name}.{self.group}" if self.group else self.name
