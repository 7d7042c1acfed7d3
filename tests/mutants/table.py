"""All mutants."""

from of_auth import AUTH
from of_garbage import OF_GARBAGE
from of_nginx import NGINX
from of_power import POWER
from of_registry import REGISTRY

MUTANTS = (*NGINX, *AUTH, *OF_GARBAGE, *REGISTRY, *POWER)
