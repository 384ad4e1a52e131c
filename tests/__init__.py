"""The tests of Plano. A package, so that shared fakes are imported by name and never by accident
from another distribution's `tests`."""
