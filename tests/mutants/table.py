"""All mutants."""

from of_auth import AUTH
from of_nginx import NGINX
from of_power import POWER
from of_registry import REGISTRY

MUTANTS = (*NGINX, *AUTH, *REGISTRY, *POWER)
