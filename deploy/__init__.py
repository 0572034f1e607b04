"""How restante is put to work: on one machine, in containers."""
