"""`make up` and `make down`: all of restante in containers on one machine, with secrets made on the first run.

Needs nothing but Python and Docker, so nothing here imports what is not in the standard library.
"""
