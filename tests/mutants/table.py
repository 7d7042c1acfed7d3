"""All mutants."""

from of_auth import AUTH
from of_faults import FAULTS
from of_garbage import OF_GARBAGE
from of_keeping import KEEPING
from of_nginx import NGINX
from of_power import POWER
from of_registry import REGISTRY

MUTANTS = (*NGINX, *AUTH, *OF_GARBAGE, *REGISTRY, *POWER, *KEEPING,
           *FAULTS)
